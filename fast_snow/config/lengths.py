"""Lengths as people write them: "0.75 m ± 0.01", in mm, cm or m."""

import re
from dataclasses import dataclass
from typing import Final

from fast_snow.errors import ConfigError

_NUMBER: Final = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_UNIT: Final = "mm|cm|m"
LENGTH: Final = (
    rf"(?P<length>{_NUMBER}) ?(?P<unit>{_UNIT})(?: ?(?:±|\+/?-) ?(?P<error>{_NUMBER}) ?(?P<error_unit>{_UNIT})?)?"
)
"""Regular expression of a length, with its groups; spaces are single."""
_METRES: Final = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}
_BASELINE: Final = re.compile(rf"(?P<first>[0-9]{{1,9}}) (?P<last>[0-9]{{1,9}}) ?= ?{LENGTH}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A length in metres and its standard deviation."""

    metres: float
    sigma: float


def length_of(match: re.Match[str]) -> Length | None:
    """Return the length that an expression with `LENGTH` found; None where it or its error is 0.

    Without ±, half of the last digit is its standard deviation.
    """
    text, unit, error = match["length"], match["unit"], match["error"]
    metres, sigma = float(text) * _METRES[unit], 0.5 * 10.0 ** -len(text.partition(".")[2]) * _METRES[unit]
    if error is not None:
        sigma = float(error) * _METRES[match["error_unit"] or unit]
    return Length(metres=metres, sigma=sigma) if metres > 0 and sigma > 0 else None


def camera_height(text: str) -> Length | None:
    """Read `source.camera_height`; None where it is empty.

    Raises:
        ConfigError: it is no length.
    """
    if not text:
        return None
    match = re.fullmatch(LENGTH, " ".join(text.split()))
    length = None if match is None else length_of(match)
    if length is None:
        raise ConfigError(f'source.camera_height: got {text[:80]!r}, expected a length like "1.2 m ± 0.05"')
    return length


def baseline(text: str) -> tuple[int, int, Length] | None:
    """Read `source.baseline`: two frames and how far apart the camera was in them; None where it is empty.

    Raises:
        ConfigError: it is none.
    """
    if not text:
        return None
    match = _BASELINE.fullmatch(" ".join(text.split()))
    length = None if match is None else length_of(match)
    if match is None or length is None or int(match["first"]) == int(match["last"]):
        raise ConfigError(
            f'source.baseline: got {text[:80]!r}, expected two frames and a length, like "0 40 = 2 m ± 0.05"'
        )
    return int(match["first"]), int(match["last"]), length
