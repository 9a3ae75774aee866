"""Operations of a network, counted without its numbers: how much arithmetic, how many bytes, how many calls.

Networks are built and run at full size on torch's fake tensors: the meta device under the CPU's name, so that autocast
acts as on a GPU. Nothing is computed, and a network of half a billion parameters takes seconds.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import addmm_flop, flop_registry

from bench.cost.costs import KINDS, Cost
from fast_snow.engines.sam3.package.workarounds import on_device

CPU = torch.device("cpu")
Operation = Any
"""An overload of an aten operation."""
Anything = Any
"""What any operation may return."""
_aten = torch.ops.aten
_FLOPS = {**flop_registry, _aten._addmm_activation: addmm_flop}
_KIND = {
    **dict.fromkeys((_aten._scaled_dot_product_flash_attention,), "attention"),
    **dict.fromkeys((_aten.convolution, _aten.cudnn_convolution), "convolution"),
}


class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what is called while it is active."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls = 0
        self._flops = dict.fromkeys(KINDS, 0.0)
        self._bytes = dict.fromkeys(KINDS, 0.0)

    @property
    def cost(self) -> Cost:
        """What was called up to now."""
        return Cost(calls=float(self.calls), flops=dict(self._flops), bytes=dict(self._bytes))

    def __torch_dispatch__(
        self,
        func: Operation,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Anything:
        named = dict(kwargs or {})
        if func.namespace != "aten":
            return func(*args, **named)
        with self:  # in inference mode, linear layers and the like arrive whole
            parts = NotImplemented if func.overloadpacket in _FLOPS else func.decompose(*args, **named)
        if parts is not NotImplemented:
            return parts
        out = func(*args, **named)
        self.calls += 1
        operation = func.overloadpacket
        kind = "rest"
        if operation in _FLOPS:
            kind = _KIND.get(operation, "product")
            self._flops[kind] += _FLOPS[operation](*args, **named, out_val=out)
        if not _is_view(func):
            self._bytes[kind] += sum(_held(each) for each in tree_leaves((args, named, out)))
        return out


def _is_view(func: Operation) -> bool:
    returned = func._schema.returns
    return bool(returned) and all(each.alias_info and not each.alias_info.is_write for each in returned)


def _held(value: object) -> int:
    """Return the bytes that a tensor stands for; what is expanded is read from one place."""
    if not isinstance(value, torch.Tensor):
        return 0
    held: int = value.element_size()
    for size, stride in zip(value.shape, value.stride(), strict=True):
        held *= size if stride else min(size, 1)
    return held


class _Answering(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Answers with one, or yes, where code asks for a number that does not exist."""

    def __torch_dispatch__(
        self,
        func: Operation,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Anything:
        if func is _aten._local_scalar_dense.default:
            number = args[0].dtype
            return True if number is torch.bool else 1.0 if number.is_floating_point else 1
        return func(*args, **(kwargs or {}))


def _fused(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    """Attend with one kernel that holds no scores, as on a GPU; masks change no shape."""
    if torch.is_autocast_enabled("cpu"):
        query, key, value = (each.to(torch.get_autocast_dtype("cpu")) for each in (query, key, value))
    shape = query.shape
    batches = [each.reshape(-1, *each.shape[-3:]) if each.dim() > 3 else each[None] for each in (query, key, value)]
    attended: torch.Tensor = _aten._scaled_dot_product_flash_attention(*batches)[0]
    return attended.reshape(*shape[:-1], value.shape[-1])


@contextmanager
def without_numbers(precision: torch.dtype = torch.bfloat16) -> Iterator[None]:
    """Build and run networks of which only shapes exist.

    Args:
        precision: of autocast; fp32 is without.
    """
    half = precision != torch.float32
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        torch.no_grad(),
        torch.autocast("cpu", precision if half else None, enabled=half),
        on_device(CPU),
        patch.object(torch.nn.Module, "to", lambda module, *_, **__: module),
        patch.object(torch.nn.functional, "scaled_dot_product_attention", _fused),
        _Answering(),  # type: ignore[no-untyped-call]
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Accessing the data pointer of FakeTensor", category=UserWarning)
        yield


def counted(work: Callable[[], object]) -> Cost:
    """Run something twice and count the second time: the first casts weights and fills tables."""
    work()
    with Counting() as counting:
        work()
    return counting.cost


def weight_bytes(module: torch.nn.Module, precision: torch.dtype = torch.bfloat16) -> float:
    """Return what a network's parameters take in a precision."""
    return float(sum(each.numel() for each in module.parameters()) * precision.itemsize)
