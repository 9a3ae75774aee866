"""Minimum and maximum that vectorise.

LLVM turns a loop of floating-point minima into SIMD only where it is told that no operand is NaN, and Numba's own `min`
does not carry that promise through. Inside kernels `least` and `greatest` compile to LLVM's intrinsics, which do.
"""

from collections.abc import Callable
from typing import Any, no_type_check

from llvmlite import ir  # type: ignore[import-untyped]
from numba.extending import intrinsic, overload


def least(a: float, b: float) -> float:
    """Return the smaller number; neither may be NaN."""
    return a if a < b else b


def greatest(a: float, b: float) -> float:
    """Return the larger number; neither may be NaN."""
    return a if a > b else b


def _without_nan(name: str) -> Callable[[Any, Any], Any]:
    @no_type_check
    def typed(context, a, b):  # noqa: ANN001, ANN202, ARG001 (Numba's signature)
        def emit(context, builder, signature, arguments):  # noqa: ANN001, ANN202, ARG001 (Numba's signature)
            number = arguments[0].type
            function = builder.module.declare_intrinsic(name, [number], ir.FunctionType(number, [number, number]))
            return builder.call(function, arguments, fastmath=("nnan", "nsz"))

        return a(a, a), emit

    return intrinsic(typed)


_minimum = _without_nan("llvm.minnum")
_maximum = _without_nan("llvm.maxnum")


# The arguments stay without annotations and with the names above: Numba compares the signatures.
@overload(least)
@no_type_check
def _least(a, b):  # noqa: ANN001, ANN202, ARG001
    return lambda a, b: _minimum(a, b)


@overload(greatest)
@no_type_check
def _greatest(a, b):  # noqa: ANN001, ANN202, ARG001
    return lambda a, b: _maximum(a, b)
