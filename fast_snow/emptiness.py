"""What a finished run should make its user doubt: a graph without tracks, or depth that is mostly not trusted."""

from typing import Final

import numpy as np

from fast_snow.incidents import degraded, listed
from fast_snow.types import Health, SceneGraph, Track

OFTEN: Final = 0.1
"""The share of an object's frames in which it may be seen without being placed before a warning names it."""
NAMED: Final = 5
"""So many objects are named at most."""


def doubts(graph: SceneGraph, health: Health, *, min_points: int = 0) -> tuple[str, ...]:
    """Return the warnings that a finished run deserves, one line each.

    Masks of fewer than `min_points` pixels (`depth_filter.min_points`) could not have been placed by any depth.
    """
    found = (
        why_empty(graph, health) or _mostly_untrusted(health),
        _unplaced(graph, min_points),
        _camera_lost(graph),
        _beyond_limit(health),
    )
    return *(each for each in found if each is not None), *degraded(health.incidents)


def why_empty(graph: SceneGraph, health: Health) -> str | None:
    """Say why a graph has no tracks, by the stage that let nothing through; None where it has some."""
    if graph.tracks:
        return None
    prompts = health.first_pass_prompts + health.second_pass_prompts
    if not health.detections:
        return (
            f"no tracks: the segmenter detected nothing in {graph.num_frames} frames; check the images, lower the"
            " segmenter's score threshold or choose another engine"
        )
    if not prompts:
        return _why_nothing_started(health)
    if not health.masks:
        return f"no tracks: the tracker followed none of {prompts} prompted objects; choose another engine"
    dropped = []
    if health.small_dropped:
        dropped.append(
            f"{health.small_dropped} with fewer than depth_filter.min_points pixels of trusted depth"
            f" ({health.no_depth_dropped} with none)"
        )
    if health.oversized_dropped:
        dropped.append(f"{health.oversized_dropped} longer than depth_filter.max_extent")
    return (
        f"no tracks: all {health.masks} masks were dropped: {', '.join(dropped)};"
        f" {_share(health):.0%} of their pixels have no trusted depth; {_remedy(health)}"
    )


def _why_nothing_started(health: Health) -> str:
    if health.seeds_too_small:
        return (
            f"no tracks: {health.seeds_too_small} of {health.detections} detections have fewer than"
            " depth_filter.min_points pixels; lower it, or raise the resolution of the depth"
        )
    return f"no tracks: none of {health.detections} detections started an object; raise fastsam.discovery_iou_thresh"


def _remedy(health: Health) -> str:
    if health.oversized_dropped > health.small_dropped:
        return "check that depths are in metres (depth_scale)"
    if _share(health) > 0.5:
        return "check the depth images and their scale, or lower depth_filter.conf_thresh"
    return "lower depth_filter.min_points"


def _mostly_untrusted(health: Health) -> str | None:
    if _share(health) <= 0.5:
        return None
    return (
        f"{_share(health):.0%} of the masks' pixels have no trusted depth (none, or confidence below"
        " depth_filter.conf_thresh), so most of each object is not measured"
    )


def _unplaced(graph: SceneGraph, min_points: int) -> str | None:
    """Name the objects that were large enough, but often not placed, most often first."""
    without_depth = {
        each.object_id: int(np.count_nonzero(each.unplaced.area >= min_points)) for each in graph.tracks.values()
    }
    often = [i for i, count in without_depth.items() if count > OFTEN * _frames_seen(graph.tracks[i])]
    if not often:
        return None
    often.sort(key=lambda i: -without_depth[i])
    named = [f"object {i} in {without_depth[i]} of {_frames_seen(graph.tracks[i])} frames" for i in often]
    objects = " objects" if len(often) > NAMED else ""
    return (
        f"seen, but not placed for lack of trusted depth: {listed(named, NAMED)}{objects}; only their masks are known"
        " in those frames (tracks[].unplaced)"
    )


def _frames_seen(track: Track) -> int:
    return len(track.observations) + len(track.unplaced)


def _camera_lost(graph: SceneGraph) -> str | None:
    lost = graph.ego.t[graph.ego.background.matches == 0].tolist()
    if not lost:
        return None
    return (
        f"how the camera moves to frame {listed(lost, NAMED)} is not known: the images do not show it, or contradict"
        " its poses; places before and after do not share one world (ego[].background)"
    )


def _beyond_limit(health: Health) -> str | None:
    if not health.prompts_left_out:
        return None
    return f"{health.prompts_left_out} objects beyond tracker.max_objects were not tracked (the best detections were)"


def _share(health: Health) -> float:
    """Return which share of the pixels that were to be measured has no trusted depth."""
    return health.untrusted_pixels / health.mask_pixels if health.mask_pixels else 0.0
