"""The three engine phases of one window: geometry, segmentation, tracking in two passes.

The only place that talks to engines. Each phase opens its engine, uses it for the whole window and closes it, so that
the engines share one GPU in turn.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import NamedTuple

import numpy as np

from fast_snow.background import with_background
from fast_snow.config import Config
from fast_snow.discovery import Prompts, Seeds, discover, lost, prompts_of_frame, seeds
from fast_snow.engine_answers import (
    checked_detections,
    checked_geometry,
    checked_metric_depth,
    checked_tracked,
    opened,
    require_protocol,
)
from fast_snow.freed_memory import return_freed_memory
from fast_snow.inputs.cuts import cuts_within
from fast_snow.kernels.colours import colour_shares
from fast_snow.parts import without_parts
from fast_snow.protocols import (
    GeometryEngine,
    MetricDepthEngine,
    OpenGeometry,
    OpenMetricDepth,
    OpenSegmenter,
    OpenTracker,
    Progress,
    Segmenter,
    Tracker,
    TrackingSession,
    silent,
)
from fast_snow.repeats import WithoutRepeats, without_repeats
from fast_snow.texture_motion import with_texture_motion
from fast_snow.types import (
    Detections,
    Frames,
    Geometry,
    GridShape,
    Health,
    Incidents,
    MaskPrompt,
    MetricDepth,
    Perception,
    Segmentation,
    StageSeconds,
    TrackedFrame,
    Window,
)

RUNS_PER_WINDOW = 3
"""One propagation for the first frame's objects, one for those discovered later, one for those that were lost since."""
METRIC_FRAMES = 4
"""Of each window so many frames get metric depth: what a network is off by differs little from frame to frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOpeners:
    """How to open the engine of each stage; `metric_depth` gives geometry without a scale its metres."""

    geometry: OpenGeometry
    segmenter: OpenSegmenter
    tracker: OpenTracker
    metric_depth: OpenMetricDepth | None = None


def perceive(
    window: Window,
    *,
    engines: EngineOpeners,
    config: Config,
    progress: Progress = silent,
) -> Perception:
    """Run the engines over one window; run ids are unique within the clip.

    `progress` is told when each phase begins and ends.

    Raises:
        EngineError: an engine did not answer as its protocol says.
    """
    frames, n, began = window.frames, len(window.frames), perf_counter()
    geometry, metric_depth = _geometry(engines, window, progress)
    estimated = perf_counter()
    with _phase(progress, "segment", n), opened("segmenter", engines.segmenter, Segmenter) as segment:
        detections = checked_detections(segment(frames, geometry), n, geometry.grid)
    segmented = perf_counter()
    with _phase(progress, "track", n), opened("tracker", engines.tracker, Tracker) as tracker:
        thresh = config.tracker.nested_thresh
        started = seeds(detections, min_points=config.depth_filter.min_points, nested_thresh=thresh)
        passes, resolved, unfound = _track(tracker, window, geometry.grid, started.detections, config)
    new_below = config.fastsam.discovery_iou_thresh
    whole = without_parts(resolved.frames, started.detections, nested_thresh=thresh, iou_thresh=new_below)
    tracked, geometry = _described(frames, whole.frames, geometry)
    seconds = StageSeconds(geometry=estimated - began, segment=segmented - estimated, track=perf_counter() - segmented)
    health = _health(detections, started, passes, resolved, whole.parts, _incidents(window, unfound.prompts))
    return Perception.of(
        window, geometry=geometry, tracked=tracked, health=health, seconds=seconds, metric_depth=metric_depth
    )


def _geometry(engines: EngineOpeners, window: Window, progress: Progress) -> tuple[Geometry, MetricDepth | None]:
    """Return a window's geometry, and metric depth of some of the frames that it adds where that has no scale."""
    n = len(window.frames)
    with _phase(progress, "geometry", n), opened("geometry", engines.geometry, GeometryEngine) as estimate:
        geometry = checked_geometry(estimate(window.frames), n)
    if engines.metric_depth is None or geometry.metric:
        return geometry, None
    spread = np.linspace(window.shared, len(window.frames) - 1, METRIC_FRAMES)
    row = np.unique(spread.round().astype(np.int32))
    with opened("metric_depth", engines.metric_depth, MetricDepthEngine) as answer:
        depth = checked_metric_depth(answer(window.frames[row], geometry[row]), len(row))
    return geometry, MetricDepth(row=row, depth=depth)


@contextmanager
def _phase(progress: Progress, name: str, total: int) -> Iterator[None]:
    return_freed_memory()
    progress(name, 0, total)
    yield
    return_freed_memory()
    progress(name, total, total)


