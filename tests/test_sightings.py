"""Objects that are seen but cannot be placed, because too few of their pixels have trusted depth."""

from dataclasses import replace

import numpy as np

from fast_snow.config import Config, FusionConfig
from fast_snow.emptiness import doubts
from fast_snow.graph import FoldState, fold, start
from tests.building import flat_geometry, perception, tracked

CONFIG = Config()
BOX, OTHER = (2, 2, 12, 12), (18, 10, 30, 22)
FRAMES = 9


def folded(blind: set[int], config: Config = CONFIG, *, n: int = FRAMES) -> FoldState:
    """Fold two objects, of which the first has no depth in the frames of `blind`."""
    geometry = flat_geometry(n)
    depth = geometry.depth.copy()
    depth[sorted(blind), :, :14] = np.nan
    masklets = [tracked((0, 0, BOX), (0, 1, OTHER)) for _ in range(n)]
    return fold(start(config), perception(masklets, geometry=replace(geometry, depth=depth)), config=config)


def test_what_was_seen_stays_seen():
    """Also before it is placed for the first time."""
    state = folded({0, 1, 5})
    one = next(track for track in state.graph.tracks.values() if track.unplaced)
    assert [each.t for each in one.observations] == [2, 3, 4, 6, 7, 8]
    assert [each.t for each in one.unplaced] == [0, 1, 5]
    assert one.unplaced[0].region.box.tolist() == list(BOX)
    assert len(one.unplaced[0].row) > 0
    assert one.theta == (2, 8)
    assert state.health.unplaced == state.health.small_dropped == 3
    for labelled in state.labelled:
        assert sorted(labelled.object_id.tolist()) == sorted(state.graph.tracks)


def test_a_warning_names_the_object_that_is_often_not_placed():
    state = folded({0, 1, 5})
    (object_id,) = (track.object_id for track in state.graph.tracks.values() if track.unplaced)
    (warning,) = doubts(state.graph, state.health)
    assert warning.startswith(f"seen, but not placed for lack of trusted depth: object {object_id} in 3 of 9 frames;")
    assert doubts(state.graph, state.health, min_points=10**6) == (), "by no depth could a mask so small be placed"
    once = folded({5}, n=20)
    assert doubts(once.graph, once.health) == ()


def test_an_object_that_is_seen_is_not_archived():
    config = Config(fusion=FusionConfig(lost_patience=1, archive_patience=1))
    state = folded({2, 3, 4, 5, 6, 7}, config)
    assert len(state.graph.tracks) == 2
    gone = [tracked((0, 0, BOX), (0, 1, OTHER)) if t in (0, 1, 8) else tracked((0, 1, OTHER)) for t in range(FRAMES)]
    assert len(fold(start(config), perception(gone), config=config).graph.tracks) == 3


def test_what_was_never_placed_is_no_track():
    state = folded(set(range(FRAMES)))
    assert len(state.graph.tracks) == 1
    assert state.health.unplaced == 0
    assert state.health.small_dropped == FRAMES


def test_a_recorded_identity_is_found_without_having_been_bound():
    masklets = [tracked((0, 7, BOX)) for _ in range(FRAMES)]
    masklets = [replace(each, source_id=np.array([7], np.int32)) for each in masklets]
    geometry = flat_geometry(FRAMES)
    depth = geometry.depth.copy()
    depth[[0, 4], :, :14] = np.nan
    seen = fold(start(CONFIG), perception(masklets, geometry=replace(geometry, depth=depth)), config=CONFIG)
    assert [each.t for each in seen.graph.tracks[7].unplaced] == [0, 4]
