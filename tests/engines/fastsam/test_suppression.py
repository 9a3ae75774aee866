import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fast_snow.engines.fastsam.detections import suppress

torch = pytest.importorskip("torch")
torchvision_ops = pytest.importorskip("torchvision.ops")
pytestmark = pytest.mark.torch

corners = st.integers(1, 40).flatmap(lambda n: arrays.arrays(np.float32, (n, 4), elements=st.integers(0, 12)))


@given(corners=corners, iou_threshold=st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9, 1.0]), seed=st.integers(0, 99))
def test_picks_what_torchvision_picks(corners: np.ndarray, iou_threshold: float, seed: int) -> None:
    box = np.concatenate(
        [np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], axis=1
    )
    score = np.random.default_rng(seed).integers(0, 5, len(box)).astype(np.float32)  # ties too
    ours = suppress(box, score, iou_threshold=iou_threshold, most=len(box))
    expected = torchvision_ops.nms(torch.from_numpy(box), torch.from_numpy(score), iou_threshold)
    np.testing.assert_array_equal(ours, expected.numpy())


def test_agrees_with_torchvision_on_a_thousand_crowded_boxes() -> None:
    generator = np.random.default_rng(0)
    low = generator.random((1000, 2), np.float32) * 50
    box = np.concatenate([low, low + 20 + 20 * generator.random((1000, 2), np.float32)], axis=1)
    score = generator.random(1000, np.float32)
    for threshold in (0.5, 0.9):
        ours = suppress(box, score, iou_threshold=threshold, most=1000)
        expected = torchvision_ops.nms(torch.from_numpy(box), torch.from_numpy(score), threshold).numpy()
        np.testing.assert_array_equal(ours, expected)
        np.testing.assert_array_equal(suppress(box, score, iou_threshold=threshold, most=7), expected[:7])


def test_nothing_gives_nothing() -> None:
    none = suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), iou_threshold=0.5, most=10)
    assert len(none) == 0
