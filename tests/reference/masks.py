"""Masks by plain NumPy on dense stacks: what kernels must agree with and benchmarks are measured against."""

import numpy as np

from fast_snow.types import GridShape


def runs(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return starts, stops and offsets of the runs of a dense stack."""
    count, _, width = dense.shape
    change = np.diff(dense, axis=2, prepend=False, append=False)
    mask, row, column = np.nonzero(change)
    flat = (row * width + column).astype(np.int32)
    offset = np.concatenate([[0], np.cumsum(np.bincount(mask[::2], minlength=count))]).astype(np.int32)
    return flat[::2], flat[1::2], offset


def resize(dense: np.ndarray, shape: GridShape) -> np.ndarray:
    """Sample a dense stack at the centres of another grid's pixels."""
    row = (2 * np.arange(shape[0]) + 1) * dense.shape[1] // (2 * shape[0])
    column = (2 * np.arange(shape[1]) + 1) * dense.shape[2] // (2 * shape[1])
    return dense[:, row][:, :, column]


def pairwise_iou(a: np.ndarray, b: np.ndarray, block: int = 2**16) -> np.ndarray:
    """Multiply the stacks as float32 matrices, a block of pixels at a time; exact up to 2**24 pixels."""
    a, b = (each.reshape(len(each), each.shape[1] * each.shape[2]) for each in (a, b))
    both = np.zeros((len(a), len(b)), np.float32)
    for begin in range(0, a.shape[1], block):
        pixels = slice(begin, begin + block)
        both += a[:, pixels].astype(np.float32) @ b[:, pixels].astype(np.float32).T
    union = np.count_nonzero(a, axis=1)[:, None] + np.count_nonzero(b, axis=1) - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0, casting="same_kind")


def coverage(dense: np.ndarray, grid_size: int) -> np.ndarray:
    """Share of each grid cell's pixels inside each mask."""
    row_bound = np.arange(grid_size + 1) * dense.shape[1] // grid_size
    column_bound = np.arange(grid_size + 1) * dense.shape[2] // grid_size
    inside = np.add.reduceat(dense, row_bound[:-1], axis=1, dtype=np.int32)
    inside = np.add.reduceat(inside, column_bound[:-1], axis=2)
    pixels = np.diff(row_bound)[:, None] * np.diff(column_bound)
    return np.where(pixels > 0, inside / np.maximum(pixels, 1), 0).astype(np.float32)
