"""Attention in pieces is attention, and never holds more scores than it may."""

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from fast_snow.engines.sam3.package.attention import has_fused_kernel, scaled_dot_product  # noqa: E402

QUERIES, KEYS, WIDTH = 40, 70, 8


class _Largest(TorchDispatchMode):
    """Notes the largest tensor that is made."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple) else (made,):
            if isinstance(each, torch.Tensor):
                self.entries = max(self.entries, each.numel())
        return made


@pytest.mark.parametrize("scores", [1, 2 * KEYS * 3, 10**6])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_equals_torch(scores, scale):
    torch.manual_seed(0)
    query, key, value = (
        torch.randn(2, 1, QUERIES, WIDTH),
        torch.randn(2, 1, KEYS, WIDTH),
        torch.randn(2, 1, KEYS, WIDTH),
    )
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=scale)
    torch.testing.assert_close(scaled_dot_product(query, key, value, scale=scale, scores=scores), expected)


def test_holds_few_scores():
    query, key = torch.randn(1, 1, QUERIES, WIDTH), torch.randn(1, 1, KEYS, WIDTH)
    largest: dict[int, int] = {}
    for scores in (QUERIES * KEYS, 5 * KEYS):
        with _Largest() as seen:
            scaled_dot_product(query, key, key, scores=scores)
        largest[scores] = seen.entries
    assert largest == {QUERIES * KEYS: QUERIES * KEYS, 5 * KEYS: max(5 * KEYS, KEYS * WIDTH)}


def test_dropout_is_refused():
    with pytest.raises(ValueError, match=r"got dropout 0\.1, expected none"):
        scaled_dot_product(*torch.zeros(3, 1, 4, 8), dropout_p=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_cpu_has_a_fused_kernel_for_the_trackers_attention(dtype):
    assert has_fused_kernel(torch.device("cpu"), dtype, width=256)
