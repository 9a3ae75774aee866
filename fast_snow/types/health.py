"""What is counted and timed while a clip is perceived and folded."""

from dataclasses import dataclass, fields
from typing import TypeVar

Sums = TypeVar("Sums", bound="Summed")


class Summed:
    """A frozen dataclass of numbers that add up field by field."""

    __slots__ = ()

    def __add__(self: Sums, other: Sums) -> Sums:
        return type(self)(
            **{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}  # type: ignore[arg-type]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidents(Summed):
    """Frames (`t`) in which tracking or geometry degraded, in order; where objects are counted, one `t` for each.

    Attributes:
        silent_losses: an object went missing while a detection covered the place where it was expected, and was not
            found again from that detection.
        fragmentations: an object came back after a gap.
        mass_losses: most of the objects went missing at once.
        depth_disagreements: gaps in depth part so many pixels from their objects that masks and depth do not agree.
        camera_jumps: the camera moved or turned further than a camera can from one frame to the next.
        cuts: the image has other colours than the one before.
    """

    silent_losses: tuple[int, ...] = ()
    fragmentations: tuple[int, ...] = ()
    mass_losses: tuple[int, ...] = ()
    depth_disagreements: tuple[int, ...] = ()
    camera_jumps: tuple[int, ...] = ()
    cuts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Summed):
    """Counts that tell how well a clip was perceived and folded.

    Attributes:
        detections: of all frames; frames that windows share count in each.
        background_regions: surfaces that the segmenter took for background, which are no tracks; those of every window.
        seeds_too_small: detections that started no object, because they have too few pixels.
        seeds_nested: detections that started no object, because they are a part of another.
        first_pass_prompts: objects that the tracker was asked for at a window's first frame.
        second_pass_prompts: objects that it was asked for where they were discovered later.
        prompts_left_out: objects beyond `tracker.max_objects`.
        prompted_again: lost objects that the tracker was asked for again, from the detections that cover them.
        repeats_dropped: masklets that repeated another.
        masks_rejoined: masks of repeats in frames where the other was not seen: they went to it.
        parts_dropped: masklets that were a part of another.
        masks: of masklets, one per frame in which a masklet is seen.
        small_dropped: of these, how many had too few pixels of trusted depth.
        no_depth_dropped: of the small ones, how many had none at all.
        unplaced: of the small ones, how many stand in a track all the same, as seen but not placed.
        oversized_dropped: how many were implausibly large.
        mask_pixels: pixels of masks that were to be measured.
        untrusted_pixels: of these, how many had no depth, or depth of too little confidence.
        outlier_pixels: how many were left out because a gap in depth parts them from their object.
        incidents: when tracking or geometry degraded.
    """

    detections: int = 0
    background_regions: int = 0
    seeds_too_small: int = 0
    seeds_nested: int = 0
    first_pass_prompts: int = 0
    second_pass_prompts: int = 0
    prompts_left_out: int = 0
    prompted_again: int = 0
    repeats_dropped: int = 0
    masks_rejoined: int = 0
    parts_dropped: int = 0
    masks: int = 0
    small_dropped: int = 0
    no_depth_dropped: int = 0
    unplaced: int = 0
    oversized_dropped: int = 0
    mask_pixels: int = 0
    untrusted_pixels: int = 0
    outlier_pixels: int = 0
    incidents: Incidents = Incidents()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeconds(Summed):
    """Wall time of each stage; folding runs beside the others."""

    decode: float = 0.0
    geometry: float = 0.0
    segment: float = 0.0
    track: float = 0.0
    fold: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """How a window was joined to the one before, over the frames that both hold.

    Attributes:
        t: the first frame that the window added.
        scale: length in the world before of one unit of the window's own.
        residual: median distance between the two points of a shared pixel, as a share of depth; NaN without any.
        drift: largest distance between the two places of a shared frame's camera, as a share of median depth; NaN
            without depth.
        joined: whether the window is in the world before; else it began a segment with a world of its own.
    """

    t: int
    scale: float
    residual: float
    drift: float
    joined: bool
