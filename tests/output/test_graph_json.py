"""4dsg.json: nothing is lost, nothing wrong is read, and every refusal names the place in one line."""

import copy
import errno
import json
import math
import os
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import MappingProxyType

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fast_snow.errors import FastSnowError, FastSnowWarning, InputError, OutputError
from fast_snow.output import graph_json
from fast_snow.output.graph_json.document_types import Document
from fast_snow.output.graph_json.writing import shortest, shortest_float64
from fast_snow.types import (
    BackgroundMotion,
    DepthOrigin,
    Ego,
    ImageRegion,
    Keyframe,
    Merge,
    SceneGraph,
    Sighting,
    StepToken,
    Track,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "4dsg.json"


def token(t, **changes):
    values = {
        "t": t,
        "row": np.array([3, 3], np.uint8),
        "col": np.array([4, 5], np.uint8),
        "coverage": np.array([0.71, 1.0], np.float32),
        "centroid": np.array([5.12, -2.3, 1.05], np.float32),
        "sigma": np.array([1.12, 0.5, 0.25], np.float32),
        "low": np.array([2.9, -3.0, 0.5], np.float32),
        "high": np.array([7.4, -1.0, 1.5], np.float32),
        "num_points": 345,
        "score": 0.9,
        "region": region(),
        "centroid_sigma": np.array([0.03, 0.3], np.float32),
    }
    return StepToken(**values | changes)


def region(**changes):
    values = {
        "area": 700,
        "box": np.array([126, 70, 190, 95], np.int32),
        "centroid": np.array([157.25, 82.1], np.float32),
        "covariance": np.array([310.5, -0.0, 40.25], np.float32),
    }
    return ImageRegion(**values | changes)


def sighting(t, **changes):
    cells = {name: getattr(token(t), name) for name in ("row", "col", "coverage")}
    return Sighting(**{"t": t, "score": 0.5, "region": region(area=9), **cells, **changes})


def small_graph(**changes):
    """Three frames, two objects; one of them is so small that it fills no cell."""
    far = np.array([100.25, -0.0, 1e-5], np.float32)
    point = token(
        2,
        row=np.zeros(0, np.uint8),
        col=np.zeros(0, np.uint8),
        coverage=np.zeros(0, np.float32),
        centroid=far,
        sigma=np.zeros(3, np.float32),
        low=far,
        high=far,
        num_points=50,
        score=1.0,
        region=ImageRegion(),
        centroid_sigma=np.full(2, np.nan, np.float32),
    )
    values = {
        "grid_size": 16,
        "analysis_grid": (378, 504),
        "metric": False,
        "depth_origin": (DepthOrigin.TRIANGULATED, DepthOrigin.GROUND_PLANE_PRIOR),
        "ego": Ego(
            t=np.arange(3, dtype=np.int32),
            time_s=np.array([0, 0.1, 0.2 + 1e-16]),
            source_frame=np.array([0, 3, 6]),
            position=np.array([[0, 0, 0], [0.1, 0, 0.2], [0.2, 0, 0.4]], np.float32),
            quaternion_xyzw=np.array([[0, 0, 0, 1], [0, 0.6, 0, 0.8], [0, 1, 0, 0]], np.float32),
            intrinsics=np.array([[420.5, 420.5, 251.5, 188.5]] * 3, np.float32),
            focal_sigma=np.array([0.25, 0.25, np.nan], np.float32),
            background=BackgroundMotion(
                matches=np.array([-1, 0, 312], np.int32),
                shift=np.array([[np.nan, np.nan], [np.nan, np.nan], [61.5, -2.25]], np.float32),
                shift_sigma=np.array([[np.nan, np.nan], [np.nan, np.nan], [0.25, 0.3]], np.float32),
                turn_sigma=np.array([np.nan, np.nan, 0.001], np.float32),
            ),
        ),
        "tracks": MappingProxyType(
            {
                4: Track(
                    object_id=4,
                    observations=(token(0), token(2, score=1 / 3)),
                    theta=(0, 2),
                    source_id=4,
                    unplaced=(sighting(1),),
                ),
                1: Track(object_id=1, observations=(point,), theta=(2, 2)),
            }
        ),
        "keyframes": (Keyframe(t=0, source_frame=0, path="keyframes/000000.jpg"),),
        "merges": (
            Merge(t=2, kept=4, dropped=7, iou=0.75, distance=0.123456789012345),
            Merge(t=2, kept=1, dropped=None, iou=0.6, distance=math.nan),
        ),
    }
    return SceneGraph(**values | changes)


def assert_identical(a, b):
    """Compare to the last bit: floats by their bytes, arrays with their types."""
    assert type(a) is type(b)
    if is_dataclass(a):
        for each in fields(a):
            assert_identical(getattr(a, each.name), getattr(b, each.name))
    elif isinstance(a, np.ndarray):
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    elif isinstance(a, float):
        assert (math.isnan(a) and math.isnan(b)) or np.float64(a).tobytes() == np.float64(b).tobytes()
    elif isinstance(a, MappingProxyType):
        assert list(a) == list(b)
        assert_identical(tuple(a.values()), tuple(b.values()))
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_identical(one, other)
    else:
        assert a == b


# --------------------------------------------------------------------------------------------- round trips


HALF = st.integers(0, 2**30 - 1)
boxes = st.tuples(*[HALF] * 4).map(lambda x: np.array([*x[:2], x[0] + x[2], x[1] + x[3]], np.int32))


def floats(*shape, low=None, high=None):
    return hnp.arrays(np.float32, shape, elements=st.floats(low, high, width=32, allow_nan=False, allow_infinity=False))


@st.composite
def tokens(draw, t):
    cells = sorted(draw(st.sets(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=4)))
    low, centroid, high = np.sort(draw(floats(3, 3)), axis=0)
    return token(
        t,
        row=np.array([row for row, _ in cells], np.uint8),
        col=np.array([col for _, col in cells], np.uint8),
        coverage=draw(floats(len(cells), low=0, high=1)),
        centroid=centroid,
        sigma=draw(floats(3, low=0)),
        low=low,
        high=high,
        num_points=draw(st.integers(-1, 2**31 - 1)),
        score=draw(st.just(math.nan) | st.floats(0, 1)),
        region=draw(regions()),
    )


@st.composite
def regions(draw):
    known = region(
        area=draw(st.integers(0, 2**31 - 1)), box=draw(boxes), centroid=draw(floats(2)), covariance=draw(floats(3))
    )
    return draw(st.sampled_from((ImageRegion(), known)))


@st.composite
def parts(draw):
    """Draw what `assembled` makes a graph of; run-time checks use `random`, which has no place in a strategy."""
    frames = sorted(draw(st.sets(st.integers(0, 30), max_size=4)))
    n = len(frames)
    tracks = []
    for object_id in draw(st.lists(st.integers(0, 2**31 - 1), unique=True, max_size=3)) if n else ():
        seen = sorted(draw(st.sets(st.sampled_from(frames), min_size=1)))
        theta = (draw(st.integers(0, seen[0])), seen[-1])
        observations = tuple(draw(tokens(t)) for t in seen)
        source_id = draw(st.sampled_from((None, object_id)))
        unplaced = tuple(sighting(t, region=draw(regions())) for t in frames if t not in seen and draw(st.booleans()))
        track = {"object_id": object_id, "observations": observations, "theta": theta, "source_id": source_id}
        tracks.append({**track, "unplaced": unplaced})
    times = st.floats(allow_infinity=False, allow_nan=False) | st.just(math.nan)
    known = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)[:, None]
    return tracks, {
        "analysis_grid": draw(st.just((0, 0)) | st.tuples(st.integers(1, 7000), st.integers(1, 7000))),
        "metric": draw(st.booleans()),
        "depth_origin": tuple(draw(st.lists(st.sampled_from(DepthOrigin), unique=True))),
        "ego": Ego(
            t=np.array(frames, np.int32),
            time_s=np.array(draw(st.lists(times, min_size=n, max_size=n)), np.float64),
            source_frame=np.array(draw(st.lists(st.integers(-1, 2**63 - 1), min_size=n, max_size=n)), np.int64),
            position=draw(floats(n, 3)),
            quaternion_xyzw=np.where(known, draw(floats(n, 4)), np.float32(np.nan)),
            intrinsics=np.where(known, draw(floats(n, 4)), np.float32(np.nan)),
        ),
        "keyframes": tuple(Keyframe(t=t, source_frame=2 * t, path=draw(names)) for t in frames[:1]),
        "merges": tuple(Merge(t=t, kept=1, dropped=2, iou=draw(st.floats(0, 1)), distance=draw(times)) for t in frames),
    }


