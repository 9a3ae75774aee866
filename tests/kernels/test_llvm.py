import numba
import numpy as np
import pytest

from fast_snow.kernels.llvm import greatest, least, set_bits


@numba.njit
def compiled(a, b, word):
    return least(a, b), greatest(a, b), set_bits(word)


@pytest.mark.parametrize(("a", "b"), [(1.0, 2.0), (2.0, 1.0), (-3.0, -3.0), (-np.inf, 5.0)])
@pytest.mark.parametrize("word", [0, 1, 0xF0F0, 2**63, 2**64 - 1])
def test_compiled_equals_plain(a, b, word):
    assert compiled(np.float32(a), np.float32(b), np.uint64(word)) == (min(a, b), max(a, b), word.bit_count())
    assert (least(a, b), greatest(a, b), set_bits(np.uint64(word))) == (min(a, b), max(a, b), word.bit_count())
