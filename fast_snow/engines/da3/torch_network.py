"""Depth Anything 3 in torch: upstream's network and its own forward pass, behind named arrays."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.overrides import TorchFunctionMode

from fast_snow.engines.compiled.network import Arrays, Network
from fast_snow.engines.da3.quiet_import import MODEL_REGISTRY, create_object, load_config, logger
from fast_snow.engines.da3.variants import Variant, variant_of
from fast_snow.engines.torch_runtime import devices, memory
from fast_snow.engines.torch_runtime.checkpoints import warn_of_unknown
from fast_snow.errors import ConfigError, EngineError
from fast_snow.weights import damage, named

SADDLE_BALANCED: Final = "saddle_balanced"
"""Upstream's default: the frame whose features are the most ordinary becomes the one that the others refer to."""
FIRST: Final = "first"
"""The first frame is the one that the others refer to; what compiled networks do, whose order of frames is fixed."""

_WEIGHTS: Final = "model.safetensors"
_UNUSED: Final = ("gs_head", "gs_adapter")
"""Parts for Gaussian splatting, which is not asked for: a third of the memory of their checkpoints."""
_SILENT: Final = -1
_SEED: Final = 0


@contextmanager
def open_network(folder: Path, *, device: str, ref_view_strategy: str = SADDLE_BALANCED) -> Iterator[Network]:
    """Load the network; leaving frees its memory, whoever still holds it.

    Computes in half precision on GPUs, the heads in fp32, as upstream does; in fp32 on a CPU. `ref_view_strategy`
    chooses the frame that the others refer to, from three frames on.

    Yields:
        The network: `images` (n, 3, h, w), and `T_camera_world` (n, 4, 4) and `intrinsics` (n, 3, 3) where they are
        known, to `depth` and `confidence` (n, h, w) and `pose` (n, 9), all float32; raw confidence is 1 or more. Its
        answers belong to the caller.

    Raises:
        ConfigError: the folder holds no such network, or weights that are damaged or another variant's.
    """
    place = devices.choose_device(device)
    module = load_da3(folder)
    _drop_rays(getattr(module, "da3", module))
    module.to(place)
    try:
        yield TorchNetwork(
            module=module, device=place, precision=devices.half_precision(place), ref_view_strategy=ref_view_strategy
        )
    finally:
        module.to("meta")
        memory.release(place)


