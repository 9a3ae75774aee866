"""The JSON Schema beside this file as Python types, which `msgspec` reads at once.

A member that is left out has the value that stands for "not known" in columns: NaN, or -1 for counts.
"""

from math import nan
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Long = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Size = Annotated[int, Meta(ge=1, le=2**31 - 1)]
GridIndex = Annotated[int, Meta(ge=0, le=255)]
Number32 = Annotated[float, Meta(ge=-3.4028235e38, le=3.4028235e38)]
Number64 = Annotated[float, Meta(ge=-1.7976931348623157e308, le=1.7976931348623157e308)]
Sigma = Annotated[float, Meta(ge=0, le=3.4028235e38)]
Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(ge=0)]
Two = tuple[Number32, Number32]
Point = tuple[Number32, Number32, Number32]
Four = tuple[Number32, Number32, Number32, Number32]
Sigmas = tuple[Sigma, Sigma]
GridText = Annotated[str, Meta(pattern="^[1-9][0-9]{0,2}x[1-9][0-9]{0,2}$")]
PathText = Annotated[str, Meta(max_length=1024, pattern=r"^(?![\s\S]*[\u0000-\u001f\u007f])[\s\S]")]
Origin = Literal["sensor", "network", "triangulated", "ground_plane_prior"]

_TWO: Final = (nan,) * 2
_THREE: Final = (nan,) * 3
_FOUR: Final = (nan,) * 4
_NO_BOX: Final = (-1,) * 4


class DocumentEntry(Struct, frozen=True, gc=False, omit_defaults=True):
    """An object of the document; unknown members of it are left alone."""


class CoveredCell(DocumentEntry, frozen=True):
    """A cell of tau."""

    row: GridIndex
    col: GridIndex
    iou: Share


class SightingEntry(DocumentEntry, frozen=True, kw_only=True):
    """One object in the image alone."""

    t: Count
    tau: list[CoveredCell]
    score: Share = nan
    area: Count = -1
    box: tuple[Count, Count, Count, Count] = _NO_BOX
    uv: Two = _TWO
    moments: Point = _THREE
    rotation: Point = _THREE
    growth: Two = _TWO


class Spread(DocumentEntry, frozen=True):
    """Of an object's points along one axis."""

    mu: Number32
    sigma: Sigma
    min: Number32
    max: Number32


class Spreads(DocumentEntry, frozen=True):
    """Of an object's points."""

    x: Spread
    y: Spread
    z: Spread


class ObservationEntry(SightingEntry, frozen=True, kw_only=True):
    """One STEP token."""

    c: Point
    s: Spreads
    theta: tuple[Count, Count]
    c_sigma: Sigmas = _TWO
    num_points: Count = -1


class TrackEntry(DocumentEntry, frozen=True):
    """One object."""

    object_id: Count
    F_k: Annotated[list[ObservationEntry], Meta(min_length=1)]
    source_id: Count = -1
    unplaced: list[SightingEntry] = []


class BackgroundEntry(DocumentEntry, frozen=True):
    """How what rests moves in the image since the frame before."""

    matches: Count
    shift: Two = _TWO
    shift_sigma: Sigmas = _TWO
    turn_sigma: Sigma = nan


class FrameEntry(DocumentEntry, frozen=True):
    """One place of the camera's path."""

    t: Count
    xyz: Point
    time_s: Number64 = nan
    source_frame: Long = -1
    q: Four = _FOUR
    K: Four = _FOUR
    focal_sigma: Sigma = nan
    background: BackgroundEntry = BackgroundEntry(matches=-1)


class ScaleEntry(DocumentEntry, frozen=True):
    """How lengths came to metres."""

    metres_per_unit: Positive
    relative_sigma: Positive
    statements: Count


class AnchorEntry(DocumentEntry, frozen=True):
    """An image of the clip."""

    frame_idx: Long
    t: Count
    path: PathText


class MergeEntry(DocumentEntry, frozen=True):
    """A decision that two masklets are one object."""

    t: Count
    kept: Count
    dropped: Count | None
    iou: Share = nan
    distance: Number64 = nan
    gap: Count = -1
    appearance: Share = nan


class Metadata(DocumentEntry, frozen=True):
    """What holds for all of the document."""

    schema_version: Annotated[int, Meta(ge=1, le=1)]
    grid: GridText
    num_frames: Count
    num_tracks: Count
    metric: bool
    depth_origin: list[Origin]
    visual_anchor: list[AnchorEntry]
    merges: list[MergeEntry]
    coordinate_system: str = ""
    analysis_grid: tuple[Size, Size] = (0, 0)
    segments: list[tuple[Count, Count]] = []
    scale: ScaleEntry | UnsetType = UNSET


class Document(DocumentEntry, frozen=True):
    """A scene graph."""

    metadata: Metadata
    ego: list[FrameEntry]
    tracks: list[TrackEntry]
