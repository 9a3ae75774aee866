"""Single machine instructions that plain Numba does not reach.

LLVM turns a loop of floating-point minima into SIMD only where it is told that no operand is NaN, and Numba's own `min`
does not carry that promise through; counting bits has no name in Numba. Inside kernels these functions compile to
LLVM's intrinsics; elsewhere they are plain Python.
"""

from collections.abc import Callable
from typing import Any, TypeVar, no_type_check

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.extending import intrinsic, overload

Real = TypeVar("Real", float, np.float32)


def least(a: Real, b: Real) -> Real:
    """Return the smaller number; neither may be NaN."""
    return a if a < b else b


def greatest(a: Real, b: Real) -> Real:
    """Return the larger number; neither may be NaN."""
    return a if a > b else b


def set_bits(word: np.uint64) -> int:
    """Count the bits that are set."""
    return int(word).bit_count()


def _intrinsic(name: str, operands: int, promises: tuple[str, ...] = ()) -> Callable[..., Any]:
    """Wrap an LLVM intrinsic whose operands and result are of one type."""

    @no_type_check
    def emit(context, builder, signature, arguments):  # noqa: ANN001, ANN202, ARG001 (Numba's signature)
        kind = arguments[0].type
        function = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind] * operands))
        return builder.call(function, arguments, fastmath=promises)

    @no_type_check
    def unary(context, a):  # noqa: ANN001, ANN202, ARG001
        return a(a), emit

    @no_type_check
    def binary(context, a, b):  # noqa: ANN001, ANN202, ARG001
        return a(a, a), emit

    return intrinsic(unary if operands == 1 else binary)


_minimum = _intrinsic("llvm.minnum", 2, ("nnan", "nsz"))
_maximum = _intrinsic("llvm.maxnum", 2, ("nnan", "nsz"))
_population = _intrinsic("llvm.ctpop", 1)


# The arguments stay without annotations and with the names above: Numba compares the signatures.
@overload(least)
@no_type_check
def _least(a, b):  # noqa: ANN001, ANN202, ARG001
    return lambda a, b: _minimum(a, b)


@overload(greatest)
@no_type_check
def _greatest(a, b):  # noqa: ANN001, ANN202, ARG001
    return lambda a, b: _maximum(a, b)


@overload(set_bits)
@no_type_check
def _set_bits(word):  # noqa: ANN001, ANN202, ARG001
    return lambda word: _population(word)
