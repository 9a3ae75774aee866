"""The page of a run: complete, bounded, safe against what files hold."""

import base64
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from types import MappingProxyType

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fast_snow.errors import OutputError
from fast_snow.kernels.masks import encode
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.movement_table import movement_table
from fast_snow.types import DepthOrigin, Ego, LabelledMasks, Scale, SceneGraph, Sighting, StepToken, Track
from fast_snow.viewing import html, page_pictures
from fast_snow.viewing.page_pictures import thumbnails
from fast_snow.viewing.page_text import fixed

GRID = (36, 48)
NOTHING = np.zeros(0, np.uint8)
RUN = {
    "input": {"name": "walk.mp4", "kind": "video"},
    "engines": {"geometry": {"name": "recorded", "meaning": "depth as given"}},
    "stage_seconds": {"geometry": 1.23, "fold": 0.0},
    "warnings": ["something was worked around"],
}


def token(t, x, z, size=0.5):
    centroid = np.array([x, 0.1, z], np.float32)
    half = np.float32(size / 2)
    return StepToken(
        t=t,
        row=np.zeros(0, np.uint8),
        col=np.zeros(0, np.uint8),
        coverage=np.zeros(0, np.float32),
        centroid=centroid,
        sigma=np.full(3, 0.1, np.float32),
        low=centroid - half,
        high=centroid + half,
        num_points=60,
        score=1.0,
    )


def scene(n=4, *, metric=True, known=True):
    """A camera that turns to the right as it moves ahead, one object at rest and one that moves along x."""
    angle = np.linspace(0, math.pi / 2, n)
    unknown = np.full((n, 4), np.nan, np.float32)
    turned = np.stack([0 * angle, np.sin(angle / 2), 0 * angle, np.cos(angle / 2)], axis=1).astype(np.float32)
    tracks = {
        5: Track(object_id=5, observations=tuple(token(t, 1, 3) for t in range(n)), theta=(0, n - 1)),
        12: Track(object_id=12, observations=tuple(token(t, t, 2) for t in range(1, n)), theta=(1, n - 1)),
    }
    return SceneGraph(
        grid_size=16,
        analysis_grid=GRID if known else (0, 0),
        metric=metric,
        depth_origin=(DepthOrigin.SENSOR,),
        ego=Ego(
            t=np.arange(n, dtype=np.int32),
            time_s=np.arange(n) / 10 if known else np.full(n, np.nan),
            source_frame=np.arange(n),
            position=np.stack([np.zeros(n), np.zeros(n), np.arange(n)], axis=1).astype(np.float32),
            quaternion_xyzw=turned if known else unknown,
            intrinsics=np.tile(np.array([24, 24, 23.5, 17.5], np.float32), (n, 1)) if known else unknown,
        ),
        tracks=MappingProxyType({i: track for i, track in tracks.items() if track.observations}),
    )


def masks(n=4):
    for t in range(n):
        dense = np.zeros((2, *GRID), bool)
        dense[0, 10:20, 10:30] = True
        dense[1, 5:9, 2 + t : 6 + t] = t > 0
        yield LabelledMasks(t=t, object_id=np.array([5, 12], np.int32), masks=encode(dense))


def images(n=4, size=(72, 96)):
    return ((t, np.full((*size, 3), 10 * t % 250, np.uint8)) for t in range(n))


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


class Outline(HTMLParser):
    """Collects the elements of a page and what they refer to, and checks that they nest."""

    VOID = frozenset({"meta", "img", "input", "path"})

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.links, self.text = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        assert attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)


