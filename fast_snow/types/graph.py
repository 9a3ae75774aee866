"""What comes out: tracks, the camera's path and the 4D scene graph."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from fast_snow.types.image_motion import BackgroundMotion
from fast_snow.types.log import AnyDated, Log
from fast_snow.types.masks import Masks
from fast_snow.types.observations import Observations, Sightings
from fast_snow.types.perception import DepthOrigin
from fast_snow.types.tokens import Sighting, StepToken
from fast_snow.types.values import NO_SOURCE, Columns, GridShape, ReadOnlyArrays, Unknown, counted, span

if TYPE_CHECKING:
    _Observations = Observations
    _Sightings = Sightings
else:  # a track is also made of a sequence of tokens
    _Observations = Observations | Sequence[StepToken]
    _Sightings = Sightings | Sequence[Sighting]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Track(ReadOnlyArrays):
    """One object through time.

    Attributes:
        object_id: its global id.
        observations: its STEP tokens in time order (`F_k`), at least one: what was never placed is no track. A sequence
            over columns; may be given as a sequence of tokens.
        theta: first and last `t` of its STEP tokens; a windowed view keeps the true first.
        source_id: the object's number in the input, where the input records identities.
        unplaced: where it was seen at any other `t`, in time order; may be given as a sequence of sightings.
    """

    object_id: int
    observations: _Observations
    theta: tuple[int, int]
    source_id: int | None = None
    unplaced: _Sightings = field(default_factory=lambda: Sightings.of(()))

    def __post_init__(self) -> None:
        for name, columns in (("observations", Observations), ("unplaced", Sightings)):
            if not isinstance(getattr(self, name), columns):
                object.__setattr__(self, name, columns.of(getattr(self, name)))

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
        focal_sigma: standard deviation of the focal length as a share of it; NaN where it is not known (the default).
        background: how the background moves in the image; not tried by default.
    """

    unknown: ClassVar[Unknown] = {
        "focal_sigma": lambda ego: np.full(len(ego.t), np.nan, np.float32),
        "background": lambda ego: BackgroundMotion.untried(len(ego.t)),
    }
    t: Int32[np.ndarray, " n"]
    time_s: Float64[np.ndarray, " n"]
    source_frame: Int64[np.ndarray, " n"]
    position: Float32[np.ndarray, "n 3"]
    quaternion_xyzw: Float32[np.ndarray, "n 4"]
    intrinsics: Float32[np.ndarray, "n 4"]
    focal_sigma: Float32[np.ndarray, " n"] = None  # type: ignore[assignment]
    background: BackgroundMotion = None  # type: ignore[assignment]

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

    Attributes:
        t: index of the frame.
        kept: the object.
        dropped: None where the masklet joined `kept` at first sight, without an identity of its own before.
        iou: of the two masks; NaN where `kept` was recognised again (`fusion.reidentify`).
        distance: of their centroids; of a recognised object from where it was expected.
        gap: frames since `kept` had been seen, 0 where both masks are of one frame; -1 where not known.
        appearance: similarity of colours in [0, 1] of a recognised object, else NaN.
    """

    t: int
    kept: int
    dropped: int | None
    iou: float
    distance: float
    gap: int = -1
    appearance: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How a graph in an unknown scale came to metres: by lengths that are known.

    Attributes:
        metres_per_unit: what all lengths were multiplied by.
        relative_sigma: its standard deviation as a share of it; all lengths of the graph are off by it together.
        statements: how many lengths are known.
    """

    metres_per_unit: float
    relative_sigma: float
    statements: int


AnyInTime = TypeVar("AnyInTime", Observations, Sightings, Ego)


def _every(seen: AnyInTime, t: int, stride: int) -> AnyInTime:
    """Keep what was seen at `t`, `t - stride` and so on."""
    return seen if stride == 1 else seen[(t - seen.t) % stride == 0]


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
        scale: how its lengths came to metres, where they were not from the first.
    """

    grid_size: int
    analysis_grid: GridShape
    metric: bool
    depth_origin: tuple[DepthOrigin, ...]
    ego: Ego
    tracks: Mapping[int, Track] = field(default_factory=lambda: MappingProxyType({}))
    keyframes: tuple[Keyframe, ...] | Log[Keyframe] = ()
    merges: tuple[Merge, ...] | Log[Merge] = ()
    segments: tuple[tuple[int, int], ...] = ()
    scale: Scale | None = None

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
        tracks = tuple(self.tracks.values())
        counts = [len(track.observations) for track in tracks]
        sources = [NO_SOURCE if track.source_id is None else track.source_id for track in tracks]
        seen = Observations.of(()).followed_by(*(track.observations for track in tracks))
        order = np.argsort(self.ego.t, kind="stable")
        columns: dict[str, np.ndarray] = {
            "object_id": np.repeat(np.array([track.object_id for track in tracks], np.int32), counts),
            "source_id": np.repeat(np.array(sources, np.int32), counts),
            "t": seen.t,
            "time_s": self.ego.time_s[order[np.searchsorted(self.ego.t, seen.t, sorter=order)]],
        }
        for name, prefix in (("centroid", ""), ("sigma", "sigma_"), ("low", "min_"), ("high", "max_")):
            columns |= {f"{prefix}{axis}": getattr(seen, name)[:, i].copy() for i, axis in enumerate("xyz")}
        columns |= {
            "num_points": seen.num_points.astype(np.int64),
            "score": seen.score.astype(np.float32),
            "num_cells": np.diff(seen.cells.offset),
            "area": seen.area.astype(np.int64),
            "u": seen.uv[:, 0].copy(),
            "v": seen.uv[:, 1].copy(),
        }
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
        oldest = t - length * stride + 1 if length else 0
        tracks = {}
        for object_id, track in self.tracks.items():
            if track.theta[0] > t or track.theta[1] < oldest:
                continue
            observations = _every(track.observations.between(oldest, t), t, stride)
            if observations:
                tracks[object_id] = replace(
                    track,
                    observations=observations,
                    theta=(track.theta[0], int(observations.t[-1])),
                    unplaced=_every(track.unplaced.between(oldest, t), t, stride),
                )

        def within(entries: Sequence[AnyDated]) -> tuple[AnyDated, ...]:
            recent = entries.since(oldest) if isinstance(entries, Log) else entries
            return tuple(each for each in recent if oldest <= each.t <= t and (t - each.t) % stride == 0)

        begin, end = np.searchsorted(self.ego.t, (oldest, t + 1)).tolist()
        return replace(
            self,
            ego=_every(self.ego[begin:end], t, stride),
            tracks=MappingProxyType(tracks),
            keyframes=within(self.keyframes),
            merges=within(self.merges),
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
