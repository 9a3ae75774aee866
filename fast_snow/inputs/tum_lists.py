"""Lists of TUM RGB-D folders: a time stamp and words on each line, in one unit of time."""

import math
import os
import warnings
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from fast_snow import cameras
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.frame_files import warn_left_out
from fast_snow.inputs.text_tables import numbered_lines, numbers
from fast_snow.inputs.time_stamps import SECONDS, TimeUnit, nearest_within, parse_stamp, unit_of
from fast_snow.types import Transform
from fast_snow.untrusted_files import inside, shown

LARGEST_GAP_S = Fraction(20, 1000)
"""A depth image or pose belongs to the colour image it is nearest to, if it is no further away in time than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a list: its time stamp in seconds, what follows it, and its number in the file."""

    stamp: Fraction
    words: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TumList:
    """The lines of a list, ascending in time, each time once; and the unit that they were written in."""

    path: Path
    entries: tuple[Entry, ...]
    unit: TimeUnit = SECONDS

    def where(self, entry: Entry) -> str:
        """Return file and line for messages."""
        return f"{shown(self.path)} line {entry.line}"


def read_list(path: Path, *, words: int, like: TimeUnit = SECONDS) -> TumList:
    """Read a list with so many words after each time stamp; of lines with one time stamp the first is kept.

    Where its unit is not sure, it is `like` that of the folder's other lists.

    Raises:
        InputError: the list cannot be read, is empty or damaged.

    Warns:
        FastSnowWarning: the time stamps are not in seconds.
    """
    found = []
    for number, line in numbered_lines(path, within=path.parent):
        word, *rest = line.split()
        stamp = parse_stamp(word)
        if stamp is None:
            where = f"{shown(path)} line {number}"
            raise InputError(f"{where}: time stamp {word[:40]!r}; expected seconds as a number: correct it")
        if len(rest) < words:
            where = f"{shown(path)} line {number}"
            raise InputError(f"{where}: {len(rest)} words after the time stamp; expected {words}: complete the line")
        found.append(Entry(stamp=stamp, words=tuple(rest[:words]), line=number))
    if not found:
        raise InputError(f"{shown(path)}: no lines; expected a time stamp and {words} words on each: check the file")
    found.sort(key=lambda entry: entry.stamp)
    entries = list({entry.stamp: entry for entry in reversed(found)}.values())[::-1]
    unit = unit_of(np.array([float(entry.stamp) for entry in entries]), like=like)
    if unit is not SECONDS:
        warnings.warn(
            f"{shown(path)}: time stamps taken as {unit.name}; expected seconds", FastSnowWarning, stacklevel=3
        )
        entries = [replace(entry, stamp=entry.stamp / unit.per_second) for entry in entries]
    return TumList(path=path, entries=tuple(entries), unit=unit)


def with_files(images: TumList) -> TumList:
    """Leave out the images that are not on disk.

    Raises:
        InputError: none is, or a path leads out of the folder.

    Warns:
        FastSnowWarning: some are left out.
    """
    paths = [image_path(images, entry) for entry in images.entries]
    kept = [entry for entry, path in zip(images.entries, paths, strict=True) if os.path.isfile(path)]  # noqa: PTH113 (is_file raises for over-long names)
    if not kept:
        raise InputError(f"{shown(paths[0])}: no such file, nor any other that {images.path.name} lists: restore them")
    warn_left_out(shown(images.path), len(paths) - len(kept), len(paths), "images are not on disk")
    return replace(images, entries=tuple(kept))


def with_finite_poses(poses: TumList) -> TumList:
    """Leave out the poses that hold NaN or infinity, as trackers write them where they were lost.

    Raises:
        InputError: none is finite, or a line holds something else than numbers.

    Warns:
        FastSnowWarning: some are left out.
    """
    kept = tuple(entry for entry in poses.entries if np.isfinite(_numbers(poses, entry)).all())
    if not kept:
        raise InputError(f"{shown(poses.path)}: no pose of finite numbers; expected tx ty tz qx qy qz qw on each line")
    total = len(poses.entries)
    warn_left_out(shown(poses.path), total - len(kept), total, "poses hold NaN or infinity")
    return replace(poses, entries=kept)


def nearest_stamps(color: TumList, others: TumList | None) -> Int64[np.ndarray, " n"]:
    """Return for each colour image the entry nearest in time, -1 where none is near; 0 where none is asked for."""
    if others is None:
        return np.zeros(len(color.entries), dtype=np.int64)
    stamps, of_others = (np.array([entry.stamp for entry in each.entries], object) for each in (color, others))
    return nearest_within(stamps, of_others, LARGEST_GAP_S)


def image_path(images: TumList, entry: Entry) -> Path:
    """Return the file an entry names; a list from elsewhere must not reach outside its folder."""
    return inside(images.path.parent, entry.words[0], images.where(entry))


def pose(poses: TumList, entry: Entry) -> Transform:
    """Return the camera-to-world matrix of a line `tx ty tz qx qy qz qw`."""
    place, turn = np.split(_numbers(poses, entry), [3])
    # Written with four digits, a unit quaternion is off by less than this.
    if abs(math.hypot(*turn) - 1) > 1e-2:
        raise InputError(f"{poses.where(entry)}: not a rigid pose; expected a unit quaternion at the end: correct it")
    (matrix,) = cameras.poses(place[None], turn[None])
    return matrix


def _numbers(poses: TumList, entry: Entry) -> Float64[np.ndarray, "7"]:
    return numbers(entry.words, 7, poses.where(entry), expected="tx ty tz qx qy qz qw: correct it")
