"""The engines that could follow objects through time."""

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from math import ceil

from fast_snow import weights
from fast_snow.config import Config, VideoTrackerConfig
from fast_snow.engines.classical.neighbour_flow import FlowStore
from fast_snow.engines.recorded import open_tracker
from fast_snow.inputs.recording import Recording
from fast_snow.protocols import OpenTracker, Progress
from fast_snow.selection.candidates import Candidate, recorded
from fast_snow.selection.requirements import has_sam3_1, installed, masks_given, no_gpu, runtime, weights_present


def candidates(
    config: Config, recording: Recording | None, progress: Progress, flows: FlowStore | None = None
) -> Sequence[Candidate[OpenTracker]]:
    """Return the engines for identities, the best first."""
    given = recorded(open_tracker, recording, "object identities of the input", masks_given(recording))
    by_flow = Candidate(
        name="classical",
        meaning="masks propagated by optical flow; may drift under occlusion and fast motion",
        opener=lambda: _classical(config, progress, flows),
    )
    return (given, *_networks(config, progress), by_flow)


def _networks(config: Config, progress: Progress) -> Sequence[Candidate[OpenTracker]]:
    def trained(
        name: weights.Model, meaning: str, section: VideoTrackerConfig, room: str, *missing: str
    ) -> Candidate[OpenTracker]:
        return Candidate(
            name=name,
            meaning=f"masklets from {meaning}",
            opener=lambda: _network(config, section, room, progress),
            missing=missing + weights_present(config, name),
            caveats=no_gpu(config),
        )

    sam3, by_transformers = config.sam3, installed("torch", "transformers")
    shared = (*installed("torch"), *has_sam3_1())
    return (
        trained("sam3.1", "SAM 3.1, 16 objects in one pass", sam3, "sam3.multiplex", *shared),
        trained("sam3", "SAM3, objects in batches", sam3, "sam3.package", *installed("torch", "sam3")),
        trained("sam3-hf", "SAM3, one object at a time", sam3, "sam3.transformers", *by_transformers),
        trained(
            "edgetam",
            "EdgeTAM, one object at a time; less accurate than SAM3",
            config.edgetam,
            "edgetam",
            *by_transformers,
            *installed("timm"),
        ),
    )


def _network(config: Config, section: VideoTrackerConfig, room: str, progress: Progress) -> OpenTracker:
    """Return what opens a network that sees every n-th frame and gives up objects that could not come back.

    `room` is that of the engines in which its module `tracker` is.
    """
    open_network = import_module(f"fast_snow.engines.{room}.tracker").open_tracker
    every, life = section.propagate_every, config.fusion
    patience = ceil((life.lost_patience + life.archive_patience) / every)
    opened = partial(open_network, section, device=config.runtime.device, patience=patience, progress=progress)
    if every == 1:
        return opened
    from fast_snow.engines.between_frames import open_sparse_tracker

    return partial(open_sparse_tracker, opened, every, threads=config.runtime.threads)


def _classical(config: Config, progress: Progress, flows: FlowStore | None) -> OpenTracker:
    from fast_snow.engines.classical.tracking import tracker

    patience = config.fusion.lost_patience + config.fusion.archive_patience
    opened = partial(tracker.open_tracker, config.classical.tracker, **runtime(config))
    return partial(opened, flows=flows, patience=patience, progress=progress)
