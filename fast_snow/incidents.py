"""When tracking or geometry degrades, and what the user is told of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.types import Geometry, Health, Incidents, LabelledMasks

MANY: Final = 4
"""With fewer objects in a frame nothing is said of how many are lost at once."""
MOST: Final = 0.5
"""The share of a frame's objects above which their loss is one incident."""
DISAGREEING: Final = 0.3
"""The share of a frame's masked pixels that gaps in depth part from their objects, above which one of both is wrong."""
JUMP: Final = 0.5
"""The way of a camera from one frame to the next, as a share of the median depth, above which it jumped."""
TURN: Final = 60.0
"""The same of its turn, in degrees."""
INTERVAL_S: Final = 0.1
"""Frames that are further apart in time may differ more: JUMP and TURN are per interval of this length."""
NAMED: Final = 10
"""So many frames are named at most."""

_MEANING: Final = {
    "silent_losses": "objects were lost while they were detected, also after they were prompted again: raise"
    " fastsam.discovery_iou_thresh, or choose another tracker",
    "fragmentations": "",  # counted alone: objects go out of sight in any clip
    "mass_losses": "more than half of the objects were lost at once: check the clip for cuts and blur, or raise"
    " sampling.target_fps",
    "depth_disagreements": "masks and depth disagree: gaps in depth part much from its object; check that depth"
    " belongs to the images",
    "camera_jumps": "the camera jumps: positions before and after may not agree; check the poses, or cut the clip"
    " there",
    "cuts": "another scene begins: places before and after do not compare",
}
"""What each kind of incident means for the result, and what to do."""


def losses(before: LabelledMasks | None, frames: Sequence[LabelledMasks], known: Iterable[int]) -> Incidents:
    """Find where objects went missing together, or came back; `known` are all up to the frame `before` these."""
    last, seen = set[int]() if before is None else set(before.object_id.tolist()), set(known)
    fragmentations, mass_losses = list[int](), list[int]()
    for each in frames:
        now = set(each.object_id.tolist())
        fragmentations += [each.t] * len((now & seen) - last)
        if len(last) >= MANY and len(last - now) > MOST * len(last):
            mass_losses.append(each.t)
        seen, last = seen | now, now
    return Incidents(fragmentations=tuple(fragmentations), mass_losses=tuple(mass_losses))


def disagreements(health: Sequence[Health], t: Sequence[int]) -> Incidents:
    """Find frames whose depth parts too many pixels from their objects, by the counts of each frame."""
    apart = (each.outlier_pixels > DISAGREEING * each.mask_pixels > 0 for each in health)
    return Incidents(depth_disagreements=tuple(when for when, wrong in zip(t, apart, strict=True) if wrong))


def camera_jumps(geometry: Geometry, t: Sequence[int], time_s: Float64[np.ndarray, " n"], first: int) -> Incidents:
    """Find frames from `first` on that the camera cannot have reached from the frame before, where there is one."""
    T = geometry.T_camera_world
    jumps = []
    for i in range(max(first, 1), len(T)):
        T_now_before = T[i] @ np.linalg.inv(T[i - 1])
        turn = np.degrees(np.arccos(np.clip((np.trace(T_now_before[:3, :3]) - 1) / 2, -1, 1)))
        depth = geometry.depth[i - 1, ::4, ::4]
        depth = depth[depth > 0]
        far = np.linalg.norm(T_now_before[:3, 3]) / np.median(depth) if len(depth) else 0.0
        intervals = max(float(time_s[i] - time_s[i - 1]) / INTERVAL_S, 1.0)
        if far > JUMP * intervals or turn > TURN * intervals:
            jumps.append(t[i])
    return Incidents(camera_jumps=tuple(jumps))


def named(incidents: Incidents) -> Mapping[str, tuple[int, ...]]:
    """Return the frames of every kind of incident that happened."""
    by_kind = {each.name: getattr(incidents, each.name) for each in fields(incidents)}
    return {kind: t for kind, t in by_kind.items() if t}


def degraded(incidents: Incidents) -> tuple[str, ...]:
    """Return the warnings that incidents deserve, with the numbers of the frames, one line each."""
    return tuple(f"{_when(t)}: {_MEANING[kind]}" for kind, t in named(incidents).items() if _MEANING[kind])


def summarised(incidents: Incidents) -> str:
    """Return how many incidents of each kind there were, in one line; nothing where there were none."""
    return ", ".join(
        f"{len(t)} {kind.replace('_', ' ') if len(t) > 1 else _one(kind)}" for kind, t in named(incidents).items()
    )


def _one(kind: str) -> str:
    return kind.replace("_", " ").removesuffix("es" if kind.endswith("losses") else "s")


def _when(t: Sequence[int]) -> str:
    frames = sorted(set(t))
    return f"frame{'s' if len(frames) > 1 else ''} t = {listed(frames, NAMED)}"


def listed(things: Sequence[object], most: int) -> str:
    """Return some things and how many more there are."""
    return ", ".join(map(str, things[:most])) + (f" and {len(things) - most} more" if len(things) > most else "")
