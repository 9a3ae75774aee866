"""Manifests: clips, their ground truth, checksums and licences.

A manifest is JSON and is not trusted: its paths stay below the data root, which is named when it is used.
"""

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from fast_snow import untrusted_json
from fast_snow.config import SamplingConfig
from fast_snow.errors import FastSnowWarning, InputError, UserError
from fast_snow.evaluation.ground_truth import Line, Truth, TruthKind, TruthSource
from fast_snow.evaluation.readers.clip_truth import FORMATS_WITH_RATE, TRUTH_FORMATS, read_truth
from fast_snow.evaluation.readers.data_files import check_relative, data_sha256, locate_data
from fast_snow.inputs import Input, open_input
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.protocols import Progress, silent
from fast_snow.typed_json import Sha256, build_dataclass, entries, in_range, more_than, short

_MEANT_FOR: Final = {"exhaustive": (TruthKind.MASKS, TruthKind.BOXES), "intrinsics": (TruthKind.DEPTH,)}
ImageSide = Annotated[int, in_range(1, 32_768)]
_RATE_TOLERANCE: Final = 0.01
"""Rates of containers are rounded: 23.976 is written 24."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipInput:
    """A video file or recording folder, relative to the data root; `sha256` as `data_files.data_sha256` has it."""

    path: Line
    sha256: Sha256 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip, and what is known of it; images and their annotated size may be missing.

    It is static if nothing moves but the camera.
    """

    name: Line
    licence: Line
    input: ClipInput | None = None
    fps: Annotated[float, more_than(0, 100_000)] | None = None
    size: tuple[ImageSide, ImageSide] | None = None
    static: bool = False
    truth: Annotated[tuple[TruthSource, ...], entries(0, 100)] = ()
    note: Line = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationManifest:
    """Clips to evaluate on; `version` is that of the layout."""

    version: Literal[1]
    name: Line
    clips: Annotated[tuple[Clip, ...], entries(1, 100_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something of a manifest that is missing or not as it says; `what` is one line."""

    clip: str
    what: str

    def __str__(self) -> str:
        return f"{self.clip}: {self.what}"


def load_manifest(path: Path, root: Path) -> EvaluationManifest:
    """Read a manifest, whose paths are relative to `root`; whether its files are there, `check_manifest` says.

    Raises:
        InputError: it is missing, no manifest, or contradicts itself, and one line names the place; or there is no
            data root.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; expected the data root that the manifest's paths are relative to")
    manifest = build_dataclass(EvaluationManifest, untrusted_json.load(path, limit=DATASET_JSON_FILE), str(path))
    for place, complaint in _contradictions(manifest.clips):
        raise InputError(f"{path}: {place}: {complaint}")
    return manifest


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
    kinds = Counter(each.kind for each in clip.truth if each.kind is not TruthKind.QUESTIONS)
    twice = [kind.value for kind, count in kinds.items() if count > 1]
    if twice:
        yield f"{at}.truth", f"{twice[0]} twice, expected each kind but questions at most once"
    if TruthKind.MASKS in kinds and TruthKind.BOXES in kinds:
        yield f"{at}.truth", "masks and boxes, expected masks alone: they have boxes"
    if TruthKind.BOXES in kinds and clip.size is None:
        yield at, 'boxes without "size", expected the height and width of the images they are on'
    for i, each in enumerate(clip.truth):
        if each.format not in TRUTH_FORMATS[each.kind]:
            known = TRUTH_FORMATS[each.kind]
            expected = f"one of {', '.join(known)} for {each.kind.value}"
            yield f"{at}.truth[{i}].format", f"got {short(each.format)}, expected {expected}"
        if each.kind is TruthKind.POSES and each.format in FORMATS_WITH_RATE and clip.fps is None:
            yield at, f'{each.format} poses without "fps", expected the rate that numbers them'


def _out_of_place(clip: Clip, at: str) -> Iterator[tuple[str, str]]:
    for i, each in enumerate(clip.truth):
        for name, kinds in _MEANT_FOR.items():
            if getattr(each, name) and each.kind not in kinds:
                expected = f"it for {' or '.join(kinds)} alone"
                yield f"{at}.truth[{i}].{name}", f"got it for {each.kind.value}, expected {expected}"


def open_clip(clip: Clip, root: Path, sampling: SamplingConfig) -> Input:
    """Open a clip's images, which lie below the data root.

    Raises:
        InputError: the clip has no images, or they are missing or damaged.
    """
    if clip.input is None:
        raise InputError(f"{clip.name}: has no images, only ground truth; choose a clip with an input")
    return open_input(locate_data(root, clip.input.path), sampling)


def read_clip_truth(clip: Clip, root: Path) -> Truth:
    """Read what is known of a clip; its size is (0, 0) where nothing tells it. Raises as `clip_truth.read_truth`."""
    return replace(read_truth(clip.truth, root, size=clip.size, fps=clip.fps), static=clip.static)


def check_manifest(manifest: EvaluationManifest, root: Path, progress: Progress = silent) -> tuple[Problem, ...]:
    """Return what of a manifest is missing or not as it says: files, checksums, formats, sizes and rates."""
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
    problems = [what for path, sha256 in files if (what := _differs(root, path, sha256))]
    yield from problems
    if problems:
        return
    try:
        yield from _off_rate(clip, root)
        read_clip_truth(clip, root)
    except UserError as error:
        yield str(error)


def _differs(root: Path, path: str, sha256: str | None) -> str | None:
    try:
        file = locate_data(root, path)
        digest = None if sha256 is None else data_sha256(file)
    except UserError as error:
        return str(error)
    if digest == sha256:
        return None
    return f"{file}: SHA-256 {digest}, expected {sha256}; download it again or correct the manifest"


def _off_rate(clip: Clip, root: Path) -> Iterator[str]:
    if clip.input is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastSnowWarning)  # what a run warns of is no fault of the manifest
        fps = open_clip(clip, root, SamplingConfig()).source_fps
    if clip.fps is not None and fps is not None and abs(fps - clip.fps) > _RATE_TOLERANCE * clip.fps:
        yield f"{root / clip.input.path}: {fps:g} frames per second, expected {clip.fps:g}; correct one of them"
