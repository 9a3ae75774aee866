"""Frames and masks arrive at the network as transformers' processors bring them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

from fast_snow.engines.sam3.images import network_images, network_mask  # noqa: E402
from fast_snow.kernels.masks import encode  # noqa: E402
from fast_snow.types import readonly  # noqa: E402
from tests.engines.sam3.transformers.networks import SIDE  # noqa: E402
from tests.engines.sam3.transformers.reference import processor, video_processor  # noqa: E402

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [(72, 96), (240, 180), (SIDE, SIDE), (31, 500)])
@pytest.mark.parametrize("on_host", [False, True])
def test_frames_equal_those_of_the_video_processor(size: tuple[int, int], on_host: bool) -> None:
    images = readonly(np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8))
    expected = video_processor()(videos=[list(images)], return_tensors="pt").pixel_values_videos[0]

    prepared = network_images(images, side=SIDE, device=CPU, on_host=on_host)

    assert len(prepared) == 3
    for t in (2, 0, 1):
        torch.testing.assert_close(prepared[t], expected[t], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(36, 48), (300, 200), (SIDE, SIDE)])
def test_masks_equal_those_of_the_processor(shape: tuple[int, int]) -> None:
    dense = np.zeros((1, *shape), np.bool_)
    dense[0, shape[0] // 4 : shape[0] // 2, shape[1] // 3 : shape[1] // 2] = True
    prepare = processor()
    session = prepare.init_video_session()
    prepare.add_inputs_to_inference_session(session, 0, 0, input_masks=dense[0])

    mask = network_mask(encode(dense), side=SIDE, device=CPU)

    torch.testing.assert_close(mask, session.mask_inputs_per_obj[0][0], rtol=0, atol=0)
    assert 0 < mask.mean() < 0.2
