"""Depth and cameras from Depth Anything 3, whatever runs its network."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64

from fast_snow.config import Da3Config
from fast_snow.engines.compiled.network import Network, OpenNetwork
from fast_snow.engines.da3.chunks import join_chunks, spans
from fast_snow.engines.da3.known_cameras import KnownCameras, Prior, conditioning, known_cameras, path_scale
from fast_snow.engines.da3.preprocessing import network_size, preprocess
from fast_snow.engines.da3.variants import Variant
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.errors import ConfigError, EngineError, FastSnowWarning
from fast_snow.protocols import GeometryEngine, Progress, silent
from fast_snow.types import DepthOrigin, Frames, Geometry, GridShape

_SMALLEST_TANGENT = 1e-6
"""Upstream's floor under the tangent of half the field of view."""

PoseEncoding = Float32[np.ndarray, "n 9"]
"""Camera centre (3), rotation camera to world as a quaternion x, y, z, w (4), vertical and horizontal field of view."""

_BELOW_GATE: Final = np.nextafter(np.float32(0.5), np.float32(0))
"""The largest confidence of a pixel that does not reach the gate, whatever rounding does."""
_ADVICE: Final = "choose a smaller --da3.process-res or a smaller variant"

Images = Float32[np.ndarray, "n 3 h w"]


@contextmanager
def open_geometry(
    config: Da3Config,
    *,
    open_network: OpenNetwork,
    variant: Variant,
    most_frames: int = 0,
    prior: Prior | None = None,
    progress: Progress = silent,
) -> Iterator[GeometryEngine]:
    """Open the engine that estimates depth and cameras.

    Args:
        config: size and chunks; chunks become smaller where memory does not suffice.
        open_network: opens the network, on any backend.
        variant: which network it is.
        most_frames: how many frames the network takes at once; 0 is any number.
        prior: tells the poses and intrinsics that the input gives, for a network that can be told them: it is, and the
            answer is in their world, in metres.
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
        yield _Engine(
            config=config, network=network, variant=variant, most_frames=most_frames, prior=prior, progress=progress
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Engine:
    config: Da3Config
    network: Network
    variant: Variant
    most_frames: int
    prior: Prior | None
    progress: Progress

    def __call__(self, frames: Frames) -> Geometry:
        images = preprocess(frames.image, self.config.process_res)
        cameras = self._cameras(frames)
        geometry = None if cameras is None else self._estimate(images, cameras)
        if cameras is not None and geometry is None:
            warnings.warn(
                "the path of the given cameras is too short to scale depth by it: poses are estimated, up to scale",
                FastSnowWarning,
                stacklevel=2,
            )
        if geometry is None:
            geometry = self._estimate(images, None)
        assert geometry is not None  # without cameras there is always an answer
        return replace(geometry, confidence=relative_confidence(geometry.confidence, self.config))

    def _cameras(self, frames: Frames) -> KnownCameras | None:
        if self.prior is None:
            return None
        height, width = frames.image.shape[1:3]
        return known_cameras(self.prior(frames), (height, width), network_size(height, width, self.config.process_res))

    def _estimate(self, images: Images, cameras: KnownCameras | None) -> Geometry | None:
        """Estimate the geometry of a window; None where the cameras given do not tell its scale."""
        count = len(images)

        def in_chunks(size: int) -> Geometry | None:
            overlap = min(max(self.config.chunk_overlap, 1), size - 1)
            parts = []
            for span in spans(count, size, overlap):
                part = self._chunk(images, span, cameras)
                if part is None:
                    return None
                parts.append((span, part))
            return join_chunks(parts, one_world=cameras is not None)

        largest = min(self.config.chunk_size or count, self.most_frames or count, count)
        return in_smaller_pieces(
            in_chunks, largest, what="DA3: frames per chunk", advice=_ADVICE, smallest=min(largest, 2)
        )

    def _chunk(self, images: Images, span: range, cameras: KnownCameras | None) -> Geometry | None:
        told = {} if cameras is None else conditioning(cameras.part(span))
        answer = self.network({"images": images[span.start : span.stop]} | told)
        encoding = answer["pose"]
        grid = (answer["depth"].shape[1], answer["depth"].shape[2])
        T_camera_world = world_to_camera(encoding)
        if not np.isfinite(T_camera_world).all():
            raise EngineError(_not_finite("poses", span.start, span.stop - 1))
        unmeasured = ~np.isfinite(answer["depth"]).any(axis=(1, 2))
        if unmeasured.any():
            raise EngineError(_not_finite("depth", span.start + int(unmeasured.argmax()), span.stop - 1))
        self.progress("geometry: depth", span.stop, len(images))
        geometry = Geometry(
            depth=answer["depth"],
            confidence=_share(answer["confidence"]),
            intrinsics=intrinsics(encoding, grid),
            T_camera_world=T_camera_world,
            metric=self.variant.metric,
            origin=DepthOrigin.NETWORK,
        )
        return geometry if cameras is None else _in_world_of(cameras.part(span), geometry)


def _in_world_of(cameras: KnownCameras, geometry: Geometry) -> Geometry | None:
    """Return a geometry with the cameras given and its depth in their units; None where they do not tell its scale."""
    depth = geometry.depth[np.isfinite(geometry.depth)]
    scale = path_scale(cameras.T_camera_world, geometry.T_camera_world, float(np.median(depth)))
    if scale is None:
        return None
    return replace(
        geometry,
        depth=geometry.depth / np.float32(scale),
        intrinsics=cameras.intrinsics,
        T_camera_world=cameras.T_camera_world,
        metric=cameras.metric,
    )


def _not_finite(what: str, first: int, last: int) -> str:
    return (
        f"DA3: the {what} of frames {first} to {last} are not finite; the weights are damaged, or half precision does"
        " not hold their values: run in fp32 (--engines.geometry da3-torch --runtime.device cpu)"
    )


def _share(confidence: Float32[np.ndarray, "n h w"]) -> Float32[np.ndarray, "n h w"]:
    """Map the network's confidence, `1 + exp(x)`, to the logistic of `x`; what is not a number is not trusted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 1 - 1 / confidence
    return np.clip(np.nan_to_num(share, nan=0.0), 0, 1)


