"""Tracking every n-th frame: the tracker sees no others, prompts reach it, masks in between are where the object is."""

from contextlib import contextmanager

import numpy as np
import pytest

from fast_snow.engines import between_frames
from fast_snow.engines.between_frames import open_sparse_tracker
from fast_snow.errors import InputError
from fast_snow.kernels.masks import decode, encode
from fast_snow.types import BoxPrompt, Frames, MaskPrompt, PointPrompt, TrackedFrame

GRID = (60, 80)
LENGTH = 12


def disc(t: float) -> np.ndarray:
    rows, columns = np.mgrid[: GRID[0], : GRID[1]]
    return (rows - 30) ** 2 + (columns - 20 - 3 * t) ** 2 < 12**2


def moving_disc() -> Frames:
    """A textured disc that goes right over a textured ground."""
    rng = np.random.default_rng(3)
    ground, skin = (rng.integers(low, low + 90, (*GRID, 3), dtype=np.uint8) for low in (20, 150))
    images = np.repeat(ground[None], LENGTH, axis=0)
    for t, image in enumerate(images):
        image[disc(t)] = np.roll(skin, 3 * t, axis=1)[disc(t)]
    images = np.repeat(np.repeat(images, 2, axis=1), 2, axis=2)
    index = np.arange(LENGTH)
    return Frames(image=images, t=index.astype(np.int32), time_s=index / 10.0, source_frame=index)


FRAMES = moving_disc()


class TrueTracker:
    """Answers with the true disc in the frames that it is shown, while it is there."""

    def __init__(self, lost_from: int = LENGTH) -> None:
        self.prompts, self.shown, self.closed = [], [], False
        self._lost_from = lost_from

    def start(self, frames, grid):
        assert grid == GRID
        self.shown = frames.t.tolist()
        return self

    def add(self, prompts):
        self.prompts += prompts

    def propagate(self):
        one = np.zeros(1, np.int32)
        seen = TrackedFrame(run_id=one, local_id=one, masks=encode(disc(0)[None]), score=np.array([0.8], np.float32))
        none = seen[:0]
        found = []
        for t in self.shown:
            each = TrackedFrame(
                run_id=one, local_id=one, masks=encode(disc(t)[None]), score=np.array([0.8], np.float32)
            )
            found.append(each if t < self._lost_from else none)
        return found

    def close(self):
        self.closed = True


@contextmanager
def opened(tracker, every):
    with open_sparse_tracker(lambda: _given(tracker), every, threads=1) as sparse:
        yield sparse.start(FRAMES, GRID)


@contextmanager
def _given(tracker):
    yield tracker


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(("every", "shown"), [(2, [0, 2, 4, 6, 8, 10, 11]), (5, [0, 5, 10, 11]), (40, [0, 11])])
def test_masks_in_between_are_where_the_object_is(every, shown):
    tracker = TrueTracker()
    with opened(tracker, every) as session:
        session.add([MaskPrompt(frame=0, mask=encode(disc(0)[None]))])
        found = session.propagate()
        session.close()
    assert tracker.shown == shown
    assert tracker.closed
    assert len(found) == LENGTH
    for t, each in enumerate(found):
        assert each.names == [(0, 0)]
        assert each.score.tolist() == pytest.approx([0.8])
        if t in shown or every < 40:
            assert iou(decode(each.masks)[0], disc(t)) > (0.999 if t in shown else 0.9)


def test_what_only_one_side_has_stays_up_to_the_middle():
    with opened(TrueTracker(lost_from=4), 4) as session:
        session.add([MaskPrompt(frame=0, mask=encode(disc(0)[None]))])
        found = session.propagate()
    assert [len(each) for each in found] == [1, 1, 1] + [0] * 9


@pytest.mark.parametrize(("prompted", "tracked"), [(4, 1), (6, 1), (3, 1), (7, 1), (8, 2), (10, 2), (11, 3)])
def test_prompts_are_carried_to_the_nearest_tracked_frame(prompted, tracked):
    tracker = TrueTracker()
    centre = np.array([20 + 3 * prompted, 30], np.float32)
    with opened(tracker, 5) as session:
        session.add(
            [
                MaskPrompt(frame=prompted, mask=encode(disc(prompted)[None])),
                PointPrompt(frame=prompted, uv=centre),
                BoxPrompt(frame=prompted, box_xyxy=np.concatenate([centre - 12, centre + 12])),
            ]
        )
    mask, point, box = tracker.prompts
    assert {each.frame for each in tracker.prompts} == {tracked}
    t = [0, 5, 10, 11][tracked]
    assert iou(decode(mask.mask)[0], disc(t)) > 0.9
    np.testing.assert_allclose(point.uv, [20 + 3 * t, 30], atol=1.5)
    np.testing.assert_allclose(box.box_xyxy.reshape(2, 2).mean(axis=0), [20 + 3 * t, 30], atol=1.5)


def test_no_flow_is_computed_where_nothing_is_tracked(monkeypatch):
    computed, flow = [], between_frames.flow_between
    monkeypatch.setattr(between_frames, "flow_between", lambda *both: computed.append(1) or flow(*both))
    with opened(TrueTracker(lost_from=0), 5) as session:
        assert [len(each) for each in session.propagate()] == [0] * LENGTH
    assert not computed
    with opened(TrueTracker(), 5) as session:
        session.propagate()
    assert computed


def test_a_prompt_outside_the_window():
    with opened(TrueTracker(), 5) as session, pytest.raises(InputError, match="got frame 12, expected 0 to 11"):
        session.add([PointPrompt(frame=12, uv=np.zeros(2, np.float32))])
