"""Which masklets of a frame are kept, and which objects are no longer looked for."""

import numpy as np
import pytest

from fast_snow.engines.sam3.session import Absences, FrameMasks, tracked_frame
from fast_snow.kernels.masks import decode, encode


def masks_of(areas):
    dense = np.zeros((len(areas), 2, 4), np.bool_)
    for mask, area in zip(dense, areas, strict=True):
        mask.flat[:area] = True
    return dense


def test_keeps_what_is_seen_and_sure_by_ascending_number():
    dense = masks_of([3, 0, 5, 7, 2])
    score = np.array([0.3, 0.9, 0.29, 0.8, 0.5], np.float32)
    local_id = np.array([9, 1, 2, 3, 7], np.int32)
    pieces = [FrameMasks(local_id[some], encode(dense[some]), score[some]) for some in (slice(0, 2), slice(2, 5))]
    found = tracked_frame(4, pieces, (2, 4), float(np.float32(0.3)))
    assert found.local_id.tolist() == [3, 7, 9]
    assert found.run_id.tolist() == [4, 4, 4]
    np.testing.assert_array_equal(found.score, score[[3, 4, 0]])
    np.testing.assert_array_equal(decode(found.masks), dense[[3, 4, 0]])


def test_a_frame_without_objects():
    found = tracked_frame(0, (), (2, 4), 0.0)
    assert len(found) == 0
    assert found.masks.shape == (2, 4)


@pytest.mark.parametrize(("gap", "gone"), [(1, False), (8, False), (30, False), (34, False), (35, True)])
@pytest.mark.parametrize("unseen", ["empty", "unsure"])
def test_an_object_is_gone_that_was_away_too_long(gap, gone, unseen):
    def frame(*, seen: bool) -> FrameMasks:
        area, score = (3, 0.9) if seen else {"empty": (0, 0.9), "unsure": (3, 0.2)}[unseen]
        return FrameMasks(np.array([4, 7], np.int32), encode(masks_of([3, area])), np.array([0.9, score], np.float32))

    absences = Absences(0.3, 35)
    for is_seen in [True] * 3 + [False] * gap:
        assert not absences.gone(7)
        absences.note(frame(seen=is_seen))
    assert absences.gone(7) == gone
    assert not absences.gone(4)
    forever = Absences(0.3, None)
    for _ in range(99):
        forever.note(frame(seen=False))
    assert not forever.gone(7)
