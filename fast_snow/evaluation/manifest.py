"""Manifests: lists of clips, of what is known of them, and of the licences they are under.

A manifest is JSON and is not trusted: its paths stay below the data root, which is named when it is used.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from fast_snow import untrusted_json
from fast_snow.config import SamplingConfig
from fast_snow.errors import FastSnowWarning, InputError, UserError
from fast_snow.evaluation.manifest_conformance import require_conformance
from fast_snow.evaluation.readers.checksums import sha256_of
from fast_snow.evaluation.readers.clip_truth import FORMATS, FORMATS_WITH_RATE, read_truth
from fast_snow.evaluation.readers.paths import check_relative, locate
from fast_snow.evaluation.readers.source import Kind, TruthSource
from fast_snow.evaluation.truth import Truth
from fast_snow.inputs import Input, open_input
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.output.graph_json.conformance import short
from fast_snow.protocols import Progress, silent
from fast_snow.types import GridShape

_WHOLE: Final = ("first_frame", "frames", "video")
_MEANT_FOR: Final = {"exhaustive": (Kind.MASKS, Kind.BOXES), "intrinsics": (Kind.DEPTH,)}
_RATE_TOLERANCE: Final = 0.01
"""Rates of containers are rounded: 23.976 is written 24."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipInput:
    """A video file or recording folder, relative to the data root; `sha256` as `checksums.sha256_of` has it."""

    path: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip, and what is known of it.

    Attributes:
        name: unique in its manifest.
        licence: under which its files are.
        input: its images; None where there are none.
        fps: frames per second of its input.
        size: height and width of the annotated images, where it is said.
        static: whether nothing moves but the camera.
        truth: its ground truth.
        note: what to know of it.
    """

    name: str
    licence: str
    input: ClipInput | None = None
    fps: float | None = None
    size: GridShape | None = None
    static: bool = False
    truth: tuple[TruthSource, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Clips to evaluate on."""

    name: str
    clips: tuple[Clip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something of a manifest that is missing or not as it says; `what` is one line."""

    clip: str
    what: str

    def __str__(self) -> str:
        return f"{self.clip}: {self.what}"


def load(path: Path, root: Path) -> Manifest:
    """Read a manifest; whether its files are there is for `check` to say.

    Args:
        path: of the JSON file.
        root: the data root that its paths are relative to.

    Raises:
        InputError: it is missing, no manifest, or contradicts itself, and one line names the place; or there is no
            data root.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; expected the data root that the manifest's paths are relative to")
    content = untrusted_json.load(path, limit=DATASET_JSON_FILE)
    require_conformance(content, path)
    clips = tuple(_clip(each) for each in content["clips"])
    for where, complaint in _contradictions(clips):
        raise InputError(f"{path}: {where}: {complaint}")
    return Manifest(name=content["name"], clips=clips)


def _clip(content: Mapping[str, Any]) -> Clip:
    given = dict(content)
    if "input" in given:
        given["input"] = ClipInput(**given["input"])
    if "size" in given:
        height, width = given["size"]
        given["size"] = (int(height), int(width))
    if "fps" in given:
        given["fps"] = float(given["fps"])
    given["truth"] = tuple(_source(each) for each in given.get("truth", ()))
    return Clip(**given)


def _source(content: Mapping[str, Any]) -> TruthSource:
    given = dict(content, kind=Kind(content["kind"]))
    for name, number in (("depth_scale", float), ("first_time_s", float), *((each, int) for each in _WHOLE)):
        if name in given:
            given[name] = number(given[name])  # JSON's 1.0 is a whole number too
    if "classes" in given:
        given["classes"] = tuple(given["classes"])
    if "intrinsics" in given:
        given["intrinsics"] = tuple(float(given["intrinsics"][name]) for name in ("fx", "fy", "cx", "cy"))
    if "camera_offset_m" in given:
        given["camera_offset_m"] = tuple(map(float, given["camera_offset_m"]))
    return TruthSource(**given)


def _contradictions(clips: tuple[Clip, ...]) -> Iterator[tuple[str, str]]:
    """Yield what the schema cannot say: where, and what is wrong."""
    names = Counter(clip.name for clip in clips)
    for i, clip in enumerate(clips):
        at = f"clips[{i}]"
        if names[clip.name] > 1:
            yield f"{at}.name", f"{short(clip.name)} comes {names[clip.name]} times, expected each name once"
        yield from _bad_paths(clip, at)
        yield from _bad_truth(clip, at)
        yield from _out_of_place(clip, at)


def _bad_paths(clip: Clip, at: str) -> Iterator[tuple[str, str]]:
    paths = [(f"{at}.input.path", clip.input.path)] if clip.input else []
    for where, path in [*paths, *((f"{at}.truth[{i}].path", each.path) for i, each in enumerate(clip.truth))]:
        try:
            check_relative(path)
        except InputError as error:
            yield where, str(error)


def _bad_truth(clip: Clip, at: str) -> Iterator[tuple[str, str]]:
    kinds = Counter(each.kind for each in clip.truth if each.kind is not Kind.QUESTIONS)
    twice = [kind.value for kind, count in kinds.items() if count > 1]
    if twice:
        yield f"{at}.truth", f"{twice[0]} twice, expected each kind but questions at most once"
    if Kind.MASKS in kinds and Kind.BOXES in kinds:
        yield f"{at}.truth", "masks and boxes, expected masks alone: they have boxes"
    if Kind.BOXES in kinds and clip.size is None:
        yield at, 'boxes without "size", expected the height and width of the images they are on'
    for i, each in enumerate(clip.truth):
        if each.format not in FORMATS[each.kind]:
            known = FORMATS[each.kind]
            expected = f"one of {', '.join(known)} for {each.kind.value}"
            yield f"{at}.truth[{i}].format", f"got {short(each.format)}, expected {expected}"
        if each.kind is Kind.POSES and each.format in FORMATS_WITH_RATE and clip.fps is None:
            yield at, f'{each.format} poses without "fps", expected the rate that numbers them'


def _out_of_place(clip: Clip, at: str) -> Iterator[tuple[str, str]]:
    for i, each in enumerate(clip.truth):
        for name, kinds in _MEANT_FOR.items():
            if getattr(each, name) and each.kind not in kinds:
                expected = f"it for {' or '.join(kinds)} alone"
                yield f"{at}.truth[{i}].{name}", f"got it for {each.kind.value}, expected {expected}"


def open_clip(clip: Clip, root: Path, sampling: SamplingConfig) -> Input:
    """Open a clip's images.

    Args:
        clip: of a manifest.
        root: the data root.
        sampling: which frames become the clip, and at what size.

    Raises:
        InputError: the clip has no images, or they are missing or damaged.
    """
    if clip.input is None:
        raise InputError(f"{clip.name}: has no images, only ground truth; choose a clip with an input")
    return open_input(locate(root, clip.input.path), sampling)


def truth_of(clip: Clip, root: Path) -> Truth:
    """Read what is known of a clip; its size is (0, 0) where nothing tells it. Raises as `clip_truth.read_truth`."""
    return replace(read_truth(clip.truth, root, size=clip.size, fps=clip.fps), static=clip.static)


def check(manifest: Manifest, root: Path, progress: Progress = silent) -> tuple[Problem, ...]:
    """Return what of a manifest is missing or not as it says: files, checksums, formats, sizes and rates.

    Args:
        manifest: which clips.
        root: the data root.
        progress: told how many clips are done.
    """
    problems: list[Problem] = []
    for i, clip in enumerate(manifest.clips):
        progress("clips", i, len(manifest.clips))
        problems += [Problem(clip=clip.name, what=what) for what in _wrong(clip, root)]
    progress("clips", len(manifest.clips), len(manifest.clips))
    return tuple(problems)


def _wrong(clip: Clip, root: Path) -> Iterator[str]:
    """Yield files that are missing or differ; where there are none, what reading the clip says."""
    files = [(clip.input.path, clip.input.sha256)] if clip.input else []
    files += [(each.path, each.sha256) for each in clip.truth]
    found = [what for path, sha256 in files if (what := _differs(root, path, sha256))]
    yield from found
    if found:
        return
    try:
        yield from _off_rate(clip, root)
        truth_of(clip, root)
    except UserError as error:
        yield str(error)


def _differs(root: Path, path: str, sha256: str | None) -> str | None:
    try:
        found = locate(root, path)
        digest = None if sha256 is None else sha256_of(found)
    except UserError as error:
        return str(error)
    if digest == sha256:
        return None
    return f"{found}: SHA-256 {digest}, expected {sha256}; fetch it again or correct the manifest"


def _off_rate(clip: Clip, root: Path) -> Iterator[str]:
    if clip.input is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastSnowWarning)  # what a run warns of is no fault of the manifest
        fps = open_clip(clip, root, SamplingConfig()).source_fps
    if clip.fps is not None and fps is not None and abs(fps - clip.fps) > _RATE_TOLERANCE * clip.fps:
        yield f"{root / clip.input.path}: {fps:g} frames per second, expected {clip.fps:g}; correct one of them"
