"""When tracking or geometry degrades: counted per kind, told with frame numbers, and remedied where it can be."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8

from fast_snow.api import build_graph
from fast_snow.cli.terminal import print_summary
from fast_snow.config import Config
from fast_snow.discovery import lost
from fast_snow.errors import FastSnowWarning
from fast_snow.graph import fold, start
from fast_snow.incidents import camera_jumps, degraded, disagreements, losses, summarised
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.run_record import RunSummary
from fast_snow.types import (
    Detections,
    Geometry,
    Health,
    Incidents,
    LabelledMasks,
    MaskPrompt,
    Prompt,
    TrackedFrame,
    Window,
)
from fast_snow.viewing.page_text import run_facts
from tests.building import GRID, Box, boxes, detections, flat_geometry, frames, perception, tracked

HERE, THERE = (4, 4, 16, 16), (20, 4, 30, 16)


def labelled(t: int, *object_id: int) -> LabelledMasks:
    return LabelledMasks(t=t, object_id=np.array(object_id, np.int32), masks=boxes(*[HERE] * len(object_id)))


def test_what_is_missing_where_it_is_detected_is_found_once():
    seen = [tracked((0, 0, HERE))] * 2 + [tracked()] * 4
    found = lost([detections(HERE)] * 6, seen, iou_thresh=0.3)
    assert [each.frame for each in found.prompts] == [2]


def test_a_loss_is_expected_for_a_while_where_the_image_has_moved():
    moved = (7, 4, 19, 16)
    seen = [tracked((0, 0, HERE), (0, 1, THERE))] + [tracked((0, 1, (23, 4, 32, 16)))] * 3
    late = [detections(), detections(), detections(), detections(moved)]
    assert [each.frame for each in lost(late, seen, iou_thresh=0.3).prompts] == [3]
    assert (
        lost([*late[:3], *[detections()] * 4, detections(moved)], [*seen, *seen[3:] * 4], iou_thresh=0.3).prompts == ()
    )


def test_what_is_tracked_or_not_detected_is_no_silent_loss():
    assert lost([detections(HERE)] * 3, [tracked((0, 0, HERE))] * 3, iou_thresh=0.3).prompts == ()
    assert lost([detections()] * 3, [tracked((0, 0, HERE)), tracked(), tracked()], iou_thresh=0.3).prompts == ()


class Forgetful:
    """A session whose objects are gone three frames after their prompts; sees nothing before them."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.asked: list[int] = []
        self.run = self.first = 0

    def add(self, prompts: Sequence[Prompt]) -> None:
        self.prompts = list(prompts)
        self.asked.append(len(self.prompts))

    def propagate(self) -> Sequence[TrackedFrame]:
        answer = []
        for frame in range(9):
            found = [i for i, each in enumerate(self.prompts) if each.frame <= frame < each.frame + 3]
            answer.append(tracked(*((self.run, self.first + i, HERE) for i in found)))
        self.run, self.first = self.run + 1, self.first + len(self.prompts)
        return answer

    def close(self) -> None:
        pass


def test_a_lost_object_is_prompted_again_from_the_detection_that_covers_it():
    session = Forgetful()

    @contextmanager
    def tracker() -> Iterator[object]:
        class Tracker:
            def start(self, *_: object) -> Forgetful:
                return session

        yield Tracker()

    engines = EngineOpeners(
        geometry=lambda: nullcontext(lambda each: flat_geometry(len(each))),
        segmenter=lambda: nullcontext(lambda each, _: [detections(HERE)] * len(each)),
        tracker=tracker,  # type: ignore[arg-type]
    )
    seen = perceive(Window(index=0, frames=frames(9), shared=0), engines=engines, config=Config())
    assert session.asked == [1, 1, 1]  # at the first frame, where it is missing, and where it is missing again
    assert seen.health.prompted_again == 1
    assert [len(each) for each in seen.tracked] == [1] * 9
    assert seen.health.incidents.silent_losses == ()
    graph = fold(start(Config()), seen, config=Config()).graph
    assert len(graph.tracks) == 1


def test_losses_and_gaps_of_objects():
    shown = [labelled(0, 0, 1, 2, 3), labelled(1, 3), labelled(2, 0, 3), labelled(3, 0, 3, 4)]
    found = losses(None, shown, ())
    assert (found.mass_losses, found.fragmentations) == ((1,), (2,))
    assert losses(shown[1], shown[2:], {0, 1, 2, 3}).fragmentations == (2,)
    assert losses(None, [labelled(0, 0, 1, 2), labelled(1)], ()).mass_losses == ()  # too few to tell