def test_page_shows_frames_outlines_and_tracks():
    page = html.render_run_page(scene(), masks(), images(), RUN)
    data = data_of(page)
    assert [frame["t"] for frame in data["frames"]] == [0, 1, 2, 3]
    assert [frame["time"] for frame in data["frames"]] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [[shape["id"] for shape in frame["shapes"]] for frame in data["frames"]] == [[5], [5, 12], [5, 12], [5, 12]]
    jpeg = base64.b64decode(data["frames"][2]["image"].removeprefix("data:image/jpeg;base64,"))
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (72, 96, 3)
    # Pixel 10 of 48 begins at 10/48 of the picture, which is drawn 192 units wide; corners are pixel centres.
    assert data["frames"][0]["shapes"][0]["d"] == "M42 42l0 36 76 0 0 -36z"
    text = " ".join(Outline(page).text)
    for fact in ("walk.mp4", "4 frames, 0.3 s, 2 objects, 7 observations", "recorded", "depth as given", "in metres"):
        assert fact in text
    assert "geometry 1.2 s" in text
    assert "something was worked around" in text


def test_what_was_seen_without_being_placed_is_dashed():
    graph = scene()
    unplaced = Sighting(t=0, row=NOTHING, col=NOTHING, coverage=NOTHING.astype(np.float32), score=1.0)
    tracks = {**graph.tracks, 5: replace(graph.tracks[5], observations=graph.tracks[5].observations[1:])}
    tracks[5] = replace(tracks[5], unplaced=(unplaced,))
    page = html.render_run_page(replace(graph, tracks=MappingProxyType(tracks)), masks(), images(), RUN)
    shapes = [shape for frame in data_of(page)["frames"] for shape in frame["shapes"]]
    assert [shape["id"] for shape in shapes if shape.get("unplaced")] == [5]
    text = " ".join(Outline(page).text)
    assert "3 + 1 unplaced" in text
    assert "A dashed outline is" in text
    assert "dashed outline" not in html.render_run_page(graph, masks(), images(), RUN)


def test_scene_is_the_world_in_3d():
    found = data_of(html.render_run_page(scene(), masks(), images(), RUN))["scene"]
    assert [each["p"] for each in found["cameras"]] == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 3]]
    # The last camera looks along x.
    assert Rotation.from_quat(found["cameras"][3]["q"]).apply([0, 0, 1]) == pytest.approx([1, 0, 0], abs=1e-4)
    assert found["cameras"][0]["lens"] == pytest.approx([0.5, 24 / 36, 0.5, 0.5], rel=1e-4)
    assert [(track["id"], track["at"], [c[0] for c in track["center"]]) for track in found["tracks"]] == [
        (5, [0, 1, 2, 3], [1, 1, 1, 1]),
        (12, [1, 2, 3], [1, 2, 3]),
    ]
    assert found["tracks"][0]["box"][0] == [pytest.approx([0.75, -0.15, 2.75]), pytest.approx([1.25, 0.35, 3.25])]
    low, high = np.array(found["bounds"])
    assert low == pytest.approx([0, -0.15, 0])
    assert high == pytest.approx([3.13, 0.35, 3.25])  # all but the outermost 2 %


def test_each_segment_is_a_world_of_its_own():
    page = html.render_run_page(replace(scene(), segments=((0, 1), (2, 3))), masks(), images(), RUN)
    assert [each["world"] for each in data_of(page)["scene"]["cameras"]] == [0, 0, 1, 1]


def test_timeline_has_gaps_also_where_frames_are_left_out():
    track = scene(20).tracks[5]
    gapped = replace(track, observations=track.observations[np.array([0, 1, 2, 7, 8, 19])])
    graph = replace(scene(20), tracks=MappingProxyType({5: gapped}))
    found = data_of(html.render_run_page(graph, (), images(1), RUN))["scene"]
    assert found["tracks"][0]["runs"] == [[0, 2], [7, 8], [19, 19]]
    assert found["span"] == [0, 19]


def test_depth_of_shown_frames_is_kept_as_it_was_stored():
    values = np.arange(36 * 48, dtype=np.uint16).reshape(GRID) * 37
    found = data_of(html.render_run_page(scene(), masks(), images(), RUN, depths=[(2, values), (99, values)]))["depth"]
    assert [each["at"] for each in found["images"]] == [2]
    png = base64.b64decode(found["images"][0]["image"].removeprefix("data:image/png;base64,"))
    blue, green, red = np.moveaxis(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int), 2, 0)
    assert (256 * red + green == values).all()
    assert not blue.any()
    assert found["unit"] == 1