def relative_confidence(share: Float32[np.ndarray, "n h w"], config: Da3Config) -> Float32[np.ndarray, "n h w"]:
    """Map confidence so that 0.5 is the least that upstream trusts in this window.

    `share` is `1 - 1/c` of the network's confidence `c = 1 + exp(x)`, of all frames of a window.

    Returns:
        The logistic of `x - x_gate`, in [0, 1], where the gate is `c = min(max(floor, percentile), max percentile)`.
    """
    low, high = np.percentile(share, [config.conf_percentile, config.conf_max_percentile])
    gate = np.float32(min(max(1 - 1 / config.conf_floor, float(low)), float(high)))
    accepted, rejected = share * (1 - gate), (1 - share) * gate
    total = accepted + rejected  # 0 where all is certain, to the last digit
    relative = np.divide(accepted, total, out=np.zeros_like(share), where=total > 0)
    trusted = (share >= gate) & (share > 0)
    return np.where(trusted, np.maximum(relative, np.float32(0.5)), np.minimum(relative, _BELOW_GATE))


def intrinsics(encoding: PoseEncoding, grid: GridShape) -> Float64[np.ndarray, "n 3 3"]:
    """Return the pinhole matrices of encoded cameras, for images of a grid.

    The principal point is the image's middle, `(width / 2, height / 2)`, as upstream has it.
    """
    height, width = grid
    half = np.array([width, height], np.float64) / 2
    tangent = np.maximum(np.tan(encoding[:, [8, 7]].astype(np.float64) / 2), _SMALLEST_TANGENT)
    K = np.zeros((len(encoding), 3, 3))
    K[:, [0, 1], [0, 1]] = half / tangent
    K[:, :2, 2] = half
    K[:, 2, 2] = 1
    return K


def world_to_camera(encoding: PoseEncoding) -> Float64[np.ndarray, "n 4 4"]:
    """Return the poses `T_camera_world` of encoded cameras.

    They are not finite where a quaternion, which need not have length 1, is zero or the encoding is not finite.
    """
    centre, quaternion = encoding[:, :3].astype(np.float64), encoding[:, 3:7].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y, z, w = (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).T
    R_world_camera = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], axis=1),
            np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], axis=1),
            np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], axis=1),
        ],
        axis=1,
    )
    T_camera_world = np.tile(np.eye(4), (len(encoding), 1, 1))
    T_camera_world[:, :3, :3] = R_world_camera.transpose(0, 2, 1)
    T_camera_world[:, :3, 3] = -np.einsum("nij,nj->ni", T_camera_world[:, :3, :3], centre)
    return T_camera_world