def test_a_camera_that_jumps_or_turns_at_once():
    still = flat_geometry(4)
    moved, turned = still.T_camera_world.copy(), still.T_camera_world.copy()
    moved[2:, 0, 3] = 3.0  # of 4 m to the wall
    turned[3, :3, :3] = np.diag([-1.0, 1, -1])
    time_s = np.arange(4) / 10

    def jumps(T_camera_world: np.ndarray, first: int = 0, pace: float = 1.0) -> tuple[int, ...]:
        geometry: Geometry = replace(still, T_camera_world=T_camera_world)
        return camera_jumps(geometry, [5, 6, 7, 8], pace * time_s, first).camera_jumps

    assert jumps(still.T_camera_world) == ()
    assert jumps(moved) == (7,)
    assert jumps(moved, first=3) == ()  # another window counted it
    assert jumps(moved, pace=3.0) == ()  # frames that are further apart
    assert jumps(turned) == (8,)


def test_depth_that_parts_much_from_its_objects():
    counts = [Health(mask_pixels=100, outlier_pixels=each) for each in (0, 30, 31)] + [Health()]
    assert disagreements(counts, [3, 4, 5, 6]).depth_disagreements == (5,)


def test_a_cut_is_noticed_where_the_window_adds_it():
    clip = frames(6)
    image = two_scenes(6)
    engines = EngineOpeners(
        geometry=lambda: nullcontext(lambda each: flat_geometry(len(each))),
        segmenter=lambda: nullcontext(lambda each, _: [nothing()] * len(each)),
        tracker=lambda: nullcontext(Silent()),  # type: ignore[arg-type]
    )
    for shared, expected in ((0, (3,)), (4, ())):
        window = Window(index=0, frames=replace(clip, image=image), shared=shared)
        assert perceive(window, engines=engines, config=Config()).health.incidents.cuts == expected


def two_scenes(n: int) -> UInt8[np.ndarray, "n h w 3"]:
    """Dark green blocks, and from the fourth frame on other ones in red."""
    rng = np.random.default_rng(0)
    blocks = (rng.random((2, 6, 8)).repeat(4, 1).repeat(4, 2)[..., None] * 120).astype(np.uint8)
    colour = np.array([[0, 60, 0], [130, 0, 0]], np.uint8)
    return np.stack([(blocks + colour[:, None, None])[int(t >= 3), : GRID[0], : GRID[1]] for t in range(n)])


def nothing() -> Detections:
    return detections()


class Silent:
    """A tracker that sees nothing."""

    def start(self, *_: object) -> "Silent":
        return self

    def add(self, prompts: Sequence[MaskPrompt]) -> None:
        assert not prompts

    def propagate(self) -> Sequence[TrackedFrame]:
        return [tracked()] * 6

    def close(self) -> None:
        pass


def test_incidents_of_windows_add_up_and_are_told_with_their_frames():
    both = Health(incidents=Incidents(cuts=(3,))) + Health(incidents=Incidents(cuts=(9,), fragmentations=(2, 2)))
    assert both.incidents.cuts == (3, 9)
    (message,) = degraded(both.incidents)
    assert message.startswith("frames t = 3, 9: another scene begins")
    assert summarised(both.incidents) == "2 fragmentations, 2 cuts"
    assert summarised(Incidents(mass_losses=(4,))) == "1 mass loss"
    assert summarised(Incidents()) == ""
    (long,) = degraded(Incidents(camera_jumps=tuple(range(30))))
    assert "9 and 20 more: the camera jumps" in long


@pytest.mark.parametrize("box", [HERE])
def test_the_fold_counts_over_window_borders(box: Box):
    one = [tracked((0, 0, box))] * 3 + [tracked()]
    state = fold(start(Config()), perception(one), config=Config())
    later = perception([tracked(), tracked((0, 0, box))], window=1, first=3, shared=1)
    assert fold(state, later, config=Config()).health.incidents.fragmentations == (4,)


def test_a_run_records_warns_and_shows_what_happened(capsys: pytest.CaptureFixture[str]):
    ids = np.zeros((4, *GRID), np.int32)
    ids[:, 4:20, 4:20] = 1
    ids[2] = 0
    image = two_scenes(4)
    recording = recording_from_arrays(
        image,
        10.0,
        depth=np.full((4, *GRID), 4.0, np.float32),
        ids=ids,
        T_world_camera=np.tile(np.eye(4), (4, 1, 1)),
        intrinsics=np.array([[20.0, 0, 16], [0, 20, 12], [0, 0, 1]]),
    )
    with pytest.warns(FastSnowWarning, match="^frame t = 3: another scene begins"):
        result = build_graph(from_recording(recording, Config().sampling))
    incidents = result.record["health"]["incidents"]
    assert incidents["cuts"] == incidents["fragmentations"] == {"count": 1, "t": [3]}
    assert incidents["silent_losses"] == {"count": 0, "t": []}
    facts = {fact.label: fact.text for fact in run_facts(result.graph, result.record, 4)}
    assert facts["Health"] == "fragmentations: 1, cuts: 1"
    health = Health(incidents=Incidents(cuts=(3,), fragmentations=(3,)))
    summary = RunSummary(graph=result.graph, health=health, wall_s=1.0)
    print_summary("clip", Path("out"), (), summary, compiled_s=0.0, warnings=())
    assert "health   1 fragmentation, 1 cut\n" in capsys.readouterr().out
