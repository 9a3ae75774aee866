"""Depth and cameras from Depth Anything 3, whatever runs its network."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32

from fast_snow.config import Da3Config
from fast_snow.engines.compiled.network import Network, OpenNetwork
from fast_snow.engines.da3.chunks import join, spans
from fast_snow.engines.da3.poses import intrinsics, world_to_camera
from fast_snow.engines.da3.preprocessing import preprocess
from fast_snow.engines.da3.variants import Variant
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.errors import ConfigError, EngineError
from fast_snow.protocols import GeometryEngine, Progress, silent
from fast_snow.types import DepthOrigin, Frames, Geometry

_ADVICE: Final = "choose a smaller --da3.process-res or a smaller variant"

Images = Float32[np.ndarray, "n 3 h w"]


@contextmanager
def open_geometry(
    config: Da3Config,
    *,
    open_network: OpenNetwork,
    variant: Variant,
    most_frames: int = 0,
    progress: Progress = silent,
) -> Iterator[GeometryEngine]:
    """Open the engine that estimates depth and cameras.

    Args:
        config: size and chunks; chunks become smaller where memory does not suffice.
        open_network: opens the network, on any backend.
        variant: which network it is.
        most_frames: how many frames the network takes at once; 0 is any number.
        progress: told how far the work is.

    Yields:
        The engine. Its answers own their arrays; the analysis grid is the network's size, and the world is that of the
        frame that the network refers the others to.

    Raises:
        ConfigError: chunks that cannot be aligned.
    """
    if config.chunk_size and not 1 <= config.chunk_overlap < config.chunk_size:
        raise ConfigError(
            f"da3.chunk_overlap: got {config.chunk_overlap}, expected at least 1 and less than da3.chunk_size,"
            f" {config.chunk_size}: chunks are aligned by the frames they share"
        )
    with open_network() as network:
        yield _Engine(config=config, network=network, variant=variant, most_frames=most_frames, progress=progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Engine:
    config: Da3Config
    network: Network
    variant: Variant
    most_frames: int
    progress: Progress

    def __call__(self, frames: Frames) -> Geometry:
        images = preprocess(frames.image, self.config.process_res)
        count = len(images)

        def in_chunks(size: int) -> Geometry:
            overlap = min(max(self.config.chunk_overlap, 1), size - 1)
            return join((span, self._chunk(images, span)) for span in spans(count, size, overlap))

        largest = min(self.config.chunk_size or count, self.most_frames or count, count)
        return in_smaller_pieces(
            in_chunks, largest, what="DA3: frames per chunk", advice=_ADVICE, smallest=min(largest, 2)
        )

    def _chunk(self, images: Images, span: range) -> Geometry:
        answer = self.network({"images": images[span.start : span.stop]})
        encoding = answer["pose"]
        grid = (answer["depth"].shape[1], answer["depth"].shape[2])
        T_camera_world = world_to_camera(encoding)
        if not np.isfinite(T_camera_world).all():
            raise EngineError(
                f"DA3: the poses of frames {span.start} to {span.stop - 1} are not finite; the weights are damaged, or"
                " half precision does not hold their values: run in fp32 (--engines.geometry da3-torch"
                " --runtime.device cpu)"
            )
        self.progress("geometry: depth", span.stop, len(images))
        return Geometry(
            depth=answer["depth"],
            confidence=_share(answer["confidence"]),
            intrinsics=intrinsics(encoding, grid),
            T_camera_world=T_camera_world,
            metric=self.variant.metric,
            origin=DepthOrigin.NETWORK,
        )


def _share(confidence: Float32[np.ndarray, "n h w"]) -> Float32[np.ndarray, "n h w"]:
    """Map the network's confidence, `1 + exp(x)`, to the logistic of `x`; what is not a number is not trusted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 1 - 1 / confidence
    return np.clip(np.nan_to_num(share, nan=0.0), 0, 1)