def test_depth_follows_a_graph_that_was_given_metres():
    graph = replace(scene(), scale=Scale(metres_per_unit=2.5, relative_sigma=0.1, statements=1))
    assert data_of(html.render_run_page(graph, masks(), images(), RUN))["depth"]["unit"] == 2.5


def test_pictures_have_room_for_a_minute_of_video(monkeypatch):
    monkeypatch.setattr(page_pictures, "MAX_BYTES", 4 * len(thumbnails(images(1))[0].jpeg))
    shown = thumbnails(images(40))
    assert sum(len(each.jpeg) for each in shown) <= page_pictures.MAX_BYTES
    assert set(np.diff([each.t for each in shown])) == {16}


def test_table_tells_what_moves_as_the_tools_do():
    graph = scene(11)
    moves = movement_table(graph)
    assert moves[5].moved.startswith("none seen (seen from ")
    assert moves[5].speed == "none seen"
    length = next(each for each in call_tool(graph, "displacement", {"object_id": 12}).figures if each.name == "length")
    assert moves[12].moved == f"{length.value:.2f} ± {length.sigma:.2f} m"
    speed = call_tool(graph, "speed", {"object_id": 12})
    assert moves[12].speed == f"{speed.value:.2f} ± {speed.sigma:.2f} m/s"
    text = re.sub(r"<[^>]*>", "|", html.render_run_page(graph, masks(11), images(11), RUN, moves=moves))
    for each in moves.values():
        assert f"|{each.moved}|" in text
        assert f"|{each.speed}|" in text
    assert "0.50 \N{MULTIPLICATION SIGN} 0.50 \N{MULTIPLICATION SIGN} 0.50 m" in text


@pytest.mark.parametrize(("count", "shown"), [(3, "3 surfaces"), (1, "1 surface"), (0, None), ("many", None)])
def test_page_names_the_background(count, shown):
    page = html.render_run_page(scene(), masks(), images(), RUN | {"health": {"background_regions": count}})
    assert ("Background" in page) == (shown is not None)
    assert shown is None or f"{shown} that objects rest on or stand before: not tracked" in page


def test_page_needs_nothing_else():
    page = html.render_run_page(scene(), masks(), images(), RUN)
    parsed = Outline(page)
    assert parsed.links == []
    assert not {"link", "iframe", "object", "embed"} & set(parsed.tags)
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "default-src 'none'" in page


def test_page_is_the_same_every_time():
    assert html.render_run_page(scene(), masks(), images(), RUN) == html.render_run_page(
        scene(), masks(), images(), RUN
    )


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'{{ 7 * 7 }}{% endif %}{#<!--"


def test_hostile_names_stay_text():
    run = {
        "input": {"name": HOSTILE},
        "engines": {HOSTILE: {"name": HOSTILE, "meaning": HOSTILE}},
        "stage_seconds": {HOSTILE: 1.0},
        "warnings": [HOSTILE],
        "config": {HOSTILE: {"name": HOSTILE}},
        "health": {HOSTILE: 3},
    }
    harmless = RUN | {"config": {"section": {"name": "value"}}, "health": {"masks": 3}}
    plain = Outline(html.render_run_page(scene(), masks(), images(), harmless, images_of="walk.mp4"))
    page = html.render_run_page(scene(), masks(), images(), run, images_of=HOSTILE)
    hostile = Outline(page)
    assert hostile.tags == plain.tags
    assert hostile.links == []
    assert data_of(page)["unit"] == "m"
    assert "".join(hostile.text).count(HOSTILE) == 11


