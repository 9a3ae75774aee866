"""The engines that could give depth and camera poses."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from fast_snow.config import Config
from fast_snow.engines.classical.neighbour_flow import FlowStore
from fast_snow.engines.da3.preprocessing import network_size
from fast_snow.engines.da3.variants import Variant, variant_of
from fast_snow.engines.recorded import open_geometry
from fast_snow.errors import ConfigError
from fast_snow.inputs.recording import Recording
from fast_snow.protocols import OpenGeometry, Progress
from fast_snow.selection.candidates import Candidate, recorded
from fast_snow.selection.requirements import (
    Target,
    artefact,
    installed,
    lacks,
    no_gpu,
    runtime,
    unreachable,
    weights_present,
)
from fast_snow.types import GridShape
from fast_snow.weights import weights_folder

_ESTIMATED = "depth and poses estimated by Depth Anything 3"
_CLASSICAL = (
    "structure from motion and optical flow; up to scale; a ground plane is assumed if the camera keeps its place"
)
_TOLD = "depth estimated by Depth Anything 3 ({variant}) from the cameras of the input{unit}, in torch"
_ONNX_FRAMES = 12
"""ONNX Runtime holds all scores of an attention at once: 2.2 GiB for 8 frames of da3-small at 504, 4.2 GiB for 12."""
_CALIBRATED = "; uses the intrinsics of the input"
_HELPED = "depth or poses of the input{unit}; the rest from structure from motion and optical flow"


def candidates(
    config: Config, recording: Recording | None, frame: GridShape, progress: Progress, flows: FlowStore | None = None
) -> Sequence[Candidate[OpenGeometry]]:
    """Return the engines for depth and poses, the best first."""
    return (
        _recorded(recording),
        *_networks(config, recording, frame, progress),
        _classical(config, recording, progress, flows),
    )


def _recorded(recording: Recording | None) -> Candidate[OpenGeometry]:
    missing = ["depth"] * (recording is None or not recording.has_depth)
    missing += ["poses"] * (recording is None or not recording.has_poses)
    meaning, why = f"depth and poses of the input{_unit(recording)}", (lacks(" and ".join(missing)),)
    return recorded(open_geometry, recording, meaning, why if missing else ())


def _networks(
    config: Config, recording: Recording | None, frame: GridShape, progress: Progress
) -> tuple[Candidate[OpenGeometry], ...]:
    """Return DA3 on each backend: first those that take a window in one pass, then the fastest.

    Chunks of a window are aligned to one another, which costs accuracy.
    """
    try:
        variant = variant_of(config.da3.model_path)
    except ConfigError as error:
        unknown = f"cannot be loaded: {error}"
        return tuple(
            Candidate(name=name, family="da3", meaning=_ESTIMATED, opener=unreachable, missing=(unknown,))
            for name in ("da3-tensorrt", "da3-onnx", "da3-torch")
        )
    backends = (
        _compiled("tensorrt", config, variant, recording, frame, progress),
        _compiled("onnx", config, variant, recording, frame, progress),
        (0, _in_torch(config, variant, recording, progress)),
    )
    wanted = min(config.window.length, config.da3.chunk_size or config.window.length)
    return tuple(candidate for _, candidate in sorted(backends, key=lambda each: 0 < each[0] < wanted))


def _compiled(
    target: Target, config: Config, variant: Variant, recording: Recording | None, frame: GridShape, progress: Progress
) -> tuple[int, Candidate[OpenGeometry]]:
    """Return DA3 on a compiled network, and how many frames that takes at once."""
    size = network_size(*frame, config.da3.process_res)
    compiled = artefact(config, model="da3", variant=variant.name, frame=size, target=target)
    most_frames = _ONNX_FRAMES if target == "onnx" else compiled.most_frames
    return most_frames, Candidate(
        name=f"da3-{target}",
        family="da3",
        meaning=f"{_meaning(variant)}, on {compiled.backend}" + f", {most_frames} frames at a time" * (most_frames > 0),
        opener=lambda: partial(
            _open_estimator(config, variant, progress), open_network=compiled.open, most_frames=most_frames
        ),
        missing=compiled.missing,
        caveats=no_gpu(config) + _ignored(recording) + compiled.caveats,
    )


def _in_torch(
    config: Config, variant: Variant, recording: Recording | None, progress: Progress
) -> Candidate[OpenGeometry]:
    """Return DA3 in torch; unless it is asked for by name, it is told the cameras that the input gives."""
    told = (
        config.engines.geometry == "auto"
        and recording is not None
        and recording.has_poses
        and recording.intrinsics is not None
        and not recording.has_depth
    )

    def opener() -> OpenGeometry:
        from fast_snow.engines.da3.torch_network import open_network

        network = partial(open_network, weights_folder(config.da3.model_path), device=config.runtime.device)
        prior = recording.prior if recording is not None and told else None
        return partial(_open_estimator(config, variant, progress), open_network=network, prior=prior)

    return Candidate(
        name="da3-torch",
        family="da3",
        meaning=_TOLD.format(variant=variant.name, unit=_unit(recording)) if told else f"{_meaning(variant)}, in torch",
        opener=opener,
        missing=installed("torch", "depth_anything_3") + weights_present(config, "da3"),
        caveats=no_gpu(config) + (() if told else _ignored(recording)),
    )


def _open_estimator(config: Config, variant: Variant, progress: Progress) -> partial[Any]:
    from fast_snow.engines.da3 import estimator

    return partial(estimator.open_geometry, config.da3, variant=variant, progress=progress)


def _ignored(recording: Recording | None) -> tuple[str, ...]:
    if recording is None or not (recording.has_depth or recording.has_poses):
        return ()
    return ("ignores the depth or poses of the input",)


def _meaning(variant: Variant) -> str:
    return f"{_ESTIMATED} ({variant.name}), {'in metres' if variant.metric else 'up to scale'}"


def _unit(recording: Recording | None) -> str:
    return ", in metres" if recording is None or recording.metric else ", in a unit that is not known"


def _classical(
    config: Config, recording: Recording | None, progress: Progress, flows: FlowStore | None
) -> Candidate[OpenGeometry]:
    measured = recording is not None and (recording.has_depth or recording.has_poses)
    helped = measured and config.engines.geometry == "auto"
    # Asked for by name, the engine estimates what the input measured; of intrinsics alone it always makes use.
    calibrated = recording is not None and recording.intrinsics is not None and not measured

    def opener() -> OpenGeometry:
        from fast_snow.engines.classical.geometry import estimator

        return partial(
            estimator.open_geometry,
            config.classical.geometry,
            **runtime(config),
            prior=recording.prior if recording is not None and (helped or calibrated) else None,
            flows=flows,
            progress=progress,
        )

    meaning = _HELPED.format(unit=_unit(recording)) if helped else _CLASSICAL + _CALIBRATED * calibrated
    return Candidate(name="classical", meaning=meaning, opener=opener)