def assembled(drawn):
    tracks, rest = drawn
    return small_graph(tracks=MappingProxyType({each["object_id"]: Track(**each) for each in tracks}), **rest)


names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=9).map(
    lambda name: "keyframes/" + name.replace("..", "·")
)


@given(parts())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_writing_and_reading_loses_nothing(drawn):
    graph = assembled(drawn)
    text = graph_json.dumps(graph)
    read = graph_json.loads(text)
    assert_identical(read, graph)
    assert graph_json.dumps(read) == text
    jsonschema.Draft202012Validator(graph_json.schema()).validate(json.loads(text))


def test_files_round_trip(tmp_path):
    path = tmp_path / "4dsg.json"
    graph_json.write(small_graph(), path)
    assert_identical(graph_json.read_graph(path), small_graph())
    assert list(tmp_path.iterdir()) == [path]
    graph_json.write(small_graph(metric=True), path)
    assert graph_json.read_graph(path).metric


def test_golden_document():
    assert graph_json.dumps(small_graph()) == GOLDEN.read_text(encoding="utf-8")
    assert_identical(graph_json.read_graph(GOLDEN), small_graph())


def test_windowed_view_is_a_document_too():
    view = small_graph().window(t=2, length=1)
    read = graph_json.loads(graph_json.dumps(view))
    assert read.tracks[4].theta == (0, 2)
    assert [each.t for each in read.tracks[4].observations] == [2]
    assert read.tracks[4].unplaced == ()
    assert [each.t for each in small_graph().window(t=2, length=2).tracks[4].unplaced] == [1]
    assert 4 not in small_graph().window(t=1, length=1).tracks  # seen, but nowhere placed
    assert read.ego.t.tolist() == [2]


