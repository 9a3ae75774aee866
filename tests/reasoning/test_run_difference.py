"""What changed between two runs: objects that are moved, taken away or added to a graph of which all is known."""

from dataclasses import replace

import numpy as np
import pytest

from fast_snow.errors import InputError
from fast_snow.reasoning.run_difference import Change, run_difference
from fast_snow.reasoning.tools.motion_evidence import motion_of
from fast_snow.reasoning.tools.tool_answers import Grade
from fast_snow.reasoning.tools.tracks import trajectories_of
from fast_snow.types import SceneGraph, Track
from tests.reasoning.runs import small_run

GRAPH = small_run().graph
RESTING = [k for k, each in trajectories_of(GRAPH).items() if len(each) > 6 and not motion_of(GRAPH, each).moving]


def shifted(track: Track, by: tuple[float, float, float]) -> Track:
    move = np.float32(by)
    return replace(
        track,
        observations=tuple(
            replace(each, centroid=each.centroid + move, low=each.low + move, high=each.high + move)
            for each in track.observations
        ),
    )


def with_tracks(**tracks: Track | None) -> SceneGraph:
    """Return the graph with other tracks, named `o3` and so on; None takes one away."""
    changed = {**GRAPH.tracks, **{int(name[1:]): track for name, track in tracks.items()}}
    return replace(GRAPH, tracks={k: track for k, track in changed.items() if track is not None})


def test_a_run_is_like_itself():
    changes = run_difference(GRAPH, replace(GRAPH))
    resting = [each for each in changes if each.before in RESTING]
    assert {each.change for each in resting} == {Change.SAME}
    assert all(each.before == each.after for each in changes)


def test_what_rests_stays_from_the_first_half_to_the_second():
    changes = run_difference(GRAPH.window(t=3, length=4), GRAPH.window(t=7, length=4))
    resting = [each for each in changes if each.before in RESTING]
    assert len(resting) == len(RESTING)
    assert {(each.change, each.before) for each in resting} == {(Change.SAME, k) for k in RESTING}


@pytest.mark.parametrize("object_id", RESTING[:2])
def test_what_is_taken_away_vanished_and_the_other_way_appeared(object_id: int):
    less = with_tracks(**{f"o{object_id}": None})
    gone = [each for each in run_difference(GRAPH, less) if each.before == object_id]
    come = [each for each in run_difference(less, GRAPH) if each.after == object_id]
    assert [(each.change, each.after) for each in gone] == [(Change.VANISHED, None)]
    assert [(each.change, each.before) for each in come] == [(Change.APPEARED, None)]


def test_a_shift_beyond_the_noise_is_a_move_of_that_length():
    object_id = RESTING[0]
    track = GRAPH.tracks[object_id]
    changes = run_difference(GRAPH, with_tracks(**{f"o{object_id}": shifted(track, (0.6, 0.0, 0.0))}))
    (change,) = [each for each in changes if each.before == object_id]
    assert (change.change, change.after, change.grade) == (Change.MOVED, object_id, Grade.STATED)
    assert change.distance == pytest.approx(0.6, abs=1e-4)
    assert change.sigma is not None
    assert 0 < change.sigma < 0.15


def test_a_move_beyond_its_size_is_likely_as_only_the_size_tells():
    object_id = RESTING[0]
    moved = shifted(GRAPH.tracks[object_id], (0.0, -3.0, 0.5))
    changes = run_difference(GRAPH, with_tracks(**{f"o{object_id}": None, "o90": replace(moved, object_id=90)}))
    (change,) = [each for each in changes if each.before == object_id]
    assert (change.change, change.after, change.grade) == (Change.MOVED, 90, Grade.LIKELY)
    assert change.distance == pytest.approx(np.hypot(3.0, 0.5), abs=0.1)


def test_what_the_other_run_never_had_in_view_did_not_appear():
    behind = shifted(GRAPH.tracks[RESTING[0]], (0.0, 0.0, -30.0))
    grown = replace(
        behind,
        object_id=90,
        observations=tuple(
            replace(each, low=each.centroid + 3 * (each.low - each.centroid)) for each in behind.observations
        ),
    )
    (change,) = [each for each in run_difference(GRAPH, with_tracks(o90=grown)) if each.after == 90]
    assert change.change is Change.OUT_OF_VIEW


def test_other_worlds_are_not_compared():
    tracks = {k: shifted(track, (7.0, 0.0, 0.0)) for k, track in GRAPH.tracks.items()}
    camera = replace(GRAPH.ego, position=GRAPH.ego.position + np.float32([7, 0, 0]))
    elsewhere = replace(GRAPH, tracks=tracks, ego=camera)
    with pytest.raises(InputError, match="worlds are not comparable: 0 of 4"):
        run_difference(GRAPH, elsewhere)
    with pytest.raises(InputError, match="the second run's lengths are in an unknown scale"):
        run_difference(GRAPH, replace(GRAPH, metric=False))
