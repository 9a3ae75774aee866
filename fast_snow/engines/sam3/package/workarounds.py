"""What the package `sam3` needs to run where it was not meant to; each workaround names the version it is for.

Version 0.1.4 is PyPI's; "of 2026" is the package built from its source, which has SAM 3.1 too. Nothing stays changed in
the process once a block is left, but for the stand-in of a module that cannot be imported.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode

from fast_snow.engines.sam3.package.attention import SCORES_AT_ONCE, Attend, SameKeys, attend_to_own, scaled_dot_product

UpstreamTracker = Any
"""A `sam3.model.sam3_tracker_base.Sam3TrackerBase`; the package has no types."""
Anything = Any
"""What any function of torch may return."""

_NOISE: tuple[tuple[str, type[Warning]], ...] = (
    ("CUDA is not available or torch_xla", UserWarning),
    ("User provided device_type of 'cuda', but CUDA is not available", UserWarning),
    ("`torch.jit.script` is deprecated", FutureWarning),
    ("`torch.jit.script` is deprecated", DeprecationWarning),
    ("Importing from timm.models.layers", FutureWarning),
)
_EDT = "sam3.model.edt"
_PKG_RESOURCES = "pkg_resources"


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """Let code that says `cuda` compute on `device` (sam3 0.1.4 names no device but the current GPU).

    A GPU becomes the current one; on a CPU, `.cuda()`, `.pin_memory()` and `device="cuda"` stay there.
    """
    with _image_encoder_in_any_precision(), torch.cuda.device(device) if device.type == "cuda" else _WithoutGpu():
        yield


@contextmanager
def _image_encoder_in_any_precision() -> Iterator[None]:
    """Let the image encoder of 2026 compute in the network's precision: one of its products takes bf16 always."""
    encoder: Any = sys.modules.get("sam3.model.vitdet")
    in_bf16 = getattr(encoder, "addmm_act", None)
    if in_bf16 is None:  # sam3 0.1.4
        yield
        return

    def product(activation: type[torch.nn.Module], linear: torch.nn.Linear, x: torch.Tensor) -> Anything:
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        return in_bf16(activation, linear, x) if dtype == torch.bfloat16 else activation()(linear(x))

    with patch.object(encoder, "addmm_act", product):
        yield