def test_empty_graph_is_a_document():
    graph = small_graph(ego=small_graph().ego[np.zeros(3, bool)], tracks=MappingProxyType({}), keyframes=(), merges=())
    assert_identical(graph_json.loads(graph_json.dumps(graph)), graph)


def test_coordinate_system_says_metres_only_where_they_are():
    sentences = [
        json.loads(graph_json.dumps(small_graph(metric=metric)))["metadata"]["coordinate_system"]
        for metric in (False, True)
    ]
    assert "one unknown scale" in sentences[0]
    assert "metre" not in sentences[0]
    assert "metres" in sentences[1]


# --------------------------------------------------------------------------------------------- numbers


@given(hnp.arrays(np.uint32, st.integers(0, 50)))
@settings(deadline=None)
def test_float32_reads_back_from_the_fewest_digits(bits):
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    texts = shortest(values)
    read = np.array([json.loads(text) for text in texts], np.float64).astype(np.float32)
    assert read.tobytes() == values.tobytes()
    for text, value in zip(texts, values, strict=True):
        digits = len(re.sub(r"e.*|[-.]", "", text).strip("0"))
        if digits > 1:
            assert np.float32(float(f"{value:.{digits - 2}e}")) != value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.71, "0.71"),
        (5.0, "5"),
        (-3.0, "-3"),
        (0.0, "0"),
        (-0.0, "-0.0"),
        (1e-5, "1e-05"),
        (123456.0, "123456"),
        # Read by way of float64, 7.038531e-26 is the neighbour of the float32 that NumPy writes so.
        (np.nextafter(np.float32(7.0385313e-26), np.float32(0)), "7.0385307e-26"),
    ],
)
def test_float32_as_text(value, text):
    assert shortest(np.array([value], np.float32)) == [text]


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_float64_reads_back(value):
    assert np.float64(json.loads(shortest_float64(value))).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("field", ["centroid", "low", "coverage", "position", "merge", "quaternion"])
