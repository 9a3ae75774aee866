"""Flow between neighbouring frames of a window and what it shows, computed once and shared by all engines that ask.

Dense search from coarse to fine fails where the camera turns fast. Where a quarter of the flow does not come back to
where it started, it is searched again after the camera's homography has been taken out; each pixel keeps what comes
back better. Elsewhere that would harm: an object that the camera follows hardly moves in the image until it is taken
out.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from threading import Lock
from typing import NamedTuple
from weakref import ReferenceType, ref

import cv2
import numpy as np
from jaxtyping import Float16, Float32, Float64, UInt8

from fast_snow.engines.classical.flow import consistency, flow_between, gray
from fast_snow.engines.classical.warping import Flow, fetch, pixel_grid
from fast_snow.types import Frames, GridShape, ImageStack

Gray = UInt8[np.ndarray, "h w"]
Homography = Float64[np.ndarray, "3 3"]

_STEP = 4  # every so many-th pixel of the coarse flow is a correspondence
_INLIER = 1.0  # pixels of the coarse flow
_LEAST_POINTS = 16
_LARGEST_GAIN = 2.0
_LEAST_SIDE = 16
_RETURNS = 1.0  # pixels there and back
_LEAST_RETURNING = 0.75  # share of the image
_INTERPOLATED = 1e-3  # pixels


class NeighbourFlow(NamedTuple):
    """The motion between a frame and the next.

    Attributes:
        homography: maps pixels of the frame to the next; what most of the image follows.
        forward: flow from the frame to the next.
        backward: flow from the next frame to this one.
    """

    homography: Homography
    forward: "PackedFlow"
    backward: "PackedFlow"

    def both(self) -> tuple[Flow, Flow]:
        """Return the flow forward and backward."""
        return self.forward.unpacked(), self.backward.unpacked()


class PackedFlow(NamedTuple):
    """Flow in half precision (1/32 pixel from 32 to 64 pixels), at half the size where it was enlarged from that.

    Attributes:
        flow: in pixels of the full size.
        shape: the full size.
    """

    flow: Float16[np.ndarray, "rows columns 2"]
    shape: GridShape

    @classmethod
    def of(cls, flow: Flow) -> "PackedFlow":
        """Pack a flow. Dense search ends at half the size and interpolates; so nothing of what it found is lost."""
        shape = (flow.shape[0], flow.shape[1])
        small = flow
        if min(shape) > 1 and not any(side % 2 for side in shape):
            small = _halved(_halved(flow).swapaxes(0, 1)).swapaxes(0, 1)
            small = small if float(cv2.absdiff(_enlarged(small, shape), flow).max()) < _INTERPOLATED else flow
        return cls(small.astype(np.float16, order="C"), shape)

    def unpacked(self) -> Flow:
        """Return the flow at full size in single precision."""
        flow = self.flow.astype(np.float32)
        return flow if flow.shape[:2] == self.shape else _enlarged(flow, self.shape)


class FlowStore:
    """Keeps the flow of one window, and what moves in it, for as long as its images are kept."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = Lock()
        self._images: ReferenceType[ImageStack] | None = None
        self._flows: dict[GridShape, Sequence[NeighbourFlow]] = {}
        self._moves: Sequence[Float32[np.ndarray, "h w"]] | None = None

    def __call__(self, frames: Frames, grid: GridShape, pool: Executor) -> Sequence[NeighbourFlow]:
        """Return the flow from each frame but the last to the next.

        Args:
            frames: consecutive images; they are known again by their array, whatever engine asks.
            grid: height and width on which flow is asked for.
            pool: runs pairs of frames side by side where flow is not known yet.

        Returns:
            The flow of each pair of neighbours; not to be written to.
        """
        with self._lock:
            self._begin(frames)
            if grid not in self._flows:
                self._flows[grid] = neighbour_flows(gray(frames.image, grid), self._seed, pool)
            return self._flows[grid]

    def keep_moves(self, frames: Frames, moves: Sequence[Float32[np.ndarray, "h w"]]) -> None:
        """Keep how clearly each pixel moves by itself, in every frame: log-odds on a grid of any size."""
        with self._lock:
            self._begin(frames)
            self._moves = moves

    def moves(self, frames: Frames) -> Sequence[Float32[np.ndarray, "h w"]] | None:
        """Return what was kept of these frames; `None` if nothing was."""
        with self._lock:
            return self._moves if self._images is not None and self._images() is frames.image else None

    def _begin(self, frames: Frames) -> None:
        if self._images is None or self._images() is not frames.image:
            self._flows, self._moves = {}, None
            self._images = ref(frames.image, self._forget)

    def _forget(self, images: "ReferenceType[ImageStack]") -> None:
        if self._images is images:
            self._flows, self._moves = {}, None


def neighbour_flows(grays: UInt8[np.ndarray, "n h w"], seed: int, pool: Executor) -> Sequence[NeighbourFlow]:
    """Return the flow from each image but the last to the next."""
    return list(pool.map(lambda a: _between(grays[a], grays[a + 1], seed), range(len(grays) - 1)))


