"""SNOW, reimplemented from its paper over the geometry engine of Fast-SNOW: the baseline.

Reference: SNOW: Spatio-Temporal Scene Understanding with World Knowledge for Open-World Embodied Reasoning, arXiv
2512.16461. What the paper leaves open, and where this differs from it: docs/reference/snow-baseline.md.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from time import perf_counter
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64

from fast_snow.baselines.association import KnownObjects, ObjectIds, Relations, associate_tokens, relate_objects
from fast_snow.baselines.masks_from_points import LookAt, OpenMasks, choose_masks
from fast_snow.baselines.proposals import ProposedObjects, objects_of_frame
from fast_snow.baselines.snow_config import DEFAULT, SnowConfig
from fast_snow.config import Config, WindowConfig
from fast_snow.graph import FoldState, fold, start
from fast_snow.inputs import Input
from fast_snow.inputs.windows import windows
from fast_snow.kernels import threads
from fast_snow.protocols import OpenGeometry, Progress, silent
from fast_snow.residency import resident
from fast_snow.selection import EngineUse, select_engines
from fast_snow.types import (
    Geometry,
    Health,
    LabelledMasks,
    Masks,
    Observations,
    Perception,
    SceneGraph,
    StageSeconds,
    StepToken,
    Track,
    TrackedFrame,
    Window,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SnowRun:
    """What SNOW made of a clip.

    Attributes:
        graph: the 4D scene graph; every observation of the clip, of which the paper's M_t is a view.
        labelled: the masks of every frame with the objects they belong to.
        relations: the edges of every frame, which the graph's document has no place for.
        engines: what gave geometry and masks.
        seconds: wall time; `segment` is clustering, prompting, masks and STEP tokens, `track` is association.
        wall_s: from the first frame asked for to the finished graph.
        frame_s: how long each frame took: its own time and an equal share of what its window took as a whole.
    """

    graph: SceneGraph
    labelled: tuple[LabelledMasks, ...]
    relations: tuple[Relations, ...]
    engines: tuple[EngineUse, ...]
    seconds: StageSeconds
    wall_s: float
    frame_s: Float64[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _State:
    """What has become of the clip so far: per frame its objects with their ids, its edges and its time.

    The world, without objects, is grown as Fast-SNOW grows it: camera path, keyframes, the last window's geometry.
    """

    world: FoldState
    known: KnownObjects = field(default_factory=KnownObjects)
    frames: tuple[tuple[ProposedObjects, ObjectIds], ...] = ()
    relations: tuple[Relations, ...] = ()
    seconds: StageSeconds = field(default_factory=StageSeconds)
    frame_s: tuple[float, ...] = ()


def snow(
    source: Input,
    config: Config,
    *,
    settings: SnowConfig = DEFAULT,
    masks: OpenMasks | None = None,
    watch: Callable[[OpenGeometry], OpenGeometry] = lambda engine: engine,
    progress: Progress = silent,
) -> SnowRun:
    """Run SNOW over an opened input; the same engines and seed give the same result.

    Args:
        source: the input.
        config: all settings that SNOW shares with Fast-SNOW; which geometry engine, windows, depth filter, tau, seed.
        settings: SNOW's own.
        masks: your own masks from points, in place of those that the settings name.
        watch: wraps the geometry engine, to note what it says of each window before that enters the graph's world.
        progress: told how many frames are done.

    Raises:
        UserError: the input or the configuration cannot be used.
        FastSnowError: an engine failed.
    """
    unused = replace(config.engines, segmenter="classical", tracker="classical")  # SNOW has geometry alone in common
    selection = select_engines(source, replace(config, engines=unused), progress=progress)
    open_masks, masks_use = choose_masks(config, settings) if masks is None else (masks, _of_caller(masks))
    threads.limit(config.runtime.threads)
    state, began = _State(world=start(config)), perf_counter()
    engines = replace(selection.engines, geometry=watch(selection.engines.geometry))
    with ExitStack() as stack:
        if selection.resident:
            engines = stack.enter_context(resident(engines))
            look = stack.enter_context(open_masks())
            open_masks = lambda: nullcontext(look)  # noqa: E731
        stages = _Stages(
            config=config,
            settings=settings,
            open_geometry=engines.geometry,
            open_masks=open_masks,
            progress=progress,
            expected=source.expected_frames or 0,
        )
        for window, decode_s in _timed(windows(source, config.window)):
            state = stages.advance(state, window, decode_s)
    return _finished_run(state, (*(use for use in selection.used if use.slot == "geometry"), masks_use), began)


def _of_caller(masks: OpenMasks) -> EngineUse:
    return EngineUse(slot="masks", name=getattr(masks, "__qualname__", repr(masks)), meaning="brought by the caller")


def _finished_run(state: _State, engines: tuple[EngineUse, ...], began: float) -> SnowRun:
    graph = replace(state.world.graph, tracks=MappingProxyType(_tracks(state.frames)))
    return SnowRun(
        graph=graph,
        labelled=tuple(
            LabelledMasks(t=t, object_id=object_id, masks=objects.masks)
            for t, (objects, object_id) in zip(graph.ego.t.tolist(), state.frames, strict=True)
        ),
        relations=state.relations,
        engines=engines,
        seconds=state.seconds,
        wall_s=perf_counter() - began,
        frame_s=np.array(state.frame_s, np.float64),
    )


def _timed(each_window: Iterator[Window]) -> Iterator[tuple[Window, float]]:
    began = perf_counter()
    for window in each_window:
        yield window, perf_counter() - began
        began = perf_counter()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stages:
    """The stages of SNOW over one window."""

    config: Config
    settings: SnowConfig
    open_geometry: OpenGeometry
    open_masks: OpenMasks
    progress: Progress
    expected: int

    def advance(self, state: _State, window: Window, decode_s: float) -> _State:
        """Add the frames of a window that the one before it did not have."""
        began = perf_counter()
        with self.open_geometry() as estimate:
            geometry = estimate(window.frames)
        estimated = perf_counter()
        world = _grown(state.world, window, geometry, self.config)
        assert world.tail is not None
        grown = perf_counter()
        seconds = StageSeconds(decode=decode_s, geometry=estimated - began, fold=grown - estimated)
        state = replace(state, world=world, seconds=state.seconds + seconds)
        share = (decode_s + grown - began) / (len(window.frames) - window.shared)
        with self.open_masks() as look:
            for i in range(window.shared, len(window.frames)):
                state = self._add(state, window, world.tail.geometry, i, look, share)
                self.progress("SNOW", len(state.frames), max(self.expected, len(state.frames)))
        return state

    def _add(self, state: _State, window: Window, geometry: Geometry, i: int, look: LookAt, share: float) -> _State:
        """Add one frame; `share` is its part of what the window took as a whole."""
        began = perf_counter()
        t = int(window.frames.t[i])
        masks_of = look(window.frames.image[i], geometry.grid)
        objects = objects_of_frame(masks_of, geometry, i, t=t, config=self.config, settings=self.settings)
        described = perf_counter()
        object_id, known = associate_tokens(
            state.known,
            objects.tokens,
            t=t,
            time_s=float(window.frames.time_s[i]),
            grid_size=self.config.step.grid_size,
            reach=reach(geometry, i, self.settings),
            metric=geometry.metric,
            settings=self.settings,
        )
        edges = relate_objects(
            objects.tokens, object_id, geometry.T_camera_world[i], t=t, neighbours=self.settings.neighbours
        )
        done = perf_counter()
        return replace(
            state,
            known=known,
            frames=(*state.frames, (objects, object_id)),
            relations=(*state.relations, edges),
            seconds=state.seconds + StageSeconds(segment=described - began, track=done - described),
            frame_s=(*state.frame_s, share + done - began),
        )


def reach(geometry: Geometry, i: int, settings: SnowConfig) -> float:
    """Return the distance from which on an object of frame `i` counts as far, in the unit of its depth."""
    if geometry.metric:
        return settings.reach_m
    depth = geometry.depth[i]
    usable = depth[np.isfinite(depth) & (depth > 0)]
    return settings.reach_share * float(np.median(usable)) if len(usable) else 1.0


def _grown(world: FoldState, window: Window, geometry: Geometry, config: Config) -> FoldState:
    """Carry a window's geometry into the graph's world and add its cameras, by Fast-SNOW's own fold without objects."""
    count = len(window.frames)
    tracked = (TrackedFrame.none(masks=Masks.empty(geometry.grid)),) * count
    perception = Perception.of(window, geometry=geometry, tracked=tracked, health=Health(), seconds=StageSeconds())
    # The fold keeps the last frames of a window for the next one; all of this one's geometry is needed.
    keep_all = WindowConfig(length=count + 1, overlap=count)
    return fold(world, perception, config=replace(config, window=keep_all))


def _tracks(frames: Sequence[tuple[ProposedObjects, ObjectIds]]) -> dict[int, Track]:
    observations: dict[int, list[StepToken]] = {}
    for objects, object_id in frames:
        for number, token in zip(object_id.tolist(), objects.tokens, strict=True):
            observations.setdefault(number, []).append(token)
    return {
        object_id: Track(object_id=object_id, observations=Observations.of(seen), theta=(seen[0].t, seen[-1].t))
        for object_id, seen in sorted(observations.items())
    }