def test_numbers_that_must_be_known_are_not_written_otherwise(bad, field):
    graph = small_graph()
    wrong = np.array([1, bad, 1], np.float32)
    match field:
        case "centroid" | "low":
            changed = {"tracks": {0: Track(object_id=0, observations=(token(0, **{field: wrong}),), theta=(0, 0))}}
        case "coverage":
            observation = token(0, coverage=wrong[:2])
            changed = {"tracks": {0: Track(object_id=0, observations=(observation,), theta=(0, 0))}}
        case "merge":
            changed = {"merges": (Merge(t=0, kept=0, dropped=None, iou=0.5, distance=math.inf),)}
        case "position":
            changed = {"ego": _ego_with(position=np.array([wrong] * 3))}
        case _:
            changed = {"ego": _ego_with(quaternion_xyzw=np.array([[bad, 0, 0, 1]] * 3, np.float32))}
    values = {each.name: getattr(graph, each.name) for each in fields(graph)} | changed
    with pytest.raises(FastSnowError, match=r"^4dsg: .*expected (a )?finite number"):
        graph_json.dumps(SceneGraph(**values))


def _ego_with(**changes):
    ego = small_graph().ego
    return Ego(**{each.name: getattr(ego, each.name) for each in fields(ego)} | changes)


def test_track_without_observation_is_not_written():
    with pytest.raises(FastSnowError, match="object 3 has no observation"):
        graph_json.dumps(small_graph(tracks={3: Track(object_id=3, observations=(), theta=(0, 0))}))


# --------------------------------------------------------------------------------------------- refusals


def golden():
    return json.loads(graph_json.dumps(small_graph()))


