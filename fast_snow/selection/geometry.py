"""The engines that could give depth and camera poses."""

from collections.abc import Sequence
from functools import partial

from fast_snow.config import Config
from fast_snow.engines import recorded
from fast_snow.engines.compiled.network import OpenNetwork
from fast_snow.engines.da3.preprocessing import network_size
from fast_snow.engines.da3.variants import Variant, variant_of
from fast_snow.errors import ConfigError
from fast_snow.inputs.recording import Recording
from fast_snow.protocols import OpenGeometry, Progress
from fast_snow.selection.candidates import Candidate
from fast_snow.selection.requirements import Target, artefact, installed, lacks, no_gpu, runtime, weights_present
from fast_snow.types import GridShape
from fast_snow.weights import da3_folder

_ESTIMATED = "depth and poses estimated by Depth Anything 3"
_CLASSICAL = "structure from motion and optical flow; up to scale; a ground plane is assumed if the camera hardly moves"
_ONNX_FRAMES = 12
"""ONNX Runtime holds all scores of an attention at once: 2.2 GiB for 8 frames of da3-small at 504, 4.2 GiB for 12."""
_CALIBRATED = "; uses the intrinsics of the input"
_HELPED = "depth or poses of the input, in metres; the rest from structure from motion and optical flow"


def candidates(
    config: Config, recording: Recording | None, frame: GridShape, progress: Progress
) -> Sequence[Candidate[OpenGeometry]]:
    """Return the engines for depth and poses, the best first.

    Args:
        config: the engines' parameters.
        recording: what the input brings.
        frame: height and width of the input's frames.
        progress: told how far the engine is.
    """
    caveats = no_gpu(config)
    if recording is not None and (recording.has_depth or recording.has_poses):
        caveats += ("ignores the depth or poses of the input",)
    return (
        _recorded(recording),
        *_networks(config, frame, caveats, progress),
        _classical(config, recording, progress),
    )


def _recorded(recording: Recording | None) -> Candidate[OpenGeometry]:
    missing = ["depth"] * (recording is None or not recording.has_depth)
    missing += ["poses"] * (recording is None or not recording.has_poses)

    def opener() -> OpenGeometry:
        assert recording is not None
        return partial(recorded.open_geometry, recording)

    return Candidate(
        name="recorded",
        family="recorded",
        meaning="depth and poses of the input, in metres",
        opener=opener,
        missing=(lacks(" and ".join(missing)),) if missing else (),
    )


def _networks(
    config: Config, frame: GridShape, caveats: tuple[str, ...], progress: Progress
) -> tuple[Candidate[OpenGeometry], ...]:
    """Return DA3 on each backend, the fastest first; none where the settings do not say which variant it is."""
    try:
        variant = variant_of(config.da3.model_path)
    except ConfigError as error:
        unknown = f"cannot be loaded: {error}"
        return tuple(
            Candidate(name=name, family="da3", meaning=_ESTIMATED, opener=_never, missing=(unknown,))
            for name in ("da3-tensorrt", "da3-onnx", "da3-torch")
        )
    return (
        _compiled("tensorrt", config, variant, frame, caveats, progress),
        _compiled("onnx", config, variant, frame, caveats, progress),
        Candidate(
            name="da3-torch",
            family="da3",
            meaning=f"{_meaning(variant)}, in torch",
            opener=lambda: _in_torch(config, variant, progress),
            missing=installed("torch", "depth_anything_3") + weights_present(config, "da3"),
            caveats=caveats,
        ),
    )


def _compiled(
    target: Target,
    config: Config,
    variant: Variant,
    frame: GridShape,
    caveats: tuple[str, ...],
    progress: Progress,
) -> Candidate[OpenGeometry]:
    size = network_size(*frame, config.da3.process_res)
    compiled = artefact(config, model="da3", variant=variant.name, frame=size, target=target)
    return Candidate(
        name=f"da3-{target}",
        family="da3",
        meaning=f"{_meaning(variant)}, on {compiled.backend}",
        opener=lambda: _around(
            compiled.open,
            config,
            variant,
            progress,
            most_frames=_ONNX_FRAMES if target == "onnx" else compiled.most_frames,
        ),
        missing=compiled.missing,
        caveats=caveats + compiled.caveats,
    )


def _in_torch(config: Config, variant: Variant, progress: Progress) -> OpenGeometry:
    from fast_snow.engines.da3.torch_network import open_network

    folder = da3_folder(config.da3.model_path)
    return _around(partial(open_network, folder, device=config.runtime.device), config, variant, progress)


def _around(
    open_network: OpenNetwork, config: Config, variant: Variant, progress: Progress, *, most_frames: int = 0
) -> OpenGeometry:
    from fast_snow.engines.da3.estimator import open_geometry

    return partial(
        open_geometry,
        config.da3,
        open_network=open_network,
        variant=variant,
        most_frames=most_frames,
        progress=progress,
    )


def _meaning(variant: Variant) -> str:
    return f"{_ESTIMATED} ({variant.name}), {'in metres' if variant.metric else 'up to scale'}"


def _never() -> OpenGeometry:
    raise AssertionError("unreachable: engine has unmet requirements")


def _classical(config: Config, recording: Recording | None, progress: Progress) -> Candidate[OpenGeometry]:
    measured = recording is not None and (recording.has_depth or recording.has_poses)
    helped = measured and config.engines.geometry == "auto"
    # Asked for by name, the engine estimates what the input measured; of intrinsics alone it always makes use.
    calibrated = recording is not None and recording.intrinsics is not None and not measured

    def opener() -> OpenGeometry:
        from fast_snow.engines.classical.geometry.estimator import open_geometry

        return partial(
            open_geometry,
            config.classical.geometry,
            **runtime(config),
            prior=recording.prior if recording is not None and (helped or calibrated) else None,
            progress=progress,
        )

    meaning = _HELPED if helped else _CLASSICAL + _CALIBRATED * calibrated
    return Candidate(name="classical", family="classical", meaning=meaning, opener=opener)