class _Pass(NamedTuple):
    """The objects that a pass was asked for, and their masklets per frame."""

    asked: Prompts
    frames: Sequence[TrackedFrame]


def _track(
    tracker: Tracker, window: Window, grid: GridShape, detections: Sequence[Detections], config: Config
) -> tuple[list[_Pass], WithoutRepeats, Prompts]:
    """Track the first frame's objects, then those that are discovered beside them, then those that were lost since.

    Returns also what is lost after all.
    """
    frames, new_below = window.frames, config.fastsam.discovery_iou_thresh
    started = tracker.start(frames, grid)
    require_protocol("tracker", started, TrackingSession)
    most = config.tracker.max_objects or None
    with closing(started) as session:
        asked = prompts_of_frame(detections[0], 0, most=most)
        first = _propagate(session, asked, len(frames), grid, run_id=0)
        rest = None if most is None else most - len(asked.prompts)
        missed = discover(detections, first.frames, iou_thresh=new_below, most=rest)
        passes = [first, _propagate(session, missed, len(frames), grid, run_id=1)]
        resolved = _joined(passes, window, config)
        unfound = lost(detections, resolved.frames, iou_thresh=new_below)
        if unfound.prompts:
            passes.append(_propagate(session, unfound, len(frames), grid, run_id=2))
            resolved = _joined(passes, window, config)
            unfound = lost(detections, resolved.frames, iou_thresh=new_below)
    return passes, resolved, unfound


def _propagate(session: TrackingSession, asked: Prompts, num_frames: int, grid: GridShape, *, run_id: int) -> _Pass:
    session.add(asked.prompts)
    return _Pass(asked, checked_tracked(session.propagate(), num_frames, grid, run_id=run_id))


def _joined(passes: Sequence[_Pass], window: Window, config: Config) -> WithoutRepeats:
    """Return the masklets of all passes, with repeats resolved."""
    first_run = window.index * RUNS_PER_WINDOW
    frames = [_join(of_frame, first_run) for of_frame in zip(*(each.frames for each in passes), strict=True)]
    return without_repeats(frames, iou_thresh=config.fusion.cross_run_iou_thresh)


def _described(
    frames: Frames, tracked: Sequence[TrackedFrame], geometry: Geometry
) -> tuple[tuple[TrackedFrame, ...], Geometry]:
    """Return masklets with their colours and the motion of their texture, and geometry with that of the background."""
    with ThreadPoolExecutor(1) as beside:
        turned = beside.submit(with_texture_motion, tracked, frames.image, geometry.grid)
        shares = [colour_shares(each.masks, image) for each, image in zip(tracked, frames.image, strict=True)]
        geometry = with_background(geometry, frames, [each.masks for each in tracked])
    coloured = (replace(each, appearance=share) for each, share in zip(turned.result(), shares, strict=True))
    return tuple(coloured), geometry


def _incidents(window: Window, unfound: Sequence[MaskPrompt]) -> Incidents:
    """Return where objects are lost while they are detected, and where another scene begins."""
    frames, begins = window.frames, window.index > 0 and not window.shared
    return Incidents(
        silent_losses=tuple(int(frames.t[each.frame]) for each in unfound if each.frame >= window.shared),
        cuts=(int(frames.t[0]),) * begins + cuts_within(frames, window.shared),
    )


def _health(
    detections: Sequence[Detections],
    started: Seeds,
    passes: Sequence[_Pass],
    resolved: WithoutRepeats,
    parts: int,
    incidents: Incidents,
) -> Health:
    first, second, *again = (each.asked for each in passes)
    return Health(
        detections=sum(len(each) for each in detections),
        background_regions=detections.background_regions if isinstance(detections, Segmentation) else 0,
        seeds_too_small=started.too_small,
        seeds_nested=started.nested,
        first_pass_prompts=len(first.prompts),
        second_pass_prompts=len(second.prompts),
        prompts_left_out=first.left_out + second.left_out,
        prompted_again=sum(len(each.prompts) for each in again),
        repeats_dropped=resolved.repeats,
        masks_rejoined=resolved.rejoined,
        parts_dropped=parts,
        incidents=incidents,
    )


def _join(runs: Sequence[TrackedFrame], first_run: int) -> TrackedFrame:
    """Put the masklets of all runs in one frame side by side, with run ids that are unique in the clip."""
    joined = runs[0].followed_by(*runs[1:])
    return replace(joined, run_id=joined.run_id + np.int32(first_run))