def put(parsed, path, value):
    """Set the member at a path such as `tracks[0].F_k[1].t`; `...` removes it."""
    *steps, last = re.findall(r"[A-Za-z_]+|\d+", path)
    place = parsed
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    key = int(last) if last.isdigit() else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return parsed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tracks[0].F_k[1].tau[1].row", 16, "tracks[0].F_k[1].tau[1].row: got 16, expected less than 16"),
        ("tracks[0].F_k[0].tau[1].col", 99, "tracks[0].F_k[0].tau[1].col: got 99, expected less than 16"),
        ("tracks[0].F_k[0].tau[1].col", 4, "tracks[0].F_k[0].tau[1]: got a cell a second time, expected each cell"),
        ("tracks[0].F_k[0].tau[1].iou", 1.5, "tracks[0].F_k[0].tau[1].iou: got 1.5, expected at most 1"),
        ("tracks[0].F_k[0].tau[0].iou", ..., "tracks[0].F_k[0].tau[0]: has no 'iou'"),
        ("tracks[0].F_k[0].tau[0].row", "3", 'tracks[0].F_k[0].tau[0].row: got "3", expected integer'),
        ("tracks[0].F_k[0].tau[0].row", True, "tracks[0].F_k[0].tau[0].row: got true, expected integer"),
        ("tracks[0].F_k[0].tau[0].row", -1, "tracks[0].F_k[0].tau[0].row: got -1, expected at least 0"),
        ("tracks[0].F_k[1].t", 0, "tracks[0].F_k[1].t: got 0, expected more than the one before"),
        ("tracks[1].F_k[0].t", 9, "tracks[1].F_k[0].t: got 9, expected a t that ego has"),
        ("tracks[0].F_k[0].theta", [1, 2], "tracks[0].F_k[0].theta: got [1, 2], expected first and last t of the"),
        ("tracks[0].F_k[1].theta", [0, 3], "tracks[0].F_k[1].theta: got [0, 3], expected the same as before it in"),
        ("tracks[0].F_k[1].theta", [0], "tracks[0].F_k[1].theta: got an array of 1, expected at least 2 entries"),
        ("tracks[0].F_k[1].c", [1, 2, 3, 4], "tracks[0].F_k[1].c: got an array of 4, expected at most 3 entries"),
        ("tracks[0].F_k[1].c[0]", 1e39, "tracks[0].F_k[1].c[0]: got 1e+39, expected at most 3.4"),
        ("tracks[0].F_k[1].c[2]", 9, "tracks[0].F_k[1].c[2]: got 9.0, expected the same as s.z.mu"),
        ("tracks[0].F_k[1].s.y.min", 9, "tracks[0].F_k[1].s.y: got [-2.3, 0.5, 9.0, -1.0], expected min <= mu"),
        ("tracks[0].F_k[1].s.y.sigma", -1, "tracks[0].F_k[1].s.y.sigma: got -1, expected at least 0"),
        ("tracks[0].F_k", [], "tracks[0].F_k: got an array of 0, expected at least 1 entries"),
        ("tracks[0].F_k[0].area", -1, "tracks[0].F_k[0].area: got -1, expected at least 0"),
        ("tracks[0].F_k[0].box", [3, 0, 2, 1], "tracks[0].F_k[0].box: got [3, 0, 2, 1], expected x0 <= x1"),
        ("tracks[0].F_k[0].uv", [3], "tracks[0].F_k[0].uv: got an array of 1, expected at least 2 entries"),
        ("tracks[0].F_k[0].moments[1]", None, "tracks[0].F_k[0].moments[1]: got null, expected number"),
        ("tracks[0].unplaced[0].t", 2, "tracks[0].unplaced[0].t: got 2, expected a t that the track's F_k has not"),
        ("tracks[0].unplaced[0].t", 9, "tracks[0].unplaced[0].t: got 9, expected a t that ego has"),
        ("tracks[0].unplaced[0].tau", ..., "tracks[0].unplaced[0]: has no 'tau'"),
        ("tracks[0].unplaced[0].tau[1].row", 16, "tracks[0].unplaced[0].tau[1].row: got 16, expected less than 16"),
        ("tracks[1].object_id", 4, "tracks[1].object_id: got 4 a second time, expected each id once"),
        ("tracks", {}, "tracks: got an object of 0, expected array"),
        ("ego[1].t", 0, "ego[1].t: got 0, expected more than the one before"),
        ("ego[1].xyz[0]", None, "ego[1].xyz[0]: got null, expected number"),
        ("ego[1].source_frame", 2**63, "holds the integer 9223372036854775808, expected at most 64 bits"),
        ("ego", ..., "document: has no 'ego'"),
        ("metadata.grid", "16x8", 'metadata.grid: got "16x8", expected as many rows as columns'),
        ("metadata.grid", "999x999", 'metadata.grid: got "999x999", expected as many rows as columns, up to 256'),
        ("metadata.grid", "big", 'metadata.grid: got "big", expected text that matches'),
        ("metadata.num_tracks", 3, "metadata.num_tracks: got 3, expected 2"),
        ("metadata.depth_origin[0]", "lidar", 'metadata.depth_origin[0]: got "lidar", expected one of'),
        ("metadata.schema_version", 2, "metadata.schema_version: got 2, expected at most 1; update"),
        ("metadata.schema_version", "1", "metadata.schema_version: got 1, expected at most 1; update"),
        ("metadata.visual_anchor[0].path", "../secret.jpg", "metadata.visual_anchor[0].path: got"),
        ("metadata.visual_anchor[0].path", "/etc/passwd", "metadata.visual_anchor[0].path: got"),
        ("metadata.visual_anchor[0].path", "a\\..\\..\\b", "metadata.visual_anchor[0].path: got"),
        ("metadata.visual_anchor[0].path", "C:\\b.jpg", "metadata.visual_anchor[0].path: got"),
        ("metadata.merges[0].dropped", "7", 'metadata.merges[0].dropped: got "7", expected'),
        ("metadata", [], "metadata: missing, expected a 4D scene graph"),
    ],
)
def test_refusal_names_the_place(path, value, message):
    with pytest.raises(InputError) as refusal:
        graph_json.loads(json.dumps(put(golden(), path, value)))
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: Expecting value, expected JSON"),
        ("[]", "metadata: missing"),
        ("{", "line 1, column 2: "),
        ('{"metadata": NaN}', "holds NaN, expected finite numbers"),
        ('{"metadata": -Infinity}', "holds -Infinity, expected finite numbers"),
        ('{"metadata": {"grid": 1, "grid": 2}}', 'an object has two members "grid", expected each name once'),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ("1" * 10_000, "holds the integer 1111111111111111111111111111111111111111, expected"),
    ],
    ids=["empty", "array", "cut", "NaN", "Infinity", "twice", "deep array", "deep object", "long integer"],
)
def test_hostile_text_is_refused_in_one_line(text, message):
    with pytest.raises(InputError) as refusal:
        graph_json.loads(text)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_float_that_overflows_is_refused():
    with pytest.raises(InputError, match="holds the number 1e999, expected finite numbers"):
        graph_json.loads(graph_json.dumps(small_graph()).replace('"time_s":0.1', '"time_s":1e999'))


