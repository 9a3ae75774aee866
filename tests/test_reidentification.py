"""Objects that come back are known again by place, size and colours; and a recorded merge can be undone."""

from dataclasses import replace

import numpy as np
import pytest

from fast_snow.config import Config, FusionConfig
from fast_snow.errors import InputError
from fast_snow.graph import FoldState, fold, start
from fast_snow.kernels.colours import colour_shares
from fast_snow.merges import undo_merge
from fast_snow.output.graph_json import dumps, loads
from fast_snow.types import Health, Incidents, SceneGraph, TrackedFrame
from tests.building import GRID, Box, boxes, perception, tracked

ON = Config(fusion=FusionConfig(reidentify=True, lost_patience=2, archive_patience=4))
OFF = replace(ON, fusion=replace(ON.fusion, reidentify=False))
RED, GREEN, BLUE = (200, 40, 40), (40, 160, 50), (40, 60, 200)
Colour = tuple[int, int, int]
Seen = tuple[int, Box, Colour]
"""Number of a masklet, its box, and its colour."""
LEFT, RIGHT = (2, 4, 12, 14), (18, 4, 28, 14)


def frame(run: int, *seen: Seen) -> TrackedFrame:
    """Return masklets whose pixels have the colours given."""
    image = np.full((*GRID, 3), 90, np.uint8)
    for _, (x0, y0, x1, y1), colour in seen:
        image[y0:y1, x0:x1] = colour
    named = tracked(*((run, local, box) for local, box, _ in seen))
    return replace(named, appearance=colour_shares(boxes(*(box for _, box, _ in seen)), image))


def clip(*stretches: tuple[int, tuple[Seen, ...]], run: int = 0) -> list[TrackedFrame]:
    """Return the frames of stretches in which the same is seen."""
    return [frame(run, *seen) for count, seen in stretches for _ in range(count)]


def folded(frames: list[TrackedFrame], config: Config = ON) -> SceneGraph:
    return fold(start(config), perception(frames), config=config).graph


def spans(graph: SceneGraph) -> dict[int, list[int]]:
    return {track.object_id: [each.t for each in track.observations] for track in graph.tracks.values()}


@pytest.mark.parametrize("gap", [3, 8])  # lost, archived
def test_what_comes_back_in_its_colours_keeps_its_number(gap: int):
    frames = clip((5, ((0, LEFT, RED), (1, RIGHT, BLUE))), (gap, ((1, RIGHT, BLUE),)), (5, ((2, LEFT, RED),)))
    graph = folded(frames)
    assert spans(graph)[0] == [*range(5), *range(5 + gap, 10 + gap)]
    (merge,) = graph.merges
    assert (merge.t, merge.kept, merge.dropped, merge.gap) == (5 + gap, 0, None, gap + 1)
    assert merge.appearance == pytest.approx(1, abs=0.01)
    assert merge.distance == pytest.approx(0, abs=0.1)


def test_it_is_off_by_default():
    frames = clip((5, ((0, LEFT, RED),)), (4, ()), (5, ((1, LEFT, RED),)))
    assert len(folded(frames, OFF).tracks) == 2
    assert folded(frames, OFF).merges == ()


@pytest.mark.parametrize(
    ("what", "back"),
    [
        ("another colour", ((2, LEFT, GREEN),)),
        ("far away", ((2, (20, 4, 30, 14), RED),)),
        ("of another size", ((2, (2, 2, 32, 23), RED),)),
        ("beside a look-alike", ((2, LEFT, RED), (3, RIGHT, RED))),
    ],
)
def test_what_does_not_fit_is_another_object(what: str, back: tuple[Seen, ...]):
    graph = folded(clip((5, ((0, LEFT, RED),)), (4, ()), (5, back)))
    assert len(graph.tracks) == 1 + len(back), what
    assert graph.merges == ()


def test_what_a_cut_parts_stays_apart():
    seen = perception(clip((5, ((0, LEFT, RED),)), (4, ()), (5, ((1, LEFT, RED),))))
    cut = replace(seen, health=Health(incidents=Incidents(cuts=(7,))))
    earlier = replace(seen, health=Health(incidents=Incidents(cuts=(3,))))
    assert len(fold(start(ON), cut, config=ON).graph.tracks) == 2
    assert len(fold(start(ON), earlier, config=ON).graph.tracks) == 1


