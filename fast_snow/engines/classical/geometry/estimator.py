"""Depth and poses from colour alone: structure from motion, then triangulated optical flow.

Where the camera does not move enough for that, depth is a ground-plane guess and the geometry says so.
"""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from fast_snow.cameras import rescale
from fast_snow.config import ClassicalGeometryConfig
from fast_snow.engines.classical.flow import gray, opencv_threads, workers
from fast_snow.engines.classical.geometry.camera_path import (
    CameraPath,
    given_path,
    measured_path,
    neighbours,
    reconstructed_path,
    turning_path,
)
from fast_snow.engines.classical.geometry.depth_completion import ASSUMED, UNKNOWN, complete
from fast_snow.engines.classical.geometry.feature_matches import with_matches
from fast_snow.engines.classical.geometry.ground_plane import ground_depth
from fast_snow.engines.classical.geometry.structure_from_motion import GUESSED_FOCAL_SIGMA, guessed_intrinsics
from fast_snow.engines.classical.geometry.triangulation import TriangulatedDepth, triangulate
from fast_snow.engines.classical.neighbour_flow import FlowStore
from fast_snow.errors import FastSnowWarning
from fast_snow.freed_memory import return_freed_memory
from fast_snow.inputs.sampling import shrunk_size
from fast_snow.point_matches import rescaled, track_points
from fast_snow.protocols import GeometryEngine, Progress, silent
from fast_snow.types import DepthOrigin, Frames, Geometry, GeometryPrior, GridShape, TrackedPoints

Prior = Callable[[Frames], GeometryPrior]


@contextmanager
def open_geometry(
    config: ClassicalGeometryConfig,
    *,
    seed: int,
    threads: int,
    prior: Prior | None = None,
    flows: FlowStore | None = None,
    progress: Progress = silent,
) -> Iterator[GeometryEngine]:
    """Open the engine that estimates depth and poses without weights.

    Args:
        config: sizes and limits.
        seed: of random samples; one seed, one result.
        threads: how many may be used; 0 takes one per core.
        prior: tells what the input already knows; given poses or depth make the answer metric.
        flows: what the engines of a run share; None for one of its own.
        progress: told how far the work is.

    Yields:
        The engine. Its answers own their arrays; the world is any fixed frame.
    """
    with workers(threads) as pool:
        yield _Engine(config, seed, threads, prior, flows or FlowStore(seed), progress, pool)