def test_not_finite_members_of_a_parsed_document_are_refused():
    for path in (
        "tracks[0].F_k[0].c[0]",
        "tracks[0].F_k[0].s.x.max",
        "tracks[0].F_k[0].tau[0].iou",
        "ego[0].xyz[2]",
        "tracks[0].F_k[0].c_sigma[1]",
        "ego[2].background.shift[0]",
        "ego[2].background.shift_sigma[1]",
    ):
        with pytest.raises(InputError, match=r"got .*nan.*, expected (a )?finite number"):
            graph_json.validate(put(golden(), path, math.nan))


def test_unknown_members_are_left_alone():
    parsed = golden()
    parsed["metadata"]["author"] = {"name": "someone"}
    assert_identical(graph_json.loads(json.dumps(parsed)), small_graph())


@pytest.mark.parametrize("whole", [3.0, 3])
def test_whole_numbers_are_integers_however_they_are_written(whole):
    parsed = put(golden(), "tracks[0].F_k[0].tau[0].row", whole)
    graph_json.validate(parsed)
    assert graph_json.loads(json.dumps(parsed)).tracks[4].observations[0].row[0] == 3


def places(parsed, path=""):
    """Yield the path of every member of a document."""
    items = parsed.items() if isinstance(parsed, dict) else enumerate(parsed) if isinstance(parsed, list) else ()
    for key, value in items:
        here = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".removeprefix(".")
        yield here
        yield from places(value, here)


PLACES = sorted(places(golden()))
VALUES = (..., None, True, "x", "", -1, 0, 1, 2.5, 1e300, 10**30, [], [1, 2], {}, {"t": 1})


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(VALUES)), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_types_and_checks_agree_with_the_schema(changes):
    parsed, schema = golden(), graph_json.schema()
    for path, value in changes:
        try:
            put(parsed, path, copy.deepcopy(value))
        except (KeyError, IndexError, TypeError):
            continue
    valid = jsonschema.Draft202012Validator(schema).is_valid(parsed)
    try:
        msgspec.convert(parsed, Document)
    except msgspec.ValidationError:
        assert not valid
    else:
        assert valid
    try:
        graph_json.validate(parsed)
    except InputError as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017
    else:
        assert valid


def test_types_are_those_of_the_schema():
    def rules(node, root):
        """Return what a schema asks of a value and its members, in one form."""
        node = node | root["$defs"].get(node.get("$ref", "").rpartition("/")[2], {})
        for some in node.get("anyOf", ()):  # of a number and null
            node = {**some, "type": [some["type"], "null"]} if some["type"] != "null" else node
        if first := node.get("prefixItems"):
            assert len(first) == node["minItems"] == node["maxItems"]
            node = {**node, "items": first[0]}
        limits = ("minItems", "maxItems", "minimum", "maximum", "maxLength", "pattern")
        return {
            **{name: node[name] for name in limits if name in node},
            "type": node.get("type", "string"),
            "enum": sorted(node.get("enum", ())),
            "required": sorted(node.get("required", ())),
            "items": rules(node["items"], root) if node.get("items") else None,
            "properties": {name: rules(child, root) for name, child in node.get("properties", {}).items()},
        }

    schema, types = graph_json.schema(), msgspec.json.schema(Document)
    expected = rules(schema, schema)
    expected["properties"]["metadata"]["properties"]["schema_version"] |= {"minimum": 1, "maximum": 1, "enum": []}
    assert rules(types, types) == expected


