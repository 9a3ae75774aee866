"""Objects that the image's border cuts: where their middle is, and what the tools say of their motion."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.cut_outlines import middle_of_whole
from fast_snow.types import ImageRegion, SceneGraph
from tests.reasoning.tools.truth import FOCAL, PIXELS, made

HEIGHT, WIDTH = PIXELS


def cut(low, high):
    """What the image shows of upright boxes: boxes and middles."""
    low, high = np.clip(low, 0, (WIDTH, HEIGHT)), np.clip(high, 0, (WIDTH, HEIGHT))
    return np.concatenate([low, high], axis=1).astype(np.int32), (low + high - 1) / 2


@given(
    start=st.integers(-60, 0),
    step=st.integers(-9, 9),
    sides=st.tuples(st.integers(20, 200), st.integers(20, 100)),
    t=st.lists(st.integers(0, 40), min_size=2, max_size=20, unique=True).map(sorted),
    axis=st.integers(0, 1),
)
def test_what_keeps_its_size_has_its_middle_where_its_free_edge_is(start, step, sides, t, axis):
    """Whole objects keep their own middle; of what is cut in all frames it may be off by the same in all of them."""
    t = np.array(t, np.int64)
    low = np.full((len(t), 2), 30)
    low[:, axis] = start + step * t
    box, centre = cut(low, low + np.array(sides))
    limit = np.array([WIDTH, HEIGHT])
    near, far = box[:, :2] <= 0, box[:, 2:] >= limit
    assume(not (near & far).any() and (box[:, 2:] > box[:, :2]).all())
    middle, off = middle_of_whole(t, centre, box, PIXELS)
    whole = ~(near | far)
    np.testing.assert_array_equal(middle[whole], centre[whole])
    assert not off[whole].any()
    # Where it leaves one side and comes in at the other between two frames, no edge is free in both.
    free = ~(near[1:] | near[:-1]) | ~(far[1:] | far[:-1])
    if free.all():
        truth = low + (np.array(sides) - 1) / 2
        error = middle - truth
        np.testing.assert_allclose(error, np.broadcast_to(error[:1], error.shape), atol=1e-9)
        np.testing.assert_allclose(error[whole], 0.0, atol=1e-9)


def test_the_further_from_where_all_is_seen_the_less_the_middle_is_known():
    low = np.stack([np.array([-40, -30, -20, -10, 5, 20]), np.full(6, 30)], axis=1)
    box, centre = cut(low, low + 50)
    _, off = middle_of_whole(np.arange(6), centre, box, PIXELS)
    assert (np.diff(off[:5, 0]) < 0).all()
    assert off[4:].max() == off[:, 1].max() == 0


def test_of_what_both_borders_cut_nothing_tells_the_middle():
    box, centre = cut(np.array([[-50, 30], [-90, 30]]), np.array([[400, 90], [360, 90]]))
    _, off = middle_of_whole(np.arange(2), centre, box, PIXELS)
    assert off[:, 0].min() >= WIDTH / 2


def comes_in(metres: float) -> SceneGraph:
    """A box that goes to the right by so much before a camera that stands; at first the border cuts it."""
    n, half, z = 24, 0.3, 4.0
    places = {
        k: np.tile((x, 0.3, z), (n, 1)) + np.outer(np.linspace(0, metres if k == 0 else 0.0, n), (1, 0, 0))
        for k, x in enumerate((-2.3, -0.5, 0.3, 1.0, 1.6))
    }
    graph, tracks = made(places, half=half), {}
    for k, track in graph.tracks.items():
        middle = FOCAL * places[k][:, :2] / z + np.array([WIDTH, HEIGHT]) / 2
        box, centre = cut(np.round(middle - FOCAL * half / z), np.round(middle + FOCAL * half / z))
        side = (box[:, 2:] - box[:, :2]).astype(np.float64)
        regions = [
            ImageRegion(
                area=int(w * h), box=b, centroid=c.astype(np.float32), covariance=np.float32([w * w, 0, h * h]) / 12
            )
            for b, c, (w, h) in zip(box, centre, side, strict=True)
        ]
        observations = [replace(token, region=each) for token, each in zip(track.observations, regions, strict=True)]
        tracks[k] = replace(track, observations=tuple(observations))
    return replace(graph, tracks=MappingProxyType(tracks))


@pytest.mark.parametrize("metres", [0.5, 1.0, 2.0])
def test_what_comes_in_at_the_border_goes_as_far_as_it_does(metres):
    """The middles of its masks go up to 20 pixels less far."""
    graph, ends = comes_in(metres), np.array([-2.3, metres - 2.3]) / 4.0
    for tool, truth in (("motion_in_image", np.ptp(ends)), ("motion_without_camera", np.ptp(np.arctan(ends)))):
        answer = call_tool(graph, tool, {"object_id": 0})
        assert answer.value == "right"
        (figure,) = (each for each in answer.figures if each.name == "to_the_right")
        assert figure.value == pytest.approx(FOCAL * truth, abs=2.0)
