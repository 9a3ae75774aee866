from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_snow.engines.fastsam.preprocessing import STRIDE, letterbox, network_size, to_network
from tests.engines.fastsam.scenes import drawn

sides = st.integers(1, 4000)
imgsz = st.integers(32, 1300)


@given(height=sides, width=sides, imgsz=imgsz)
def test_the_frame_lies_inside_the_smallest_input_of_whole_strides(height: int, width: int, imgsz: int) -> None:
    place = letterbox(height, width, imgsz)
    for size, content, first in zip(place.size, place.content, (place.top, place.left), strict=True):
        assert size % STRIDE == 0
        assert 0 <= first <= size - content < STRIDE
        assert abs((size - content) - 2 * first) <= 1  # in the middle
    assert max(place.content) == max(place.size) == -(-imgsz // STRIDE) * STRIDE


@given(height=sides, width=sides, imgsz=imgsz)
def test_turning_a_frame_turns_the_input(height: int, width: int, imgsz: int) -> None:
    assert network_size(width, height, imgsz) == network_size(height, width, imgsz)[::-1]


@given(height=st.integers(16, 300), width=st.integers(16, 300), imgsz=imgsz)
def test_proportions_stay(height: int, width: int, imgsz: int) -> None:
    rows, columns = letterbox(height, width, imgsz).content
    assert abs(rows * width - columns * height) <= 0.5 * max(height, width) + 1e-6


def test_known_sizes() -> None:
    assert network_size(1080, 1920, 640) == (384, 640)
    assert network_size(480, 640, 640) == (480, 640)
    assert network_size(640, 360, 1024) == (1024, 576)


@pytest.mark.torch
@pytest.mark.parametrize(("height", "width"), [(90, 160), (160, 90), (97, 131), (64, 64), (40, 300)])
def test_the_input_equals_that_of_ultralytics(height: int, width: int) -> None:
    augment = pytest.importorskip("ultralytics.data.augment")
    images = drawn(3, height, width)
    expected = [augment.LetterBox((128, 128), auto=True, stride=STRIDE)(image=image) for image in images]
    with ThreadPoolExecutor(2) as pool:
        ours = to_network(images, 128, pool)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, np.stack(expected).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