def _between(gray_a: Gray, gray_b: Gray, seed: int) -> NeighbourFlow:
    homography = _camera_homography(gray_a, gray_b, seed)
    flow = flow_between(gray_a, gray_b), flow_between(gray_b, gray_a)
    distance = consistency(*flow), consistency(*flow[::-1])
    if min(float((each < _RETURNS).mean()) for each in distance) < _LEAST_RETURNING:
        back = np.linalg.inv(homography)
        other = _stabilised_flow(gray_a, gray_b, homography), _stabilised_flow(gray_b, gray_a, back)
        better = consistency(*other) < distance[0], consistency(*other[::-1]) < distance[1]
        flow = (
            np.where(better[0][..., None], other[0], flow[0]),
            np.where(better[1][..., None], other[1], flow[1]),
        )
    return NeighbourFlow(homography, *(PackedFlow.of(each) for each in flow))


def _halved(flow: Float32[np.ndarray, "n m 2"]) -> Float32[np.ndarray, "k m 2"]:
    """Return the rows from which linear interpolation made twice as many."""
    return np.concatenate([flow[:1], 1.5 * flow[2::2] - 0.5 * flow[1:-1:2]])


def _enlarged(flow: Float32[np.ndarray, "rows columns 2"], shape: GridShape) -> Flow:
    return cv2.resize(np.ascontiguousarray(flow), shape[::-1], interpolation=cv2.INTER_LINEAR)


def _camera_homography(gray_a: Gray, gray_b: Gray, seed: int) -> Homography:
    """Estimate the homography that most of the image follows, however fast the camera turns.

    The identity where none explains the flow. That of flow at full size is worse: it follows ripples of water.

    Reference:
        D. Barath et al. MAGSAC++, a Fast, Reliable and Accurate Robust Estimator. CVPR 2020.
    """
    h, w = gray_a.shape
    small = (max(1, w // 2), max(1, h // 2))
    flow = _coarse_flow(*(cv2.resize(each, small, interpolation=cv2.INTER_AREA) for each in (gray_a, gray_b)))
    found = _most_followed(flow, seed)
    # Centres of coarse and full pixels differ by half a pixel of their difference in size.
    u, v = w / small[0], h / small[1]
    to_full = np.array([[u, 0, (u - 1) / 2], [0, v, (v - 1) / 2], [0, 0, 1.0]])
    full = to_full @ found @ np.linalg.inv(to_full)
    return full / full[2, 2]


def _most_followed(flow: Flow, seed: int) -> Homography:
    h, w = flow.shape[:2]
    start = pixel_grid(h, w)[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP].reshape(-1, 2)
    end = start + flow[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP].reshape(-1, 2)
    stays = ((end >= 0) & (end <= (w - 1, h - 1))).all(axis=1)
    if stays.sum() < _LEAST_POINTS:
        return np.eye(3)
    how = cv2.UsacParams()
    how.score = cv2.SCORE_METHOD_MAGSAC
    how.threshold = _INLIER
    how.maxIterations = 2000
    how.randomGeneratorState = seed
    found, _ = cv2.findHomography(start[stays], end[stays], how)
    if found is None or not np.isfinite(found).all() or not found[2, 2]:
        return np.eye(3)
    found = found / found[2, 2]
    return found if 1 / _LARGEST_GAIN < np.linalg.det(found) < _LARGEST_GAIN else np.eye(3)


def _coarse_flow(gray_a: Gray, gray_b: Gray) -> Flow:
    """Return the flow, searched from no shift or from the one at which the images correlate best: pans can be fast."""
    shape = gray_a.shape[::-1]
    if min(shape) < _LEAST_SIDE:
        return flow_between(gray_a, gray_b)
    window = cv2.createHanningWindow(shape, cv2.CV_32F)
    shift, _ = cv2.phaseCorrelate(gray_a.astype(np.float32), gray_b.astype(np.float32), window)
    starts = [np.array([[1, 0, u], [0, 1, v], [0, 0, 1.0]]) for u, v in ((0.0, 0.0), shift)]
    return _stabilised_flow(gray_a, gray_b, min(starts, key=lambda start: _mismatch(gray_a, gray_b, start)))


def _mismatch(gray_a: Gray, gray_b: Gray, homography: Homography) -> float:
    moved = fetch(gray_b, apply_homography(homography, pixel_grid(*gray_a.shape)))
    return float(cv2.absdiff(gray_a, moved).mean())


def apply_homography(homography: Homography, points: Float32[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w 2"]:
    """Return where a homography takes pixels."""
    return cv2.perspectiveTransform(points.reshape(1, -1, 2), homography).reshape(points.shape).astype(np.float32)


def _stabilised_flow(gray_a: Gray, gray_b: Gray, homography: Homography) -> Flow:
    """Return the flow from `gray_a` to `gray_b`, searched after `gray_b` has been warped by the camera's homography.

    Dense search from coarse to fine loses small things that move far; most of that distance is the camera's.
    """
    h, w = gray_a.shape
    grid = pixel_grid(h, w)
    where = apply_homography(homography, grid)
    return apply_homography(homography, grid + flow_between(gray_a, fetch(gray_b, where))) - grid
