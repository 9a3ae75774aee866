"""What happens where memory runs out."""

import subprocess
import sys
from functools import partial

import pytest

from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.errors import EngineError, FastSnowWarning


def fits(limit: int, failure: Exception):
    def attempt(size: int) -> int:
        if size > limit:
            raise failure
        return size

    return attempt


def torchs_own() -> Exception:
    return pytest.importorskip("torch").OutOfMemoryError("CUDA out of memory")


def test_what_fits_is_done_at_once():
    assert in_smaller_pieces(fits(8, MemoryError()), 8, what="frames", advice="") == 8


BY_LIBRARIES = [
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
]


@pytest.mark.parametrize(
    "failure",
    [
        MemoryError,
        pytest.param(torchs_own, marks=pytest.mark.torch),
        *(partial(RuntimeError, message) for message in BY_LIBRARIES),
    ],
)
def test_pieces_are_halved_until_they_fit(failure):
    with pytest.warns(FastSnowWarning, match="frames: out of memory: retrying with") as told:
        assert in_smaller_pieces(fits(3, failure()), 9, what="frames", advice="") == 2
    assert len(told) == 2


@pytest.mark.filterwarnings("ignore::fast_snow.errors.FastSnowWarning")
def test_where_nothing_fits_the_message_says_what_to_do():
    with pytest.raises(EngineError, match=r"^frames: 2 did not fit into the .*; choose a smaller model$"):
        in_smaller_pieces(fits(1, MemoryError()), 8, what="frames", advice="choose a smaller model", smallest=2)


@pytest.mark.parametrize("failure", [ValueError("no"), RuntimeError("CUDA error: no kernel image is available")])
def test_other_failures_pass(failure: Exception):
    with pytest.raises(type(failure), match="no"):
        in_smaller_pieces(fits(1, failure), 8, what="frames", advice="")


def test_torch_is_not_needed():
    code = "import sys, fast_snow.engines.out_of_memory; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
