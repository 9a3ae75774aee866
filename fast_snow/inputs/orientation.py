"""How a stored picture is turned upright: the eight orientations that flips and quarter turns make."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

PictureArray = TypeVar("PictureArray", bound=np.ndarray)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """Rows and columns exchanged first, if at all; then mirrored.

    Attributes:
        transpose: exchange rows and columns.
        flip_rows: mirror upside down.
        flip_columns: mirror left to right.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def apply(self, picture: PictureArray) -> PictureArray:
        """Return the upright view of `picture`, whose first two axes are rows and columns."""
        upright = picture.swapaxes(0, 1) if self.transpose else picture
        return upright[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]  # type: ignore[return-value]


def from_display_matrix(matrix: bytes) -> Orientation | None:
    """Read a video's display matrix; `None` where it turns by anything but quarter turns.

    The matrix `[[a, b, u], [c, d, v], [x, y, w]]` of nine 32-bit integers shows the pixel `(column, row)` at
    `(a·column + c·row, b·column + d·row)`.

    Reference: ISO/IEC 14496-12, section 8.3.2 (track header box).
    """
    a, b, _, c, d, _ = np.frombuffer(matrix, dtype=np.int32)[:6].tolist()
    if b == c == 0 and a and d:
        return Orientation(flip_rows=d < 0, flip_columns=a < 0)
    if a == d == 0 and b and c:
        return Orientation(transpose=True, flip_rows=b < 0, flip_columns=c < 0)
    return None
