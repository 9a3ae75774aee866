"""The parts of a prompt as text. Nothing in them comes from names of files."""

import unicodedata
from collections.abc import Sequence

import numpy as np

from fast_snow.reasoning.conversation import ImagePart
from fast_snow.reasoning.prompt.graph_text import camera_lines, cell_texts, observation_lines, pixels_per_cell
from fast_snow.reasoning.prompt.instructions import PromptContent
from fast_snow.types import DepthOrigin, SceneGraph, Track


def metadata_section(graph: SceneGraph, content: PromptContent, left_out: Sequence[str]) -> str:
    """Return what numbers mean, how much there is, and what of it the prompt leaves out."""
    lines = ["[METADATA]", f"clip: {_extent(graph)}"]
    if content == "graph":
        lines += [f"lengths: {_lengths(graph)}", f"depth: {_depth(graph)}"]
    if content != "frames":
        observations = sum(len(track.observations) for track in graph.tracks.values())
        lines += [f"grid of tau: {_grid(graph)}", f"objects: {len(graph.tracks)} with {observations} observations"]
        lines += [f"left out of this prompt: {each}" for each in left_out or ("nothing",)]
    return "".join(f"{line}\n" for line in lines)


def _extent(graph: SceneGraph) -> str:
    extent = f"{graph.num_frames} frames"
    if graph.num_frames:
        extent += f", t = {graph.ego.t[0]} to {graph.ego.t[-1]}"
    time_s = graph.ego.time_s[~np.isnan(graph.ego.time_s)]
    return f"{extent}, from {time_s[0]:.4g} s to {time_s[-1]:.4g} s" if len(time_s) > 1 else extent


def _lengths(graph: SceneGraph) -> str:
    return "metres" if graph.metric else "one unknown scale, the same for the whole clip: say ratios, not metres"


def _depth(graph: SceneGraph) -> str:
    origin = "; ".join(graph.depth_origin) or "unknown where from"
    assumed = DepthOrigin.GROUND_PLANE_PRIOR in graph.depth_origin
    return f"{origin}. All places and distances in 3D are guesses; tau is measured" if assumed else origin


def _grid(graph: SceneGraph) -> str:
    grid = f"{graph.grid_size} rows and {graph.grid_size} columns"
    height, width = graph.analysis_grid
    if not height:
        return grid
    pixels = pixels_per_cell(graph.grid_size, graph.analysis_grid)
    return f"{grid} over an image {width} pixels wide and {height} high; {pixels.min()} to {pixels.max()} pixels a cell"


def ego_poses_section(graph: SceneGraph) -> str:
    """Return the camera's poses."""
    return f"[EGO POSES]\n{''.join(camera_lines(graph.ego))}"


def object_section(graph: SceneGraph, listed: Track, content: PromptContent, *, tau: bool) -> str:
    """Return the block of one object.

    Args:
        graph: the whole graph; tells how often the object was seen.
        listed: as much of its track as is to be written.
        content: whether 3D belongs to it.
        tau: whether tau does.
    """
    k, observations, seen = listed.object_id, listed.observations, graph.tracks[listed.object_id]
    head = f"[OBJECT {k} — F_{k} across {len(seen.observations)} frames] theta {seen.theta[0]} {seen.theta[1]}"
    if len(observations) < len(seen.observations):
        head += f", {len(observations)} listed"
    cells = cell_texts(observations, graph.grid_size, graph.analysis_grid) if tau else [""] * len(observations)
    return f"{head}\n{''.join(observation_lines(observations, shape=content == 'graph', cells=cells))}"


def keyframe_caption(picture: ImagePart) -> str:
    """Return what stands before a picture."""
    return f"[KEYFRAMES] {picture.name}\n"


def question_section(question: str) -> str:
    """Return the question behind line marks, so that none of its lines can pass for another part of the prompt."""
    lines = "".join(f"> {escape_control_characters(line)}\n" for line in question.splitlines())
    return f"[QUERY] the user's question\n{lines}"


def escape_control_characters(text: str) -> str:
    """Write control characters, and what is no Unicode text, as escapes; `text` is one line."""
    return "".join(
        f"\\u{ord(each):04x}" if unicodedata.category(each) in ("Cc", "Cs") and each != "\t" else each for each in text
    )
