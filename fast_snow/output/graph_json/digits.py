"""Numbers as text: the fewest digits that read back to the same number, bit for bit."""

import numpy as np
from jaxtyping import Float32


def shortest(values: Float32[np.ndarray, " n"]) -> list[str]:
    """Write finite float32 numbers so that a JSON reader, which reads float64, gets the same float32 back.

    Whole numbers have no fraction (`5`, not `5.0`); negative zero is `-0.0`, because `-0` is read as the integer 0.

    Args:
        values: finite numbers.

    Returns:
        One text per number, such as `0.71` where the float64 of the same number is 0.7099999785423279.
    """
    bits, position = np.unique(np.ascontiguousarray(values).view(np.uint32), return_inverse=True)
    distinct = bits.view(np.float32)
    digits = distinct.astype("S32")
    texts = digits.astype(str).tolist()
    # Digits next to halfway between two float32 miss the number when they are rounded twice, by way of float64.
    for i in np.flatnonzero(digits.astype(np.float64).astype(np.float32) != distinct):
        texts[i] = _fewest(distinct[i])
    written: list[str] = np.array([_whole(text) for text in texts], dtype=object)[position].tolist()
    return written


def shortest_float64(value: float) -> str:
    """Write one finite float64 with the fewest digits that read back to it, whole numbers without a fraction."""
    return _whole(repr(float(value)))


def _fewest(value: np.float32) -> str:
    candidates = (f"{value:.{digits}g}" for digits in range(1, 10))
    return next(text for text in candidates if np.float32(float(text)) == value)


def _whole(text: str) -> str:
    return text[:-2] if text.endswith(".0") and text != "-0.0" else text
