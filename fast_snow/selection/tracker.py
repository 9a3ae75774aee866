"""The engines that could follow objects through time."""

from collections.abc import Sequence
from functools import partial
from math import ceil

from fast_snow.config import Config
from fast_snow.engines import recorded
from fast_snow.inputs.recording import Recording
from fast_snow.protocols import OpenTracker, Progress
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

    patience = ceil((config.fusion.lost_patience + config.fusion.archive_patience) / config.sam3.propagate_every)
    device = config.runtime.device
    return _every_nth(config, partial(open_tracker, config.sam3, device=device, patience=patience, progress=progress))


def _transformers(config: Config, progress: Progress) -> OpenTracker:
    from fast_snow.engines.sam3.transformers.tracker import open_tracker

    return _every_nth(config, partial(open_tracker, config.sam3, device=config.runtime.device, progress=progress))


def _every_nth(config: Config, open_tracker: OpenTracker) -> OpenTracker:
    every = config.sam3.propagate_every
    if every == 1:
        return open_tracker
    from fast_snow.engines.between_frames import open_sparse_tracker

    return partial(open_sparse_tracker, open_tracker, every, threads=runtime(config)["threads"])


def _classical(config: Config, progress: Progress) -> OpenTracker:
    from fast_snow.engines.classical.tracking.tracker import open_tracker

    return partial(open_tracker, config.classical.tracker, **runtime(config), progress=progress)