@pytest.mark.parametrize(
    "run", [{}, {"input": None, "engines": [], "warnings": "x"}, {"engines": {"a": 1}, "stage_seconds": {"b": "c"}}]
)
def test_damaged_record_leaves_the_graph_to_be_seen(run):
    assert len(data_of(html.render_run_page(scene(), masks(), images(), run))["frames"]) == 4


def test_unknown_scale_is_never_called_metres():
    page = html.render_run_page(scene(metric=False), masks(), images(), RUN)
    assert data_of(page)["unit"] == "u"
    assert "in metres" not in page
    assert "one unknown scale" in page
    assert not re.search(r"\d m[</ ]", page)


def test_unknown_orientation_and_time_are_left_out():
    page = html.render_run_page(scene(known=False), masks(), images(), RUN)
    data = data_of(page)
    assert [(each["q"], each["lens"]) for each in data["scene"]["cameras"]] == [(None, None)] * 4
    assert [frame["time"] for frame in data["frames"]] == [None] * 4
    assert "nan" not in page[page.index("<tbody>") : page.index("</dl>")]
    assert "NaN" not in page[page.index('id="data"') : page.index("</script>", page.index('id="data"'))]


def test_keyframes_alone_make_a_page():
    few = ((t, image) for t, image in images(40) if t % 10 == 0)
    page = html.render_run_page(scene(40), masks(40), few, RUN)
    assert [frame["t"] for frame in data_of(page)["frames"]] == [0, 10, 20, 30]
    assert "4 frames shown, evenly spread" in page


def test_without_pictures_outlines_stand_alone():
    data = data_of(html.render_run_page(scene(), masks(), (), RUN))
    assert [frame["image"] for frame in data["frames"]] == [None] * 4
    assert data["view"] == [960, 1280]
    assert data["frames"][1]["shapes"]


def test_empty_graph_has_a_page():
    graph = SceneGraph(
        grid_size=16,
        analysis_grid=GRID,
        metric=False,
        depth_origin=(),
        ego=scene().ego[np.zeros(4, bool)],
    )
    page = html.render_run_page(graph, (), (), {})
    assert data_of(page)["frames"] == []
    assert np.isfinite(data_of(page)["scene"]["bounds"]).all()


def test_long_clip_is_thinned_and_says_so(monkeypatch: pytest.MonkeyPatch):
    most = 40
    for module in (html, page_pictures):
        monkeypatch.setattr(module, "MAX_FRAMES", most)
    n = 2 * most + 5
    page = html.render_run_page(scene(n), masks(n), images(n, size=(24, 32)), RUN)
    t = [frame["t"] for frame in data_of(page)["frames"]]
    assert most / 2 <= len(t) <= most
    assert set(np.diff(t)) == {t[1]}
    assert f"{len(t)} frames shown, evenly spread" in page
    assert len(data_of(page)["scene"]["tracks"][0]["at"]) == len(t)
    assert len(data_of(html.render_run_page(scene(n), masks(n), (), RUN))["frames"]) <= most


def test_large_images_are_shrunk():
    data = data_of(html.render_run_page(scene(1), masks(1), images(1, size=(1080, 1920)), RUN))
    assert data["view"] == [720, 1280]


def test_images_of_other_frames_are_left_out():
    data = data_of(html.render_run_page(scene(), masks(), images(9), RUN))
    assert [frame["t"] for frame in data["frames"]] == [0, 1, 2, 3]


def test_page_is_written_whole(tmp_path):
    path = tmp_path / "view.html"
    page = html.render_run_page(scene(), masks(), images(), RUN)
    html.write_page(path, page)
    assert path.read_text(encoding="utf-8").startswith(page)
    with pytest.raises(OutputError, match="cannot be written"):
        html.write_page(tmp_path / "none" / "view.html", page)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1.005, 1, "1.0"), (-0.001, 2, "0.00"), (-2.5, 1, "\N{MINUS SIGN}2.5"), (3.0, 0, "3")],
)
def test_numbers(value, decimals, text):
    assert fixed(value, decimals) == text
