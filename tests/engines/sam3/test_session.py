"""Which masklets of a frame are kept."""

import numpy as np

from fast_snow.engines.sam3.session import FrameMasks, tracked_frame
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