@dataclass(frozen=True, slots=True)
class _Engine:
    config: ClassicalGeometryConfig
    seed: int
    threads: int
    prior: Prior | None
    flows: FlowStore
    progress: Progress
    pool: Executor

    def __call__(self, frames: Frames) -> Geometry:
        known = GeometryPrior() if self.prior is None else self.prior(frames)
        size = frames.image.shape[1:3]
        sfm_shape = shrunk_size(size, self.config.sfm_res)
        followed = [rescaled(each, size, sfm_shape) for each in frames.points if each is not None]
        every_frame = len(frames) == len(followed) and bool((np.diff(frames.source_frame) == 1).all())
        points = followed if every_frame else self._follow(frames, sfm_shape)
        K = _known_intrinsics(known, size, sfm_shape)
        if known.T_camera_world is not None:
            return self._along_given_path(frames, points, known, K, sfm_shape)
        if known.depth is not None:
            points = with_matches(points, gray(frames.image, sfm_shape))
            path = measured_path(points, known.depth, sfm_shape, self.config, intrinsics=K, seed=self.seed)
            return _with_given_depth(known.depth, path, sfm_shape, metric=known.metric)
        found = self._reconstructed(frames, points, sfm_shape, K)
        followed = followed or points
        if found is not None and not found.fits(followed, 0.0):
            # Too fast for the clip's own frames: the source's frames between show more.
            again = None
            if not every_frame:
                again = reconstructed_path(followed, sfm_shape, self.config, intrinsics=K, seed=self.seed)
            found = next((each for each in (again, found) if each is not None and each.fits(followed)), None)
        answer = None if found is None else self._triangulate(frames, found, sfm_shape, metric=False)
        # A path that fits few pixels is that of something which moves.
        if answer is None or (answer.confidence > ASSUMED).mean() < self.config.min_measured:
            pairs = neighbours(with_matches(followed, gray(frames.image, sfm_shape)))
            return self._guess(frames, turning_path(pairs, sfm_shape, K), sfm_shape, K)
        return answer

    def _reconstructed(
        self, frames: Frames, points: list[TrackedPoints], shape: GridShape, K: Float64[np.ndarray, "3 3"] | None
    ) -> CameraPath | None:
        """Reconstruct the path on one core, while the others search for the flow that depth is triangulated from."""
        with ThreadPoolExecutor(1) as beside:
            if self.threads != 1:
                beside.submit(
                    self.flows, frames, shrunk_size(frames.image.shape[1:3], self.config.process_res), self.pool
                )
            return reconstructed_path(points, shape, self.config, intrinsics=K, seed=self.seed)

    def _follow(self, frames: Frames, shape: GridShape) -> list[TrackedPoints]:
        points = []
        with opencv_threads(self.threads):
            images = ([each] for each in gray(frames.image, shape))
            for each in track_points(images, max_points=self.config.max_points):
                points.append(each)
                self.progress("geometry: points", len(points), len(frames))
        return points

    def _along_given_path(
        self,
        frames: Frames,
        points: list[TrackedPoints],
        known: GeometryPrior,
        K: Float64[np.ndarray, "3 3"] | None,
        shape: GridShape,
    ) -> Geometry:
        assert known.T_camera_world is not None
        if K is None:
            warnings.warn("poses without intrinsics: assuming a default focal length", FastSnowWarning, stacklevel=3)
            K = guessed_intrinsics(shape)
        path = given_path(points, known.T_camera_world, K, self.config.max_gap)
        if known.depth is not None:
            return _with_given_depth(known.depth, path, shape, metric=known.metric)
        if path.moves(self.config.min_baseline):
            return self._triangulate(frames, path, shape, metric=known.metric)
        warnings.warn(
            "the baseline of the given poses is too small to triangulate depth: assuming a ground plane and keeping"
            " only the rotations",
            FastSnowWarning,
            stacklevel=3,
        )
        return self._guess(frames, path, shape, path.intrinsics)

    def _triangulate(self, frames: Frames, path: CameraPath, shape: GridShape, *, metric: bool) -> Geometry:
        grid = shrunk_size(frames.image.shape[1:3], self.config.process_res)
        K = np.tile(rescale(path.intrinsics, shape, grid), (len(frames), 1, 1))
        typical = np.where(np.isfinite(path.typical_depth), path.typical_depth, np.nanmedian(path.typical_depth))
        return_freed_memory()  # of structure from motion
        depth = np.empty((len(frames), *grid), np.float32)
        confidence = np.empty_like(depth)

        def fill(i: int, measured: TriangulatedDepth) -> None:
            depth[i], confidence[i] = complete(measured, of_movers=UNKNOWN if metric else ASSUMED)

        measured = triangulate(
            gray(frames.image, grid),
            K,
            path.T_camera_world,
            typical,
            max_gap=self.config.max_gap,
            pool=self.pool,
            report=lambda done, total: self.progress("geometry: depth", done, total),
            neighbours=lambda: self.flows(frames, grid, self.pool),
        )
        for filled in [self.pool.submit(fill, i, each) for i, each in enumerate(measured)]:
            filled.result()
        return Geometry(
            depth=depth,
            confidence=confidence,
            intrinsics=K,
            T_camera_world=path.T_camera_world,
            metric=metric,
            origin=DepthOrigin.TRIANGULATED,
        )

    def _guess(
        self, frames: Frames, path: CameraPath, shape: GridShape, known_intrinsics: Float64[np.ndarray, "3 3"] | None
    ) -> Geometry:
        """Answer with the ground plane; poses that move mean nothing in its unit, so only rotations are kept."""
        grid = shrunk_size(frames.image.shape[1:3], self.config.process_res)
        K = rescale(path.intrinsics, shape, grid)
        T_camera_world = path.T_camera_world.copy()
        T_camera_world[:, :3, 3] = 0.0
        depth = ground_depth(K, T_camera_world[:, :3, :3], grid)
        return Geometry(
            depth=depth,
            confidence=np.full_like(depth, ASSUMED),
            intrinsics=np.tile(K, (len(frames), 1, 1)),
            T_camera_world=T_camera_world,
            metric=False,
            origin=DepthOrigin.GROUND_PLANE_PRIOR,
            focal_sigma=GUESSED_FOCAL_SIGMA if known_intrinsics is None else 0.0,
        )


def _known_intrinsics(known: GeometryPrior, size: GridShape, shape: GridShape) -> Float64[np.ndarray, "3 3"] | None:
    """Return the given pinhole matrix for images of `shape`."""
    if known.intrinsics is None:
        return None
    given_for = size if known.depth is None else (known.depth.shape[1], known.depth.shape[2])
    return rescale(known.intrinsics[0], given_for, shape)


def _with_given_depth(
    depth: Float32[np.ndarray, "n h w"], path: CameraPath, shape: GridShape, *, metric: bool
) -> Geometry:
    """Answer with the given depth and a path in its unit."""
    grid = (depth.shape[1], depth.shape[2])
    return Geometry(
        depth=depth,
        confidence=(depth > 0).astype(np.float32),
        intrinsics=np.tile(rescale(path.intrinsics, shape, grid), (len(depth), 1, 1)),
        T_camera_world=path.T_camera_world,
        metric=metric,
        origin=DepthOrigin.SENSOR,
    )
