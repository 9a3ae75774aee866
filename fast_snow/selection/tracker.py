"""The engines that could follow objects through time."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from math import ceil

from fast_snow import weights
from fast_snow.config import Config, VideoTrackerConfig
from fast_snow.engines import recorded
from fast_snow.engines.classical.neighbour_flow import FlowStore
from fast_snow.inputs.recording import Recording
from fast_snow.protocols import OpenTracker, Progress, Tracker
from fast_snow.selection.candidates import Candidate
from fast_snow.selection.requirements import has_sam3_1, installed, masks_given, no_gpu, runtime, weights_present


def candidates(
    config: Config, recording: Recording | None, progress: Progress, flows: FlowStore | None = None
) -> Sequence[Candidate[OpenTracker]]:
    """Return the engines for identities, the best first."""
    given = Candidate(
        name="recorded",
        family="recorded",
        meaning="object identities of the input",
        opener=lambda: _recorded(recording),
        missing=masks_given(recording),
    )
    by_flow = Candidate(
        name="classical",
        family="classical",
        meaning="masks propagated by optical flow; may drift under occlusion and fast motion",
        opener=lambda: _classical(config, progress, flows),
    )
    return (given, *_networks(config, progress), by_flow)


def _networks(config: Config, progress: Progress) -> Sequence[Candidate[OpenTracker]]:
    def trained(
        name: weights.Model, meaning: str, opener: Callable[[Config, Progress], OpenTracker], *missing: str
    ) -> Candidate[OpenTracker]:
        return Candidate(
            name=name,
            family=name,
            meaning=f"masklets from {meaning}",
            opener=lambda: opener(config, progress),
            missing=missing + weights_present(config, name),
            caveats=no_gpu(config),
        )

    by_transformers = installed("torch", "transformers")
    return (
        trained("sam3.1", "SAM 3.1, 16 objects in one pass", _multiplex, *installed("torch"), *has_sam3_1()),
        trained("sam3", "SAM3, objects in batches", _package, *installed("torch", "sam3")),
        trained("sam3-hf", "SAM3, one object at a time", _transformers, *by_transformers),
        trained(
            "edgetam",
            "EdgeTAM, one object at a time; less accurate than SAM3",
            _edgetam,
            *by_transformers,
            *installed("timm"),
        ),
    )


def _recorded(recording: Recording | None) -> OpenTracker:
    assert recording is not None
    return partial(recorded.open_tracker, recording)


def _package(config: Config, progress: Progress) -> OpenTracker:
    from fast_snow.engines.sam3.package.tracker import open_tracker

    return _network(config, config.sam3, open_tracker, progress)


def _multiplex(config: Config, progress: Progress) -> OpenTracker:
    from fast_snow.engines.sam3.multiplex.tracker import open_tracker

    return _network(config, config.sam3, open_tracker, progress)


def _transformers(config: Config, progress: Progress) -> OpenTracker:
    from fast_snow.engines.sam3.transformers.tracker import open_tracker

    return _network(config, config.sam3, open_tracker, progress)


def _edgetam(config: Config, progress: Progress) -> OpenTracker:
    from fast_snow.engines.edgetam.tracker import open_tracker

    return _network(config, config.edgetam, open_tracker, progress)


def _network(
    config: Config,
    section: VideoTrackerConfig,
    open_tracker: Callable[..., AbstractContextManager[Tracker]],
    progress: Progress,
) -> OpenTracker:
    """Return what opens a network that sees every n-th frame and gives up objects that could not come back."""
    every, life = section.propagate_every, config.fusion
    patience = ceil((life.lost_patience + life.archive_patience) / every)
    opened = partial(open_tracker, section, device=config.runtime.device, patience=patience, progress=progress)
    if every == 1:
        return opened
    from fast_snow.engines.between_frames import open_sparse_tracker

    return partial(open_sparse_tracker, opened, every, threads=config.runtime.threads)


def _classical(config: Config, progress: Progress, flows: FlowStore | None) -> OpenTracker:
    from fast_snow.engines.classical.tracking.tracker import open_tracker

    patience = config.fusion.lost_patience + config.fusion.archive_patience
    opened = partial(open_tracker, config.classical.tracker, **runtime(config))
    return partial(opened, flows=flows, patience=patience, progress=progress)
