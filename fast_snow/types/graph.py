"""What comes out: STEP tokens, tracks, the camera's path and the 4D scene graph."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from fast_snow.types.masks import Masks
from fast_snow.types.perception import DepthOrigin
from fast_snow.types.values import NO_SOURCE, Columns, GridShape, ReadOnlyArrays, counted, span


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ObjectStatistics(Columns):
    """Shape statistics of `m` objects in one frame (SNOW, arXiv 2512.16461, section 3: c and s of a STEP token).

    Attributes:
        count: how many pixels had usable depth.
        mean: centroid in world coordinates.
        sigma: population standard deviation per world axis.
        low: minimum per world axis.
        high: maximum per world axis.

    All but `count` are NaN where `count` is 0.
    """

    count: Int32[np.ndarray, " m"]
    mean: Float64[np.ndarray, "m 3"]
    sigma: Float64[np.ndarray, "m 3"]
    low: Float64[np.ndarray, "m 3"]
    high: Float64[np.ndarray, "m 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageRegion(ReadOnlyArrays):
    """Place, size and shape of a whole mask in the image, whether its pixels have depth or not.

    Attributes:
        area: in pixels of the analysis grid; -1 where nothing is known of the region.
        box: x0, y0, x1, y1 in pixels, half-open; -1 where not known.
        centroid: mean u and v of its pixels; NaN where not known.
        covariance: second central moments uu, uv, vv of its pixels in pixels squared; NaN where not known.
    """

    area: int = -1
    box: Int32[np.ndarray, "4"] = field(default_factory=lambda: np.full(4, -1, np.int32))
    centroid: Float32[np.ndarray, "2"] = field(default_factory=lambda: np.full(2, np.nan, np.float32))
    covariance: Float32[np.ndarray, "3"] = field(default_factory=lambda: np.full(3, np.nan, np.float32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class StepToken(ReadOnlyArrays):
    """One object at one `t`: tau, c and s of its STEP token (theta belongs to the track).

    Attributes:
        t: index in the clip.
        row: rows of the grid cells the object covers.
        col: their columns.
        coverage: share of each cell's pixels inside the mask, in [0, 1].
        centroid: mean of the object's measured points in world coordinates.
        sigma: population standard deviation per world axis.
        low: minimum per world axis.
        high: maximum per world axis.
        num_points: how many pixels with usable depth were measured (inside `step.mask_margin`, no outliers).
        score: the tracker's confidence in [0, 1].
        region: of the whole mask in the image.
    """

    t: int
    row: UInt8[np.ndarray, " cells"]
    col: UInt8[np.ndarray, " cells"]
    coverage: Float32[np.ndarray, " cells"]
    centroid: Float32[np.ndarray, "3"]
    sigma: Float32[np.ndarray, "3"]
    low: Float32[np.ndarray, "3"]
    high: Float32[np.ndarray, "3"]
    num_points: int
    score: float
    region: ImageRegion = field(default_factory=ImageRegion)

    def _summary(self) -> str:
        place = ", ".join(f"{each:.3g}" for each in self.centroid.tolist())
        cells = counted(len(self.row), "cell")
        return f"t={self.t}, centroid ({place}), {cells}, {counted(self.num_points, 'point')}, score {self.score:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sighting(ReadOnlyArrays):
    """One object at a `t` at which it was seen, but had too few pixels of trusted depth to be placed in the world.

    Attributes:
        t: index in the clip.
        row: rows of the grid cells the object covers.
        col: their columns.
        coverage: share of each cell's pixels inside the mask, in [0, 1].
        score: the tracker's confidence in [0, 1].
        region: of the whole mask in the image.
    """

    t: int
    row: UInt8[np.ndarray, " cells"]
    col: UInt8[np.ndarray, " cells"]
    coverage: Float32[np.ndarray, " cells"]
    score: float
    region: ImageRegion = field(default_factory=ImageRegion)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Track(ReadOnlyArrays):
    """One object through time.

    Attributes:
        object_id: its global id.
        observations: its STEP tokens in time order (`F_k`), at least one: what was never placed is no track.
        theta: first and last `t` of its STEP tokens; a windowed view keeps the true first.
        source_id: the object's number in the input, where the input records identities.
        unplaced: where it was seen at any other `t`, in time order.
    """

    object_id: int
    observations: tuple[StepToken, ...]
    theta: tuple[int, int]
    source_id: int | None = None
    unplaced: tuple[Sighting, ...] = ()

    def _summary(self) -> str:
        first, last = self.theta
        unplaced = f", {len(self.unplaced)} unplaced" if self.unplaced else ""
        return f"object {self.object_id}, {counted(len(self.observations), 'observation')}, t {first}-{last}{unplaced}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Ego(Columns):
    """The camera's path: position and orientation in the world (`T_world_camera`), and its intrinsics.

    Attributes:
        t: index in the clip.
        time_s: presentation time in seconds.
        source_frame: index in the input.
        position: camera centre in world coordinates.
        quaternion_xyzw: rotation from camera to world.
        intrinsics: fx, fy, cx, cy on the analysis grid.
    """

    t: Int32[np.ndarray, " n"]
    time_s: Float64[np.ndarray, " n"]
    source_frame: Int64[np.ndarray, " n"]
    position: Float32[np.ndarray, "n 3"]
    quaternion_xyzw: Float32[np.ndarray, "n 4"]
    intrinsics: Float32[np.ndarray, "n 4"]

    @property
    def T_world_camera(self) -> Float64[np.ndarray, "n 4 4"]:
        """Camera-to-world poses; the rotation is NaN where none is known."""
        from scipy.spatial.transform import Rotation

        T = np.tile(np.eye(4), (len(self), 1, 1))
        quaternion = self.quaternion_xyzw.astype(np.float64)
        norm = np.linalg.norm(quaternion, axis=1)
        known = np.isfinite(norm) & (norm > 0)
        T[:, :3, :3] = np.nan
        if known.any():
            T[known, :3, :3] = Rotation.from_quat(quaternion[known]).as_matrix()
        T[:, :3, 3] = self.position
        return T

    def _summary(self) -> str:
        path = np.linalg.norm(np.diff(self.position, axis=0), axis=1).sum()
        return f"{counted(len(self), 'pose')}, {span(self.t, self.time_s)}, path of {path:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """An image that the graph points to, by path relative to the graph's file."""

    t: int
    source_frame: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """From `t` on, the masklet that had been object `dropped` is object `kept`, and why.

    `dropped` is None where the masklet joined `kept` at first sight, without an identity of its own before.
    """

    t: int
    kept: int
    dropped: int | None
    iou: float
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SceneGraph(ReadOnlyArrays):
    """The 4D scene graph: tracks, the camera's path and what is needed to read them.

    Attributes:
        grid_size: tau counts cells of a `grid_size` x `grid_size` grid.
        analysis_grid: height and width of the pixel grid that intrinsics and tau refer to.
        metric: whether lengths are in metres; otherwise they share one unknown scale.
        depth_origin: where depth comes from, in the order in which the clip's windows met it.
        ego: the camera's path.
        tracks: by object id, in the order of first appearance.
        keyframes: images of the clip.
        merges: every decision that two masklets are one object.
        segments: first and last `t` of each stretch of the clip that has a world and a scale of its own; empty where
            all of it has one.
    """

    grid_size: int
    analysis_grid: GridShape
    metric: bool
    depth_origin: tuple[DepthOrigin, ...]
    ego: Ego
    tracks: Mapping[int, Track] = field(default_factory=lambda: MappingProxyType({}))
    keyframes: tuple[Keyframe, ...] = ()
    merges: tuple[Merge, ...] = ()
    segments: tuple[tuple[int, int], ...] = ()

    def segment_of(self, t: int) -> int:
        """Return the index of the segment that frame `t` lies in."""
        return max(bisect_right(self.segments, t, key=lambda each: each[0]) - 1, 0)

    @property
    def num_frames(self) -> int:
        """How many frames the graph spans."""
        return len(self.ego)

    def table(self) -> dict[str, np.ndarray]:
        """Return every observation as one row of equally long columns; pandas and polars take it as it is.

        Returns:
            By name: `object_id`, `source_id` (-1 where the input records none), `t`, `time_s`, the centroid `x`, `y`,
            `z`, then `sigma_*`, `min_*` and `max_*` per world axis, `num_points`, `score`, `num_cells` of tau, and
            the mask's `area` and centroid `u`, `v` in the image.

        Examples:
            >>> table = fast_snow.load("out/scene").table()  # pandas.DataFrame(table), polars.DataFrame(table)
            >>> table["t"][table["object_id"] == 5].tolist()
            [2, 3]
        """
        rows = [(track, token) for track in self.tracks.values() for token in track.observations]
        times = dict(zip(self.ego.t.tolist(), self.ego.time_s.tolist(), strict=True))
        sources = [NO_SOURCE if track.source_id is None else track.source_id for track, _ in rows]
        columns: dict[str, np.ndarray] = {
            "object_id": np.array([track.object_id for track, _ in rows], np.int32),
            "source_id": np.array(sources, np.int32),
            "t": np.array([token.t for _, token in rows], np.int32),
            "time_s": np.array([times[token.t] for _, token in rows], np.float64),
        }
        for name, prefix in (("centroid", ""), ("sigma", "sigma_"), ("low", "min_"), ("high", "max_")):
            values = np.array([getattr(token, name) for _, token in rows], np.float32).reshape(-1, 3)
            columns |= {f"{prefix}{axis}": values[:, i].copy() for i, axis in enumerate("xyz")}
        columns |= {
            "num_points": np.array([token.num_points for _, token in rows], np.int64),
            "score": np.array([token.score for _, token in rows], np.float32),
            "num_cells": np.array([len(token.row) for _, token in rows], np.int32),
            "area": np.array([token.region.area for _, token in rows], np.int64),
        }
        image = np.array([token.region.centroid for _, token in rows], np.float32).reshape(-1, 2)
        columns |= {"u": image[:, 0].copy(), "v": image[:, 1].copy()}
        return columns

    def window(self, *, t: int, length: int, stride: int = 1) -> "SceneGraph":
        """Return the view `M_t`: what was seen at `t`, `t - stride`, … within the last `length` strides.

        An object that has no STEP token in them is not in the view, as it is in no graph.

        Args:
            t: index of the view's last frame.
            length: how many frames the view spans; 0 spans everything up to `t`.
            stride: distance between the view's frames.

        Reference:
            SNOW, arXiv 2512.16461, section 3 (the sliding window over the 4DSG).

        Examples:
            >>> graph = fast_snow.load("out/scene")
            >>> graph.window(t=3, length=2)
            SceneGraph(2 frames, t 2-3, 0.20-0.30 s, 7 tracks, 14 observations, metric, 0 keyframes)
        """

        def seen(when: int) -> bool:
            return oldest <= when <= t and (t - when) % stride == 0

        oldest = t - length * stride + 1 if length else 0
        tracks = {}
        for object_id, track in self.tracks.items():
            # Observations are in time order: a live view must not walk through all that was ever seen.
            first = bisect_left(track.observations, oldest, key=lambda each: each.t)
            last = bisect_right(track.observations, t, key=lambda each: each.t)
            observations = tuple(each for each in track.observations[first:last] if seen(each.t))
            if observations:
                tracks[object_id] = replace(
                    track,
                    observations=observations,
                    theta=(track.theta[0], observations[-1].t),
                    unplaced=tuple(each for each in track.unplaced if seen(each.t)),
                )
        return replace(
            self,
            ego=self.ego[(self.ego.t >= oldest) & (self.ego.t <= t) & ((t - self.ego.t) % stride == 0)],
            tracks=MappingProxyType(tracks),
            keyframes=tuple(each for each in self.keyframes if seen(each.t)),
            merges=tuple(each for each in self.merges if seen(each.t)),
        )

    def _summary(self) -> str:
        observations = sum(len(track.observations) for track in self.tracks.values())
        parts = [counted(self.num_frames, "frame"), span(self.ego.t, self.ego.time_s)]
        parts += [counted(len(self.tracks), "track"), counted(observations, "observation")]
        return ", ".join([*parts, "metric" if self.metric else "unscaled", counted(len(self.keyframes), "keyframe")])

    def _repr_html_(self) -> str:
        """Return the tracks as a table, for notebooks."""
        unit = " m" if self.metric else ""
        cells = "".join(
            f"<tr><td>{track.object_id}</td><td>{len(track.observations)}</td>"
            f"<td>{track.theta[0]}-{track.theta[1]}</td>"
            f"<td>({', '.join(f'{each:.2f}' for each in track.observations[-1].centroid.tolist())}){unit}</td></tr>"
            for track in self.tracks.values()
        )
        head = "<tr><th>object</th><th>observations</th><th>t</th><th>last centroid</th></tr>"
        return f"<p>{self!r}</p><table>{head}{cells}</table>"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LabelledMasks(Columns):
    """The masks of one frame with the objects they belong to: what a picture or a tracking metric needs.

    Attributes:
        t: index in the clip.
        object_id: global ids, each at most once.
        masks: one mask per id, on the analysis grid.
    """

    t: int
    object_id: Int32[np.ndarray, " m"]
    masks: Masks

    def _summary(self) -> str:
        return f"t={self.t}, {self.masks!r}"
