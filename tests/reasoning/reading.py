"""Reads the numbers of a prompt back, by what its own instructions say of the notation and nothing else."""

import re
from dataclasses import dataclass

import numpy as np

from fast_snow.reasoning.conversation import TextPart

HEAD = re.compile(r"\[OBJECT (\d+) — F_\1 across (\d+) frames\] theta (\d+) (\d+)(?:, (\d+) listed)?")


@dataclass
class Block:
    """One object as a prompt tells it."""

    seen: int
    theta: tuple[int, int]
    listed: int
    observations: dict[int, tuple[np.ndarray, dict[tuple[int, int], np.float32]]]


def text_of(prompt):
    return "".join(part.text for part in prompt.turn.parts if isinstance(part, TextPart))


def blocks(prompt, pixels):
    """Return the objects of a prompt by id; `pixels` are those of each cell of the grid of tau."""
    blocks_by_id, current = {}, None
    for line in text_of(prompt).split("[QUERY]")[0].splitlines():
        if head := HEAD.fullmatch(line):
            seen, first, last = (int(head[i]) for i in (2, 3, 4))
            current = blocks_by_id[int(head[1])] = Block(seen, (first, last), int(head[5] or seen), {})
        elif line.startswith("["):
            current = None
        elif current is not None:
            t, *groups = line.split("|")
            numbers = [group for group in groups if ":" not in group]
            tau = next((group for group in groups if ":" in group), "")
            current.observations[int(t)] = float32(" ".join(numbers)), cells(tau, pixels)
    return blocks_by_id


def cells(tau, pixels):
    coverage = {}
    for run in tau.split():
        row, columns, values = re.fullmatch(r"(\d+):([\d-]+)(?:=(.+))?", run).groups()
        first, _, last = columns.partition("-")
        stretch = range(int(first), int(last or first) + 1)
        left, star, right = (values or "*").partition("*")
        left, right = ([each for each in side.split(",") if each] for side in (left, right))
        full = len(stretch) - len(left) - len(right)
        assert full > 0 if star else full == 0
        for col, value in zip(stretch, [*left, *["1."] * full, *right], strict=True):
            assert (int(row), col) not in coverage
            size = pixels[int(row), col]
            coverage[int(row), col] = np.float32(int(value) / size) if value.isdecimal() else np.float32(float(value))
    return coverage


def poses(prompt):
    """Return `(t, time_s, position, quaternion, intrinsics)` of each pose; what is unknown is None."""
    section = text_of(prompt).split("[EGO POSES]\n")[1].split("[")[0]
    for line in section.splitlines():
        t, time_s, *groups = (*line.split("|"), "", "", "", "")[:5]
        yield int(t), float(time_s) if time_s else None, *(float32(group) if group else None for group in groups)


def float32(numbers):
    return np.array([float(each) for each in numbers.split()], np.float64).astype(np.float32)


def bits(array):
    return np.asarray(array, np.float32).view(np.uint32).tolist()