def test_two_that_left_are_assigned_one_to_one():
    both = clip((5, ((0, LEFT, RED), (1, RIGHT, BLUE))), (4, ()), (5, ((2, RIGHT, BLUE), (3, LEFT, RED))))
    assert [(each.kept, each.t) for each in sorted(folded(both).merges, key=lambda each: each.kept)] == [
        (0, 9),
        (1, 9),
    ]


def test_a_masklet_that_comes_back_after_it_was_archived_needs_no_colours():
    frames = [
        replace(each, appearance=each.appearance[:, :0])
        for each in clip((5, ((0, LEFT, RED),)), (8, ()), (5, ((0, LEFT, RED),)))
    ]
    assert len(folded(frames, OFF).tracks) == 2
    assert len(folded(frames).tracks) == 1


def windows(frames: list[TrackedFrame], shared: int, config: Config = ON) -> FoldState:
    """Fold a clip in windows of ten frames, each masklet of which has a name of its own per window."""
    state, first, index = start(config), 0, 0
    while first + shared < len(frames) or index == 0:
        named = [replace(each, run_id=np.full(len(each), 2 * index, np.int32)) for each in frames[first : first + 10]]
        state = fold(state, perception(named, window=index, first=first, shared=shared * (index > 0)), config=config)
        first, index = first + 10 - shared, index + 1
    return state


def test_what_is_away_while_windows_meet_keeps_its_number():
    seen = ((0, LEFT, RED), (1, RIGHT, BLUE))
    frames = clip((5, seen), (9, seen[1:]), (5, seen))
    graph = windows(frames, 3).graph
    assert spans(graph) == {0: [*range(5), *range(14, 19)], 1: [*range(19)]}
    for t in range(19):
        ids = [each.object_id for each in graph.tracks.values() for token in each.observations if token.t == t]
        assert len(ids) == len(set(ids))


def test_what_appears_at_the_end_of_a_window_is_recognised_in_the_next():
    frames = clip((5, ((0, LEFT, RED),)), (3, ()), (8, ((1, LEFT, RED),)))  # two frames of the first window show it
    graph = windows(frames, 1).graph
    (again,) = (each for each in graph.merges if each.appearance > 0)
    assert (again.kept, again.dropped) == (0, 1)
    assert spans(graph) == {0: [*range(5), *range(10, 16)], 1: [8, 9]}


def test_evidence_survives_the_file():
    graph = folded(clip((5, ((0, LEFT, RED),)), (4, ()), (5, ((1, LEFT, RED),))))
    (merge,), (read,) = graph.merges, loads(dumps(graph)).merges
    assert replace(read, iou=0.0) == replace(merge, iou=0.0)


def test_a_merge_is_undone():
    frames = clip((5, ((0, LEFT, RED),)), (4, ()), (5, ((1, LEFT, RED),)), (4, ()), (5, ((2, LEFT, RED),)))
    graph = folded(frames)
    first, second = graph.merges
    assert spans(undo_merge(graph, second)) == {0: [*range(5), *range(9, 14)], 1: [*range(18, 23)]}
    apart = undo_merge(graph, first)
    assert spans(apart) == {0: [*range(5)], 1: [*range(9, 14), *range(18, 23)]}
    assert [(each.t, each.kept) for each in apart.merges] == [(18, 1)]
    assert {track.object_id: track.theta for track in apart.tracks.values()} == {0: (0, 4), 1: (9, 22)}
    loads(dumps(apart))


def test_what_was_merged_across_windows_goes_back_to_the_object_that_it_was():
    frames = clip((5, ((0, LEFT, RED),)), (3, ()), (8, ((1, LEFT, RED),)))
    graph = windows(frames, 1).graph
    (again,) = (each for each in graph.merges if each.appearance > 0)
    assert spans(undo_merge(graph, again)) == {0: [*range(5)], 1: [*range(8, 16)]}


def test_masks_of_one_frame_cannot_be_taken_apart():
    graph = folded([tracked((0, 0, LEFT), (1, 0, LEFT))] * 3)
    with pytest.raises(InputError, match="gap 0, expected at least 1"):
        undo_merge(graph, graph.merges[0])
    with pytest.raises(InputError, match="expected one of the graph's merges"):
        undo_merge(graph, replace(graph.merges[0], t=2))
