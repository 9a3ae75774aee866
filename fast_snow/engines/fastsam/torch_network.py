"""FastSAM in torch: ultralytics' network and its own forward pass, behind named arrays."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from fast_snow.engines.compiled.network import Arrays, Network
from fast_snow.engines.fastsam.detections import BOXES, COEFFICIENTS, PROTOTYPES, SCORES
from fast_snow.engines.fastsam.preprocessing import IMAGES
from fast_snow.engines.fastsam.weights import load_fastsam
from fast_snow.engines.torch_runtime import devices, memory

OUTPUTS: Final = (BOXES, SCORES, COEFFICIENTS, PROTOTYPES)
"""Names of what `FastSamOutputs` answers, in its order."""

_SCORE_CHANNEL: Final = 4


@contextmanager
def open_network(path: Path, *, device: str, threads: int = 0) -> Iterator[Network]:
    """Load the network; leaving frees its memory, whoever still holds it.

    Convolves in fp16 on GPUs; computes in fp32 on a CPU. `threads` are those of torch on the CPU, for the whole process
    until the network is left; 0 leaves them as they are.

    Yields:
        The network: `images` to `boxes`, `scores`, `coefficients` and `prototypes`, all float32. Its answers belong to
        the caller.

    Raises:
        ConfigError: no such device.
        InputError: weights that are missing, damaged or of something else.
    """
    place = devices.choose_device(device)
    before = torch.get_num_threads()
    exact = FastSamOutputs(load_fastsam(path).network)
    module = exact if place.type == "cpu" else in_half(exact)
    module.to(place).to(memory_format=torch.channels_last)  # as ultralytics: the fastest layout for convolutions
    del exact
    torch.set_num_threads(threads or before)
    try:
        yield FastSamNetwork(module, place)
    finally:
        torch.set_num_threads(before)
        module.to("meta")
        memory.release(place)


@dataclass(frozen=True, slots=True)
class FastSamNetwork:
    """A forward pass of a `FastSamOutputs`, or what answers like it, on named arrays."""

    module: torch.nn.Module
    device: torch.device

    @torch.inference_mode()
    def __call__(self, inputs: Arrays) -> Arrays:
        """Return the outputs of `images`; the arrays belong to the caller."""
        outputs = self.module(torch.from_numpy(inputs[IMAGES]).to(self.device))
        return {name: output.cpu().contiguous().numpy() for name, output in zip(OUTPUTS, outputs, strict=True)}


class FastSamOutputs(torch.nn.Module):
    """Answers with one tensor per meaning, so that each has a tolerance in its own unit."""

    def __init__(self, network: torch.nn.Module) -> None:
        """Fold normalisation into the convolutions, and let the head make its anchors from the size of its input."""
        super().__init__()
        self.network: Any = network.fuse(verbose=False)  # type: ignore[operator]
        self.head.export = True
        self.head.dynamic = True
        self.eval()

    @property
    def head(self) -> Any:  # noqa: ANN401 (a class of ultralytics, which has no types)
        """Ultralytics' `Segment`."""
        return self.network.model[-1]

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return boxes, scores, coefficients and prototypes."""
        predictions, prototypes = self.network(images)
        coefficients = predictions[:, _SCORE_CHANNEL + 1 :]
        return predictions[:, :_SCORE_CHANNEL], predictions[:, _SCORE_CHANNEL], coefficients, prototypes


def in_half(exact: FastSamOutputs) -> torch.nn.Module:
    """Return a copy that convolves in fp16 and decodes in fp32: fp16 names pixels beyond 512 only to the half."""
    return _Half(copy.deepcopy(exact)).eval()


class _Half(torch.nn.Module):
    def __init__(self, outputs: FastSamOutputs) -> None:
        super().__init__()
        self.outputs = outputs.half()
        head = outputs.head
        head.dfl.float()
        for branch in (*head.cv2, *head.cv3, *head.cv4, head.proto):
            branch.register_forward_hook(_as_float)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs: tuple[torch.Tensor, ...] = self.outputs(images.half())
        return outputs


def _as_float(_: torch.nn.Module, __: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
    return output.float()