def load_da3(folder: Path, variant: Variant | None = None) -> torch.nn.Module:
    """Build the network of a folder and load its weights; nothing in the folder is executed.

    Of `config.json` only the variant's name is used, where `variant` is None. The network is on the CPU, in evaluation
    mode.
    """
    variant = variant_of(str(folder)) if variant is None else variant
    weights = _read(folder / _WEIGHTS, variant)
    config = load_config(MODEL_REGISTRY[variant.name])
    for part in [config, *([config.anyview] if variant.nested else [])]:
        for unused in _UNUSED:
            part.pop(unused, None)
    with silence(), torch.device("meta"), _ScheduleOnCpu():  # drawing weights only to replace them takes seconds
        module: torch.nn.Module = create_object(config)
    _fill(module, weights, folder, variant)
    return module.eval().requires_grad_(False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchNetwork:
    """Upstream's forward pass on named arrays: the backbone in a precision, the heads in fp32."""

    module: torch.nn.Module
    device: torch.device
    precision: torch.dtype
    ref_view_strategy: str

    @torch.inference_mode()
    def __call__(self, inputs: Arrays) -> Arrays:
        """Return `depth`, `confidence` and `pose` of `images`; the arrays belong to the caller.

        With `T_camera_world` and `intrinsics` of the images the network is conditioned on its cameras.
        """
        images, *cameras = (
            torch.tensor(inputs[name], device=self.device)[None]
            for name in ("images", "T_camera_world", "intrinsics")
            if name in inputs
        )
        output, pose = self._forward(images, *cameras)
        if "scale_factor" in output:  # nested: upstream scales the poses that it decoded, not their encoding
            pose[..., :3] *= output.scale_factor
        named = {"depth": output.depth, "confidence": output.depth_conf, "pose": pose}
        return {name: value[0].float().cpu().numpy() for name, value in named.items()}

    def _forward(self, images: torch.Tensor, *cameras: torch.Tensor) -> tuple[Any, torch.Tensor]:
        encoded: list[torch.Tensor] = []
        decoder: Any = getattr(self.module, "da3", self.module).cam_dec
        half = self.precision != torch.float32
        with ExitStack() as scope:
            scope.enter_context(silence())
            scope.enter_context(_repeatable(self.device))
            scope.enter_context(torch.autocast(self.device.type, dtype=self.precision, enabled=half))
            scope.callback(decoder.register_forward_hook(lambda _module, _inputs, pose: encoded.append(pose)).remove)
            try:
                output = self.module(images, *cameras, ref_view_strategy=self.ref_view_strategy)
            except AssertionError as error:  # upstream's way to say that the nested variant finds no scale
                raise EngineError(
                    f"DA3: {error}; choose another clip, or a variant without metres, like da3-large"
                ) from error
        return output, encoded[0].clone()


def _read(path: Path, variant: Variant) -> Mapping[str, torch.Tensor]:
    if not path.is_file():
        raise ConfigError(
            f"{variant.setting}: {path.parent} holds no {path.name}; run fast-snow fetch-models {variant.name}"
            f" (weights under {named(variant.name).licence})"
        )
    problem = damage(path)
    if problem is not None:
        raise ConfigError(f"{variant.setting}: {path} {problem}; run fast-snow fetch-models {variant.name}")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ConfigError(
            f"{variant.setting}: {path} is damaged or cut short ({error}); run fast-snow fetch-models {variant.name}"
        ) from error


def _fill(module: torch.nn.Module, weights: Mapping[str, torch.Tensor], folder: Path, variant: Variant) -> None:
    """Load weights, all that the network has; what it does not have is named, but for the parts that are not built."""
    branch = "da3." if variant.nested else ""
    unused = tuple(f"{branch}{each}." for each in _UNUSED)
    held = {name.removeprefix("model."): value for name, value in weights.items()}
    wanted = module.state_dict(keep_vars=True)
    given = {id(wanted[name]) for name in wanted.keys() & held.keys()}
    missing = sorted(name for name in wanted if id(wanted[name]) not in given)
    foreign = sorted(name for name in held.keys() - wanted.keys() if not name.startswith(unused))
    misshapen = sorted(name for name in wanted.keys() & held.keys() if wanted[name].shape != held[name].shape)
    if missing or misshapen:
        example = (missing + misshapen)[0]
        raise ConfigError(
            f"{variant.setting}: {folder / _WEIGHTS} does not fit {variant.name}: {len(missing)} tensors are missing,"
            f" {len(foreign)} unknown and {len(misshapen)} of another shape, like {example}; run"
            f" fast-snow fetch-models {variant.name}, or name the variant that it is in config.json"
        )
    warn_of_unknown(foreign, folder / _WEIGHTS, variant.name)
    # not strict: of tensors that the network shares (the heads' normalisation), a file holds one
    filling = {name: held[name].float() for name in wanted.keys() & held.keys()}
    module.load_state_dict(filling, strict=False, assign=True)


class _ScheduleOnCpu(TorchFunctionMode):
    """Give values to upstream's schedule of drop rates, which it reads while it builds; weights have none yet."""

    def __torch_function__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        where = {"device": "cpu"} if function is torch.linspace else {}
        return function(*args, **(kwargs or {}) | where)


def _drop_rays(network: Any) -> None:  # noqa: ANN401 (upstream's module)
    """Leave out the head for camera rays, from which upstream can take poses too but by default does not.

    That is a third of the arithmetic of the small variant and a fifth of the large one's; no other answer changes.
    """
    scratch = network.head.scratch
    for name, part in list(scratch.named_children()):
        if name.endswith("_aux"):
            several = isinstance(part, torch.nn.ModuleList)
            unread = torch.nn.ModuleList(torch.nn.Identity() for _ in part) if several else _Unread()
            setattr(scratch, name, unread)


class _Unread(torch.nn.Module):
    """Stands for a fusion block whose answer nobody reads."""

    def forward(self, image: torch.Tensor, *_lateral: torch.Tensor, size: object = None) -> torch.Tensor:  # noqa: ARG002
        return image[..., :1, :1]


@contextmanager
def silence() -> Iterator[None]:
    """Keep upstream from printing; it prints at every forward pass."""
    level, logger.level = logger.level, _SILENT
    try:
        yield
    finally:
        logger.level = level


@contextmanager
def _repeatable(device: torch.device) -> Iterator[None]:
    """Fix the random sample of pixels from which the nested variant takes its scale; leave torch's state as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(_SEED)
        yield