def test_schema_uses_only_keywords_that_refusals_explain():
    known = {"type", "properties", "required", "items", "minItems", "maxItems", "minimum", "maximum", "enum"}
    known |= {"pattern", "maxLength"}
    prose = {"$schema", "title", "description", "$defs", "$ref"}

    def walk(node):
        assert node.keys() <= known | prose
        assert ("type" in node) != ("$ref" in node)
        for child in (*node.get("properties", {}).values(), *node.get("$defs", {}).values(), node.get("items")):
            if child:
                walk(child)

    walk(graph_json.schema())
    jsonschema.Draft202012Validator.check_schema(graph_json.schema())


# --------------------------------------------------------------------------------------------- migration


def plain():
    """The document as the paper has it."""
    parsed = golden()
    metadata = parsed["metadata"]
    parsed["metadata"] = {name: metadata[name] for name in ("grid", "num_frames", "num_tracks", "coordinate_system")}
    parsed["metadata"]["visual_anchor"] = [{"frame_idx": 2, "path": "2.jpg"}]
    parsed["ego"] = [{"t": frame["t"], "xyz": frame["xyz"]} for frame in parsed["ego"]]
    for track in parsed["tracks"]:
        for observation in track["F_k"]:
            del observation["num_points"], observation["score"]
    return parsed


def test_plain_document_of_the_paper_is_read_as_far_as_it_goes():
    parsed = plain()
    before = copy.deepcopy(parsed)
    with pytest.warns(FastSnowWarning, match="no metadata.schema_version"):
        graph = graph_json.loads(json.dumps(parsed))
    np.testing.assert_array_equal(graph.tracks[4].observations[0].centroid, token(0).centroid)
    assert graph.tracks[4].observations[0].num_points == -1
    assert math.isnan(graph.tracks[4].observations[0].score)
    assert np.isnan(graph.ego.quaternion_xyzw).all()
    assert np.isnan(graph.ego.intrinsics).all()
    assert np.isnan(graph.ego.time_s).all()
    assert graph.ego.source_frame.tolist() == [-1, -1, -1]
    assert graph.keyframes == (Keyframe(t=2, source_frame=2, path="2.jpg"),)
    assert not graph.metric
    assert_identical(graph_json.loads(graph_json.dumps(graph)), graph)
    with pytest.warns(FastSnowWarning):
        migrated = graph_json.migrate(parsed)
    assert parsed == before
    graph_json.validate(migrated)
    assert graph_json.migrate(migrated) == migrated


def test_plain_document_without_tracks_is_refused():
    parsed = plain()
    del parsed["tracks"]
    with pytest.warns(FastSnowWarning), pytest.raises(InputError, match=r"'num_tracks'|'tracks'"):
        graph_json.loads(json.dumps(parsed))


# --------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"{"], ids=["missing", "not UTF-8", "not JSON"])
def test_unreadable_file_is_named(tmp_path, content):
    path = tmp_path / "4dsg.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        graph_json.read_graph(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert str(refusal.value).count(str(path)) == 1


def test_folder_in_place_of_the_document_is_named(tmp_path):
    with pytest.raises(InputError, match="is a folder, expected a regular file"):
        graph_json.read_graph(tmp_path)


@pytest.mark.parametrize("occupied", [False, True], ids=["missing", "a file"])
def test_place_that_is_no_folder_is_named(tmp_path, occupied):
    if occupied:
        (tmp_path / "place").touch()
    with pytest.raises(OutputError, match=r"place.4dsg\.json: cannot be written"):
        graph_json.write(small_graph(), tmp_path / "place" / "4dsg.json")


def test_full_disk_leaves_the_old_document(tmp_path, monkeypatch):
    path = tmp_path / "4dsg.json"
    graph_json.write(small_graph(), path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        graph_json.write(small_graph(metric=True), path)
    assert list(tmp_path.iterdir()) == [path]
    assert not graph_json.read_graph(path).metric


def test_example_of_the_reference_is_valid():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "4dsg.md").read_text(encoding="utf-8")
    example = json.loads(re.search(r"```json\n(.*?)```", page, re.DOTALL)[1])
    graph_json.validate(example)
    for schema in (graph_json.schema()["properties"]["metadata"], graph_json.schema()["$defs"]["observation"]):
        for name in schema["properties"]:
            assert f"`{name}`" in page
