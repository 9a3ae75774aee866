"""The engines that could follow objects through time."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from math import ceil

from fast_snow.config import Config, VideoTrackerConfig
from fast_snow.engines import recorded
from fast_snow.inputs.recording import Recording
from fast_snow.protocols import OpenTracker, Progress, Tracker
from fast_snow.selection.candidates import Candidate
from fast_snow.selection.requirements import installed, masks_given, no_gpu, runtime, weights_present

_FOLLOWED = "masklets from SAM3"


def candidates(config: Config, recording: Recording | None, progress: Progress) -> Sequence[Candidate[OpenTracker]]:
    """Return the engines for identities, the best first.

    Args:
        config: the engines' parameters.
        recording: what the input brings.
        progress: told how far the engine is.
    """
    return (
        Candidate(
            name="recorded",
            family="recorded",
            meaning="object identities of the input",
            opener=lambda: _recorded(recording),
            missing=masks_given(recording),
        ),
        Candidate(
            name="sam3",
            family="sam3",
            meaning=f"{_FOLLOWED}, objects in batches",
            opener=lambda: _package(config, progress),
            missing=installed("torch", "sam3") + weights_present(config, "sam3"),
            caveats=no_gpu(config),
        ),
        Candidate(
            name="sam3-hf",
            family="sam3-hf",
            meaning=f"{_FOLLOWED}, one object at a time",
            opener=lambda: _transformers(config, progress),
            missing=installed("torch", "transformers") + weights_present(config, "sam3-hf"),
            caveats=no_gpu(config),
        ),
        Candidate(
            name="edgetam",
            family="edgetam",
            meaning="masklets from EdgeTAM, one object at a time; less accurate than SAM3",
            opener=lambda: _edgetam(config, progress),
            missing=installed("torch", "transformers", "timm") + weights_present(config, "edgetam"),
            caveats=no_gpu(config),
        ),
        Candidate(
            name="classical",
            family="classical",
            meaning="masks propagated by optical flow; may drift under occlusion and fast motion",
            opener=lambda: _classical(config, progress),
        ),
    )


def _recorded(recording: Recording | None) -> OpenTracker:
    assert recording is not None
    return partial(recorded.open_tracker, recording)


def _package(config: Config, progress: Progress) -> OpenTracker:
    from fast_snow.engines.sam3.package.tracker import open_tracker

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


def _classical(config: Config, progress: Progress) -> OpenTracker:
    from fast_snow.engines.classical.tracking.tracker import open_tracker

    return partial(open_tracker, config.classical.tracker, **runtime(config), progress=progress)