class _WithoutGpu(TorchFunctionMode):
    """Turns what asks for a GPU into what stays on the CPU."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Anything:
        if func in (torch.Tensor.cuda, torch.Tensor.pin_memory):
            return args[0]
        named = dict(kwargs or {})
        if "device" in named and torch.device(named["device"] or "cpu").type == "cuda":
            named["device"] = torch.device("cpu")
        return func(*args, **named)


def import_builder() -> ModuleType:
    """Import the builders of sam3 without what their import does to the process.

    It switches TF32 on for everyone, warns where there is no GPU, and needs triton for a transform that tracking never
    calls; that of 2026 also needs `pkg_resources`, which setuptools no longer has, for a vocabulary that tracking never
    reads.
    """
    matmul, convolution = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        stand_in_for_triton()
        with _quiet(), _stand_in_for_pkg_resources():
            import sam3.model_builder as builder
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, convolution
    return builder


def built(build: Callable[[], UpstreamTracker], device: torch.device) -> UpstreamTracker:
    """Build a tracker without the bf16 autocast that the constructor of SAM3's leaves on for the process (sam3 0.1.4).

    The tracker is for inference only.
    """
    with _quiet(), on_device(device):
        tracker = build()
        if hasattr(tracker, "bf16_context"):
            tracker.bf16_context.__exit__(None, None, None)
    return tracker.eval()  # weights keep their gradient flag: autocast casts them once only where it is set


@contextmanager
def parameters_without_values() -> Iterator[None]:
    """Let modules have parameters of which only the shape exists (torch's meta device); buffers have their values.

    Initialising the 474 million numbers of sam3 0.1.4 takes longer than loading them. The builder of SAM 3.1 moves what
    it has built, which such parameters refuse: it stays where it is.
    """
    register = torch.nn.Module.register_parameter

    def on_meta(module: torch.nn.Module, name: str, parameter: torch.nn.Parameter | None) -> None:
        if parameter is not None:
            parameter = torch.nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)
        register(module, name, parameter)

    with (
        patch.object(torch.nn.Module, "register_parameter", on_meta),
        patch.object(torch.nn.Module, "to", lambda module, *_args, **_kwargs: module),
    ):
        yield


@contextmanager
def chunked_attention(scores: int = SCORES_AT_ONCE) -> Iterator[None]:
    """Let the attention of sam3 0.1.4 run where no fused kernel does, without a score matrix of gigabytes.

    It switches torch's kernels on itself at every call, which undoes `torch.nn.attention.sdpa_kernel`.
    """
    with _attending(lambda _: partial(scaled_dot_product, scores=scores)):
        yield


@contextmanager
def attention_to(alike: Sequence[SameKeys], *, fp8: bool = False) -> Iterator[None]:
    """Let the attention of sam3 0.1.4 look only at the keys that are an object's own; in fp8 by the package's function.

    Attention to as many keys as there are queries is to all of them.
    """

    def own_keys(attend: Attend) -> Attend:
        attend = _in_fp8 if fp8 else attend

        def attended(
            query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout_p: float = 0.0
        ) -> torch.Tensor:
            if key.shape[-2] == query.shape[-2]:
                return attend(query, key, value, dropout_p=dropout_p)
            return attend_to_own(query, key, value, dropout_p, attend=attend, alike=alike)

        return attended

    with _attending(own_keys):
        yield


@contextmanager
def _attending(replaced: Callable[[Attend], Attend]) -> Iterator[None]:
    from sam3.sam import transformer

    with patch.object(transformer, "F", _Functional(replaced(transformer.F.scaled_dot_product_attention))):
        yield


@contextmanager
def any_attention_kernel(*, fused: bool) -> Iterator[None]:
    """Let SAM 3.1's attention over the memory take any of torch's kernels (sam3 of 2026 insists on FlashAttention).

    Where the device has none without a score matrix, it is done in pieces.
    """
    from sam3.model import decoder

    with ExitStack() as stack:
        stack.enter_context(patch.object(decoder, "sdpa_kernel", lambda _kernel: nullcontext()))
        if not fused:
            stack.enter_context(chunked_attention())
            in_pieces = partial(scaled_dot_product, scores=SCORES_AT_ONCE)
            stack.enter_context(patch.object(decoder, "torchF", _Functional(in_pieces)))
        yield


def _in_fp8(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout_p: float = 0.0) -> torch.Tensor:
    from sam3.perflib.fa3 import flash_attn_func

    assert dropout_p == 0.0, "for inference"
    found: torch.Tensor = flash_attn_func(*(each.transpose(1, 2) for each in (query, key, value)))
    return found.transpose(1, 2)


def compile_as_upstream(tracker: UpstreamTracker) -> None:
    """Compile mask decoder and memory encoder in the way of sam3 0.1.4 (`Sam3TrackerBase._compile_all_components`).

    Its memory attention stays as it is: each object attends to keys of its own.
    """
    from sam3.perflib.compile import compile_wrapper

    for part in (tracker.sam_mask_decoder, tracker.maskmem_backbone):
        part.forward = compile_wrapper(part.forward, mode="max-autotune", fullgraph=True, dynamic=False)


def without_detector_neck(tracker: UpstreamTracker) -> UpstreamTracker:
    """Leave out the detector's image features, which sam3 0.1.4 computes beside the tracker's; changes no answer."""
    neck = tracker.backbone.vision_backbone
    neck.convs = torch.nn.ModuleList(torch.nn.Identity() for _ in neck.convs)
    return tracker


class _Functional:
    """`torch.nn.functional` with another attention."""

    def __init__(self, attend: Attend) -> None:
        self.scaled_dot_product_attention = attend

    def __getattr__(self, name: str) -> Anything:
        return getattr(torch.nn.functional, name)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        for message, category in _NOISE:
            warnings.filterwarnings("ignore", message=message, category=category)
        yield


@contextmanager
def _stand_in_for_pkg_resources() -> Iterator[None]:
    """Let the builders of 2026 be imported where setuptools is not, or is one without `pkg_resources`."""
    if _PKG_RESOURCES in sys.modules or find_spec(_PKG_RESOURCES) is not None:
        yield
        return
    sys.modules[_PKG_RESOURCES] = ModuleType(_PKG_RESOURCES)
    try:
        yield
    finally:
        del sys.modules[_PKG_RESOURCES]


def stand_in_for_triton() -> None:
    """Stand in for the module of sam3 0.1.4 that imports triton, where triton is missing; tracking never calls it."""
    try:
        import triton  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        module = ModuleType(_EDT)
        module.edt_triton = None  # type: ignore[attr-defined]
        sys.modules.setdefault(_EDT, module)
