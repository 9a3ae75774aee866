import numpy as np
import pytest

from fast_snow.engines.fastsam.mask_logits import Content, encode_positive
from fast_snow.kernels.masks import decode, validate

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
interpolate = torch.nn.functional.interpolate


def reference(logits: np.ndarray, content: Content, box_xyxy: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Dense masks in torch: enlarge, cut the padding off, scale, threshold, crop."""
    maps = torch.from_numpy(logits)[:, None]
    if content.enlarged > 1:
        maps = interpolate(maps, scale_factor=content.enlarged, mode="bilinear")
    maps = maps[..., content.top : content.top + content.height, content.left : content.left + content.width]
    positive = (interpolate(maps, grid, mode="bilinear")[:, 0] > 0).numpy()
    x0, y0, x1, y1 = (box_xyxy[:, k, None, None] for k in range(4))
    rows, columns = np.arange(grid[0])[:, None], np.arange(grid[1])
    return positive & (columns >= x0) & (columns < x1) & (rows >= y0) & (rows < y1)


@pytest.mark.parametrize("grid", [(45, 80), (17, 31), (120, 200), (24, 40)])
@pytest.mark.parametrize(
    "content",
    [
        Content(enlarged=1, top=0, left=0, height=24, width=40),
        Content(enlarged=1, top=2, left=0, height=20, width=40),
        Content(enlarged=2, top=0, left=5, height=48, width=69),
        Content(enlarged=4, top=13, left=0, height=69, width=160),
    ],
)
def test_equals_dense_interpolation(content: Content, grid: tuple[int, int]) -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(9, 24, 40)).astype(np.float32)
    low = generator.random((9, 2)) * [grid[1], grid[0]] * 0.6 - 3
    box = np.concatenate([low, low + generator.random((9, 2)) * [grid[1], grid[0]]], axis=1).astype(np.float32)
    box[0] = [0, 0, grid[1], grid[0]]
    masks = encode_positive(logits, content, box, grid)
    validate(masks)
    np.testing.assert_array_equal(decode(masks), reference(logits, content, box, grid))


def test_masks_without_a_pixel_stay_as_empty_entries() -> None:
    content = Content(enlarged=1, top=0, left=0, height=4, width=4)
    logits = np.stack([np.full((4, 4), -1, np.float32), np.ones((4, 4), np.float32), np.ones((4, 4), np.float32)])
    box = np.array([[0, 0, 8, 8], [3, 3, 3, 8], [2, 1, 4, 2]], np.float32)
    masks = encode_positive(logits, content, box, (8, 8))
    assert np.diff(masks.offset).tolist() == [0, 0, 1]
    assert decode(masks)[2].sum() == 2
