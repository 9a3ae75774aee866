"""What engines answer, checked where it enters: an engine may be the caller's own, and kernels trust what they get.

Each check looks at a whole window at once; nothing is converted but poses, which become exactly rigid.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from fast_snow.cameras import EXACT, RIGID_TOLERANCE, off_rigid
from fast_snow.errors import EngineError, InputError
from fast_snow.kernels.masks import validate
from fast_snow.types import DepthOrigin, Detections, Geometry, GridShape, Masks, Segmentation, TrackedFrame


@contextmanager
def opened(slot: str, opener: Any, protocol: type) -> Iterator[Any]:  # noqa: ANN401 (what a caller gave)
    """Open the engine of a slot, which must offer a protocol.

    Raises:
        EngineError: the opener is none, or opens something else.
    """
    manager = opener() if callable(opener) else opener
    if not callable(opener) or not isinstance(manager, AbstractContextManager):
        raise EngineError(
            f"{slot} engine: got {_described(manager)}, expected a function that returns a context manager:"
            " decorate the function that yields the engine with contextlib.contextmanager"
        )
    with manager as engine:
        require_protocol(slot, engine, protocol)
        yield engine


def require_protocol(slot: str, engine: object, protocol: type) -> None:
    """Refuse an engine, or the session of a tracker, without the methods of its protocol."""
    if not isinstance(engine, protocol):
        raise _unexpected(
            slot, f"the {protocol.__name__}", engine, f"what fast_snow.protocols.{protocol.__name__} says"
        )


def checked_geometry(answer: object, num_frames: int) -> Geometry:
    """Return a geometry, whose rotations that are off by rounding are replaced by the nearest ones.

    Raises:
        EngineError: it is no geometry of so many frames, or holds cameras that cannot be.
    """
    if not isinstance(answer, Geometry):
        raise _unexpected("geometry", "an answer", answer, "a Geometry")
    grid = np.shape(answer.depth)[1:]
    if np.ndim(answer.depth) != 3 or 0 in grid:
        raise _unexpected("geometry", "depth", answer.depth, f"float32 of shape ({num_frames}, height, width)")
    for name, dtype, rest in (
        ("depth", np.float32, grid),
        ("confidence", np.float32, grid),
        ("intrinsics", np.float64, (3, 3)),
        ("T_camera_world", np.float64, (4, 4)),
    ):
        _require("geometry", name, getattr(answer, name), dtype, (num_frames, *rest))
    if not (isinstance(answer.metric, bool) and isinstance(answer.origin, DepthOrigin)):
        raise EngineError(
            f"geometry engine: got metric {answer.metric!r} and origin {answer.origin!r},"
            " expected a bool and a DepthOrigin"
        )
    focal = answer.intrinsics[:, [0, 1], [0, 1]]
    if not (np.isfinite(answer.intrinsics).all() and (focal > 0).all()):
        raise EngineError("geometry engine: got intrinsics that are no pinhole camera, expected positive focal lengths")
    return replace(answer, T_camera_world=_rigid(answer.T_camera_world))


def _rigid(poses: Float64[np.ndarray, "n 4 4"]) -> Float64[np.ndarray, "n 4 4"]:
    """Replace each rotation by the nearest one (Frobenius norm), where rounding has moved it."""
    off = off_rigid(poses)
    if not off <= RIGID_TOLERANCE:
        raise EngineError(
            "geometry engine: got T_camera_world that is not rigid, expected a rotation and a translation with last row"
            " 0 0 0 1: remove scale, shear or mirroring"
        )
    if off <= EXACT:
        return poses
    U, _, Vt = np.linalg.svd(poses[:, :3, :3])
    rigid = poses.copy()
    rigid[:, :3, :3] = U @ Vt
    rigid[:, 3] = (0, 0, 0, 1)
    return rigid


def checked_metric_depth(answer: object, num_frames: int) -> Float32[np.ndarray, "n h w"]:
    """Return depth as it is, if it is of so many frames.

    Raises:
        EngineError: it is not.
    """
    if not isinstance(answer, np.ndarray) or answer.ndim != 3 or 0 in answer.shape:
        raise _unexpected("metric_depth", "an answer", answer, f"float32 of shape ({num_frames}, height, width)")
    _require("metric_depth", "depth", answer, np.float32, (num_frames, *answer.shape[1:]))
    return answer


def checked_detections(answer: object, num_frames: int, grid: GridShape) -> Sequence[Detections]:
    """Return what the segmenter answered for a window.

    Raises:
        EngineError: it is not one `Detections` per frame on the analysis grid, of one mask, box and score each, or
            counts background that cannot be.
    """
    frames = _frames("segmenter", answer, num_frames, Detections)
    for each in frames:
        count = _require_scored("segmenter", each, grid)
        _require("segmenter", "box_xyxy", each.box_xyxy, np.float32, (count, 4))
    _require_values("segmenter", frames, grid)
    if isinstance(answer, Segmentation) and not (isinstance(count := answer.background_regions, int) and count >= 0):
        raise EngineError(f"segmenter engine: got {count!r} background_regions, expected a number of at least 0")
    return frames


def checked_tracked(answer: object, num_frames: int, grid: GridShape, *, run_id: int) -> Sequence[TrackedFrame]:
    """Return what the tracker answered for one propagation over a window.

    Raises:
        EngineError: it is not one `TrackedFrame` per frame on the analysis grid, or names two masklets alike.
    """
    frames = _frames("tracker", answer, num_frames, TrackedFrame)
    for each in frames:
        count = _require_scored("tracker", each, grid)
        _require("tracker", "run_id", each.run_id, np.int32, (count,))
        _require("tracker", "local_id", each.local_id, np.int32, (count,))
    _require_values("tracker", frames, grid)
    of_frame = np.repeat(np.arange(num_frames), [len(each.score) for each in frames])
    names = np.stack([of_frame, np.concatenate([each.local_id for each in frames])])
    if np.unique(names, axis=1).shape[1] != names.shape[1]:
        raise EngineError("tracker engine: got one local_id twice in a frame, expected one masklet per object")
    if (np.concatenate([each.run_id for each in frames]) != run_id).any():
        raise EngineError(
            f"tracker engine: got a run_id other than {run_id}, expected 0 of the first propagation, then 1"
        )
    return frames


def _frames(slot: str, answer: object, num_frames: int, kind: type) -> Sequence[Any]:
    if not isinstance(answer, Sequence):
        raise _unexpected(slot, "an answer", answer, f"a list of {kind.__name__}, one per frame")
    if len(answer) != num_frames:
        raise EngineError(f"{slot} engine: got an answer for {len(answer)} frames, expected {num_frames}")
    for each in answer:
        if not isinstance(each, kind):
            raise _unexpected(slot, "a frame's answer", each, f"{kind.__name__}")
    return answer


def _require_scored(slot: str, frame: Detections | TrackedFrame, grid: GridShape) -> int:
    """Check types and lengths of what each frame holds; returns how many masks there are."""
    masks = frame.masks
    if not isinstance(masks, Masks):
        raise _unexpected(slot, "masks", masks, "Masks: make them with kernels.masks.encode")
    if masks.shape != grid:
        raise EngineError(f"{slot} engine: got masks on a grid of {masks.shape}, expected the analysis grid {grid}")
    for name in ("start", "stop", "offset"):
        _require(slot, f"masks.{name}", getattr(masks, name), np.int32, np.shape(getattr(masks, name))[:1])
    if not (len(masks.offset) and masks.offset[0] == 0 and masks.offset[-1] == len(masks.start) == len(masks.stop)):
        raise EngineError(f"{slot} engine: got masks whose offsets do not fit their runs; make them with encode")
    _require(slot, "score", frame.score, np.float32, (len(masks),))
    _require(slot, "source_id", frame.source_id, np.int32, (len(masks),))
    return len(masks)


def _require_values(slot: str, frames: Sequence[Detections] | Sequence[TrackedFrame], grid: GridShape) -> None:
    try:
        validate(Masks.concatenate([each.masks for each in frames], grid))
    except InputError as error:
        raise EngineError(f"{slot} engine: {error}") from None
    score = np.concatenate([each.score for each in frames])
    wrong = score[~((score >= 0) & (score <= 1))]  # NaN too
    if len(wrong):
        raise EngineError(f"{slot} engine: got a score of {wrong[0]}, expected confidences from 0 to 1")
    if (np.concatenate([each.source_id for each in frames]) < -1).any():
        raise EngineError(f"{slot} engine: got a negative source_id, expected recorded identities from 0 on, or -1")


def _require(slot: str, name: str, value: object, dtype: type, shape: tuple[int, ...]) -> None:
    if not isinstance(value, np.ndarray) or value.dtype != dtype or value.shape != shape:
        raise _unexpected(slot, name, value, f"{np.dtype(dtype)} of shape {shape}")


def _unexpected(slot: str, name: str, value: object, expected: str) -> EngineError:
    return EngineError(f"{slot} engine: got {_described(value)} as {name}, expected {expected}")


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return "None" if value is None else f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"
