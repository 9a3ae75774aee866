"""One colour per object, the same in every picture."""

from typing import Final

PALETTE: Final = ("#28BCFD", "#C42F18", "#BDB500", "#5A57D6", "#FC8FB2", "#90BD70", "#895398", "#AC455D")
"""Chosen by farthest-point search in CIELAB so that any two differ by ΔE*ab > 25 for full colour vision, protanopia,
deuteranopia and tritanopia alike (model of Machado et al. 2009), and stand out from both white and black. Numbers tell
apart objects that share a colour."""


def color_of(object_id: int) -> str:
    """Return the colour of an object as `#RRGGBB`.

    The digits of the number to the base of the palette's length are added up (as page.js does too): recorded numbers
    often are multiples of 8, which would all have one colour.
    """
    total, rest = 0, object_id
    while rest:
        rest, digit = divmod(rest, len(PALETTE))
        total += digit
    return PALETTE[total % len(PALETTE)]


def rgb_of(object_id: int) -> tuple[int, int, int]:
    """Return the colour of an object as red, green and blue from 0 to 255."""
    digits = color_of(object_id).removeprefix("#")
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def ink_on(object_id: int) -> str:
    """Return the colour, black or white, that is easier to read on an object's colour."""
    red, green, blue = (_linear(channel / 255) for channel in rgb_of(object_id))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # Equal contrast ratio (WCAG 2.1) to black and to white.
    return "#000000" if luminance > 0.179 else "#FFFFFF"


def _linear(channel: float) -> float:
    return float(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)
