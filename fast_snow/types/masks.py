"""Masks as runs: the one mask type, from dense arrays and back, picked and joined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from fast_snow.errors import InputError
from fast_snow.types.values import DenseMasks, GridShape, Ragged, counted

LARGEST_INDEX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Masks(Ragged):
    """A set of `m` masks on one grid, run-length encoded row by row (CSR).

    Runs of one mask are in raster order, never empty, never adjacent within a row and never cross a row.

    Attributes:
        start: flat index of a run's first pixel.
        stop: one past the flat index of its last pixel.
        offset: the runs of mask `i` are `offset[i]:offset[i + 1]`.
        shape: height and width of the grid.
    """

    start: Int32[np.ndarray, " r"]
    stop: Int32[np.ndarray, " r"]
    offset: Int32[np.ndarray, " m_plus_1"]
    shape: GridShape

    @classmethod
    def from_dense(cls, dense: DenseMasks) -> "Masks":
        """Encode dense masks, one per object.

        Args:
            dense: shape `(m, h, w)`.

        Raises:
            InputError: a grid has more pixels than 32-bit indices can name.

        Examples:
            >>> dense = np.zeros((2, 4, 6), bool)
            >>> dense[0, 1:3, 1:4] = True
            >>> masks = fast_snow.Masks.from_dense(dense)
            >>> masks
            Masks(2 masks on 4x6, 2 runs)
            >>> masks[:1].to_dense().sum()
            np.int64(6)
        """
        from fast_snow.kernels.masks import encode

        return encode(dense)

    def to_dense(self) -> DenseMasks:
        """Decode the masks; shape `(m, h, w)`."""
        from fast_snow.kernels.masks import decode

        return decode(self)

    @classmethod
    def empty(cls, shape: GridShape) -> "Masks":
        """Return a set of no masks on a grid of `shape`."""
        return cls.none(shape=checked_shape(shape))

    def followed_by(self, *others: "Masks") -> "Masks":
        """Return the masks of this set and of the others, in order.

        Raises:
            InputError: they are not on one grid.
        """
        for each in others:
            if each.shape != self.shape:
                raise InputError(f"masks: got a grid of {each.shape}, expected {self.shape}; resize them first")
        return Ragged.followed_by(self, *others)

    @classmethod
    def concatenate(cls, parts: Sequence["Masks"], shape: GridShape | None = None) -> "Masks":
        """Join sets of masks in order.

        Args:
            parts: sets of masks on one grid; may be empty where `shape` is given.
            shape: height and width of that grid; that of the first part if omitted.

        Returns:
            All masks of all parts.

        Raises:
            InputError: a part is on another grid.
        """
        return cls.empty(parts[0].shape if shape is None else shape).followed_by(*parts)

    def _summary(self) -> str:
        height, width = self.shape
        return f"{counted(len(self), 'mask')} on {height}x{width}, {counted(len(self.start), 'run')}"


def checked_shape(shape: GridShape) -> GridShape:
    """Return the shape of a grid whose pixels 32-bit indices can name."""
    height, width = shape
    if height < 0 or width < 0 or height * width > LARGEST_INDEX:
        raise InputError(f"masks: got a grid of {height} x {width}, expected at most {LARGEST_INDEX} pixels")
    return height, width
