"""Time stamps of lists: exact decimal numbers, and the unit that a whole list is in."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64, Shaped

# Fraction takes any exponent, and computes 1e100000000 digit by digit.
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeUnit:
    """A unit of time stamps: its name, and how many make a second."""

    name: str
    per_second: int


SECONDS: Final = TimeUnit(name="seconds", per_second=1)
UNITS: Final = (
    SECONDS,
    TimeUnit(name="milliseconds", per_second=10**3),
    TimeUnit(name="microseconds", per_second=10**6),
    TimeUnit(name="nanoseconds", per_second=10**9),
)
_EPOCH_S: Final = (6e8, 4e9)
"""Seconds since 1970 of dates from 1989 to 2096."""
_SPACING_S: Final = (5e-4, 10.0)
"""From poses at 2 kHz to an image every ten seconds."""
_LONGEST_SPACING_S: Final = 1e5
"""Of seconds since 1970, whose magnitude alone tells what they are: an image a day."""


def parse_stamp(word: str) -> Fraction | None:
    """Return the exact value of a decimal number such as 1305031102.175304 or 1.3e9.

    None where it is no such number, or has more than 60 digits or an exponent beyond 99.
    """
    return Fraction(word) if _DECIMAL.fullmatch(word) else None


def unit_of(stamps: Float64[np.ndarray, " n"], *, like: TimeUnit = SECONDS) -> TimeUnit:
    """Return the unit that a list of time stamps is in, by their magnitude and their spacing (median).

    Args:
        stamps: in any order; those since 1970 are told by their magnitude, others by their spacing.
        like: the unit of a list of the same clock, taken where several are plausible.

    Returns:
        The unit; seconds where none is plausible.
    """
    values = np.unique(stamps)
    spacing = float(np.median(np.diff(values))) if len(values) > 1 else None
    latest = float(np.abs(values).max())
    low, high = _SPACING_S
    plausible = [unit for unit in UNITS if spacing is None or low <= spacing / unit.per_second <= high]
    for unit in UNITS:
        is_date = _EPOCH_S[0] <= latest / unit.per_second < _EPOCH_S[1]
        usual = unit in plausible or (unit is SECONDS and spacing is not None and spacing <= _LONGEST_SPACING_S)
        if is_date and usual:
            return unit
    if like in plausible:
        return like
    return plausible[0] if plausible else SECONDS


def nearest_within(
    stamps: Shaped[np.ndarray, " n"], others: Shaped[np.ndarray, " m"], gap: int | Fraction
) -> Int64[np.ndarray, " n"]:
    """Return for each time stamp the index of the nearest of others, -1 where none is within a gap.

    Args:
        stamps: integers of any unit, or fractions.
        others: of the same unit, ascending, at least one.
        gap: the largest difference.
    """
    after = np.searchsorted(others, stamps).clip(1, max(len(others) - 1, 1)).clip(max=len(others) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(others[after] - stamps) < np.abs(others[before] - stamps), after, before)
    return np.where(np.abs(others[nearest] - stamps) <= gap, nearest, -1).astype(np.int64)
