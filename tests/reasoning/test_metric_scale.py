"""Metres from stated lengths: of a graph whose true scale is known, in another unit."""

from dataclasses import replace
from math import hypot, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_snow.errors import InputError
from fast_snow.output import graph_json
from fast_snow.reasoning.metric_scale import read_statement, scale_of
from fast_snow.reasoning.tools.positions import distance, size
from fast_snow.reasoning.tools.relations import nearest
from fast_snow.reasoning.tools.tool_answers import ToolError
from fast_snow.scaling import rescaled
from fast_snow.types import Scale, SceneGraph
from tests.reasoning.runs import returned, small_run

METRIC = small_run().graph
FACTOR = 2.5
ONE, OTHER = list(METRIC.tracks)[:2]
T = 3


def in_units() -> SceneGraph:
    """Return the graph as if its scale were not known: all lengths divided by `FACTOR`."""
    shrunk = rescaled(METRIC, Scale(metres_per_unit=1 / FACTOR, relative_sigma=0.0, statements=1))
    return replace(shrunk, metric=False, scale=None)


GRAPH = in_units()


def statements(error: float = 0.01) -> list[str]:
    extent = next(each.value for each in size(METRIC, object_id=ONE).figures if each.name == "height")
    apart = distance(METRIC, object_id=ONE, other_id=OTHER, t=T).value
    camera = float(np.linalg.norm(METRIC.ego.position[6] - METRIC.ego.position[0]))
    return [
        f"object {ONE} extent y = {extent:.4f} m ± {error}",
        f"distance {ONE} {OTHER} at {T} = {100 * apart:.2f} cm ± {100 * error:.2f}",
        f"camera 0 6 = {1000 * camera:.1f} mm +- {error} m",
    ]


@pytest.mark.parametrize("chosen", [slice(0, 1), slice(1, 2), slice(2, 3), slice(None)])
def test_each_way_gives_metres_within_its_error(chosen: slice):
    scale = scale_of(GRAPH, statements()[chosen])
    assert 0 < scale.relative_sigma < 0.2
    assert abs(log(scale.metres_per_unit / FACTOR)) < 2 * scale.relative_sigma + 1e-3
    metric = rescaled(GRAPH, scale)
    assert (metric.metric, metric.scale) == (True, scale)
    found, true = (distance(each, object_id=ONE, other_id=OTHER, t=T) for each in (metric, METRIC))
    assert found.unit == "m"
    assert abs(found.value - true.value) < 2 * found.sigma


def test_all_lengths_change_alike_and_back():
    scale = Scale(metres_per_unit=FACTOR, relative_sigma=0.02, statements=1)
    metric = rescaled(GRAPH, scale)
    for k, track in METRIC.tracks.items():
        for true, found in zip(track.observations, metric.tracks[k].observations, strict=True):
            for name in ("centroid", "sigma", "low", "high"):
                assert np.allclose(getattr(found, name), getattr(true, name), rtol=1e-5, atol=1e-6)
    assert np.allclose(metric.ego.position, METRIC.ego.position, rtol=1e-5, atol=1e-6)
    twice = rescaled(metric, replace(scale, metres_per_unit=2 * FACTOR))
    assert np.allclose(twice.ego.position, 2 * metric.ego.position, rtol=1e-5)


def test_the_error_of_the_scale_goes_into_every_length():
    scale = Scale(metres_per_unit=FACTOR, relative_sigma=0.3, statements=1)
    exact, unsure = (rescaled(GRAPH, replace(scale, relative_sigma=each)) for each in (0.0, 0.3))
    for tool in (
        lambda graph: distance(graph, object_id=ONE, t=T),
        lambda graph: size(graph, object_id=ONE).figures[0],
        lambda graph: nearest(graph, t=T).entries[0].figures[-1],
    ):
        before, after = tool(exact), tool(unsure)
        assert after.value == before.value
        assert after.sigma == pytest.approx(hypot(before.sigma, 0.3 * before.value))
    ratio = [returned(graph, "compare_sizes", object_id=ONE, other_id=OTHER) for graph in (exact, unsure)]
    assert ratio[0] == ratio[1]


def test_it_stands_in_the_document_and_comes_back():
    graph = rescaled(GRAPH, scale_of(GRAPH, statements()))
    assert graph_json.loads(graph_json.dumps(graph)).scale == graph.scale
    text = graph_json.dumps(graph).replace('"metres_per_unit":', '"metres_per_unit":0,"was":')
    with pytest.raises(InputError, match="above 0"):
        graph_json.loads(text)
    assert '"scale"' not in graph_json.dumps(GRAPH)


def test_statements_that_contradict_each_other_are_named():
    wrong = f"object {OTHER} extent x = 90 m ± 0.1"
    with pytest.raises(InputError, match=r"contradict each other: .*'object \d extent x = 90 m ± 0.1' gives") as error:
        scale_of(GRAPH, [*statements(), wrong])
    assert "\n" not in str(error.value)


def test_more_statements_of_one_scale_are_surer_in_any_order():
    all_of = scale_of(GRAPH, statements())
    assert all_of.relative_sigma < min(scale_of(GRAPH, [each]).relative_sigma for each in statements()[:2])
    assert scale_of(GRAPH, statements()[::-1]).metres_per_unit == pytest.approx(all_of.metres_per_unit)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(InputError, match="metres already"):
        scale_of(METRIC, statements())
    with pytest.raises(ToolError, match="object_id: got 999"):
        scale_of(GRAPH, ["object 999 extent y = 1 m"])
    with pytest.raises(InputError, match="that length is 0"):
        scale_of(GRAPH, ["camera 2 2 = 1 m"])
    with pytest.raises(InputError, match="got no statement"):
        scale_of(GRAPH, [])


@given(st.integers(1, 10**6), st.integers(0, 4), st.sampled_from(["mm", "cm", "m"]))
def test_a_length_is_as_sure_as_its_last_digit(digits: int, decimals: int, unit: str):
    known = read_statement(f"object 3  extent z = {digits / 10**decimals:.{decimals}f} {unit}")
    metres = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}[unit]
    assert known.length.metres == pytest.approx(digits / 10**decimals * metres)
    assert known.length.sigma == pytest.approx(0.5 / 10**decimals * metres)
    assert (known.objects, known.axis, known.t) == ((3,), "z", ())


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_one_line(text: str):
    try:
        metres = read_statement(text).length.metres
    except InputError as error:
        message = str(error)
    else:
        message = "expected" if metres > 0 else ""
    assert "expected" in message


@pytest.mark.parametrize("text", ["object 3 extent w = 1 m", "object 3 extent y = 0 m", "object 3 extent y = 1 m ± 0"])
def test_no_axis_no_length_and_no_error_are_refused(text: str):
    with pytest.raises(InputError, match="rescale: got"):
        read_statement(text)
