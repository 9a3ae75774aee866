"""Checks that an engine keeps its protocol: for the tests of packages that bring engines of their own.

Each check opens the engine and runs it over a short rendered clip as the pipeline would; the first thing that is wrong
raises `EngineError` in one line. What passes here is accepted by `build_graph`.
"""

from functools import cache

import numpy as np

from fast_snow.config import SamplingConfig, WindowConfig
from fast_snow.engine_answers import checked_detections, checked_geometry, checked_tracked, opened, require_protocol
from fast_snow.errors import EngineError
from fast_snow.inputs import from_recording
from fast_snow.inputs.windows import windows
from fast_snow.kernels.mask_measures import bounding_boxes, inside_point
from fast_snow.protocols import (
    GeometryEngine,
    OpenGeometry,
    OpenSegmenter,
    OpenTracker,
    Segmenter,
    Tracker,
    TrackingSession,
)
from fast_snow.synthetic.render import SyntheticScene, as_recording, render
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import BoxPrompt, DepthOrigin, Frames, Geometry, MaskPrompt, Masks, PointPrompt, Prompt

_FRAMES = 4


@cache
def _scene() -> tuple[SyntheticScene, Frames, Geometry]:
    """Return a rendered clip, its frames, and its true geometry at half the size."""
    scene = render(SceneConfig(size=(96, 128), frames=_FRAMES))
    (window,) = windows(from_recording(as_recording(scene), SamplingConfig()), WindowConfig())
    half = np.diag([0.5, 0.5, 1.0]) @ scene.intrinsics
    geometry = Geometry(
        depth=scene.depth[:, ::2, ::2],
        confidence=np.ones_like(scene.depth[:, ::2, ::2]),
        intrinsics=np.tile(half, (_FRAMES, 1, 1)),
        T_camera_world=np.linalg.inv(scene.T_world_camera),
        metric=True,
        origin=DepthOrigin.SENSOR,
    )
    return scene, window.frames, geometry


def check_geometry(engine: OpenGeometry) -> None:
    """Check a geometry engine over four frames and over one.

    Raises:
        EngineError: an answer breaks the protocol `GeometryEngine`.
    """
    _, frames, _ = _scene()
    with opened("geometry", engine, GeometryEngine) as estimate:
        whole, one = (checked_geometry(estimate(frames[:count]), count) for count in (_FRAMES, 1))
    if whole.grid != one.grid:
        raise EngineError(f"geometry engine: got grids {whole.grid} and {one.grid}, expected one for all windows")
    if not ((whole.confidence >= 0) & (whole.confidence <= 1)).all():
        raise EngineError("geometry engine: got confidence outside of 0 to 1, expected it normalised")


def check_segmenter(engine: OpenSegmenter) -> None:
    """Check a segmenter over four frames and over one, on an analysis grid of half the images' size.

    Raises:
        EngineError: an answer breaks the protocol `Segmenter`.
    """
    _, frames, geometry = _scene()
    with opened("segmenter", engine, Segmenter) as segment:
        for count in (_FRAMES, 1):
            for found in checked_detections(segment(frames[:count], geometry[:count]), count, geometry.grid):
                if (np.diff(found.masks.offset) == 0).any():
                    raise EngineError("segmenter engine: got an empty mask, expected pixels in each")


def check_tracker(engine: OpenTracker) -> None:
    """Check a tracker: prompts of every kind in two propagations, at two frames, and none at all.

    Raises:
        EngineError: an answer breaks the protocols `Tracker` and `TrackingSession`.
    """
    _, frames, geometry = _scene()
    with opened("tracker", engine, Tracker) as tracker:
        session = tracker.start(frames, geometry.grid)
        require_protocol("tracker", session, TrackingSession)
        for run_id, prompts in enumerate((_prompts(0), _prompts(_FRAMES - 1)[:1], ())):
            session.add(prompts)
            seen = checked_tracked(session.propagate(), _FRAMES, geometry.grid, run_id=run_id)
            ids = {i for frame in seen for i in frame.local_id.tolist()}
            if any((np.diff(frame.masks.offset) == 0).any() for frame in seen):
                raise EngineError("tracker engine: got an empty mask, expected none where an object is not seen")
            if len(ids) > len(prompts):
                raise EngineError(
                    f"tracker engine: got {len(ids)} objects for {len(prompts)} prompts, expected no more"
                )
        session.close()


def _prompts(frame: int) -> tuple[Prompt, ...]:
    """Return a mask, a box and a point, each of another object of the scene."""
    scene, _, _ = _scene()
    ids = scene.ids[frame, ::2, ::2]
    largest = sorted(set(ids[ids > 0].tolist()), key=lambda k: -np.count_nonzero(ids == k))[:3]
    masks = Masks.from_dense(np.stack([ids == k for k in largest]))
    return (
        MaskPrompt(frame=frame, mask=masks[:1]),
        BoxPrompt(frame=frame, box_xyxy=bounding_boxes(masks)[1]),
        PointPrompt(frame=frame, uv=inside_point(masks)[2].astype(np.float32)),
    )
