"""Runs made on the device are those that the kernels make."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fast_snow.kernels import masks

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
from fast_snow.engines.torch_runtime.mask_runs import encode, encode_logits  # noqa: E402

SIZES = st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(1, 70))


@given(st.data())
def test_encodes_as_the_kernel_does(data):
    dense = data.draw(arrays(np.bool_, data.draw(SIZES)))
    found, expected = encode(torch.from_numpy(dense)), masks.encode(dense)
    masks.validate(found)
    for name in ("start", "stop", "offset"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.shape == expected.shape


def test_logits_are_interpolated_before_the_threshold():
    logits = torch.tensor([[[-1.0, 3.0]]])
    found = masks.decode(encode_logits(logits, (1, 8)))
    assert found.tolist() == [[[False, False, False, True, True, True, True, True]]]
