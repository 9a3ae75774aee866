"""Undoing a recorded merge: what continued an object becomes an object of its own again."""

from dataclasses import replace
from types import MappingProxyType

from fast_snow.errors import InputError
from fast_snow.types import Merge, SceneGraph, Track


def undo_merge(graph: SceneGraph, merge: Merge) -> SceneGraph:
    """Take an object apart where it was recognised, or continued by another masklet, after a gap.

    Everything of object `kept` from `t` on goes to object `dropped`, or to a new object where that is None; so do later
    merges into it. Masks that are already written keep their numbers.

    Args:
        graph: that holds the merge.
        merge: one of `graph.merges` with a `gap` of at least 1.

    Returns:
        The graph without this merge.

    Raises:
        InputError: the graph does not hold it, or both masks were seen in one frame (`gap` 0): only the better one was
            stored, so a run with a higher `fusion.cross_run_iou_thresh` must tell them apart.

    Examples:
        >>> graph = fast_snow.load("out/scene")
        >>> doubtful = [each for each in graph.merges if each.appearance < 0.95]
        >>> for each in doubtful:
        ...     graph = fast_snow.undo_merge(graph, each)
    """
    if merge not in graph.merges or merge.kept not in graph.tracks:
        raise InputError(f"undo_merge: got {merge}, expected one of the graph's merges")
    if merge.gap < 1:
        raise InputError(
            f"undo_merge: got a merge with gap {merge.gap}, expected at least 1: of masks in one frame only the better"
            " one is stored; run again with a higher fusion.cross_run_iou_thresh"
        )
    object_id = max([*graph.tracks, *(each.kept for each in graph.merges)]) + 1
    object_id = object_id if merge.dropped is None else merge.dropped
    track = graph.tracks[merge.kept]
    earlier, later = _part(track, merge, later=False), _part(track, merge, later=True)
    tracks = {**graph.tracks, merge.kept: earlier}
    if later.observations:
        tracks[object_id] = _followed(tracks.get(object_id), replace(later, object_id=object_id))
    if not earlier.observations:
        del tracks[merge.kept]
    others = [each for each in graph.merges if each is not merge]
    moved = [replace(each, kept=object_id) if each.kept == merge.kept and each.t > merge.t else each for each in others]
    return replace(graph, tracks=MappingProxyType(tracks), merges=tuple(moved))


def _part(track: Track, merge: Merge, *, later: bool) -> Track:
    """Return what a track holds before a merge, or from it on."""
    observations, unplaced = (each[(each.t >= merge.t) == later] for each in (track.observations, track.unplaced))
    theta = (int(observations.t[0]), int(observations.t[-1])) if observations else track.theta
    return replace(track, observations=observations, unplaced=unplaced, theta=theta)


def _followed(before: Track | None, later: Track) -> Track:
    """Return a track that goes on with another one."""
    if before is None:
        return later
    observations = before.observations.followed_by(later.observations)
    unplaced = before.unplaced.followed_by(later.unplaced)
    return replace(before, observations=observations, unplaced=unplaced, theta=(before.theta[0], later.theta[1]))
