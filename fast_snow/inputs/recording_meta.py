"""meta.json of a recording: rate, depth unit and intrinsics."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_snow import untrusted_json
from fast_snow.cameras import Intrinsics, pinhole
from fast_snow.errors import InputError
from fast_snow.limits import SMALL_JSON_FILE
from fast_snow.types import readonly
from fast_snow.untrusted_files import shown


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordingMeta:
    """What meta.json says; `None` for keys that it leaves out or sets to null.

    Attributes:
        fps: frames per second, above 0.
        depth_scale: stored depth units per metre, above 0.
        intrinsics: pinhole matrix, not yet checked against an image size.
        metric: whether depth and poses are in metres.
    """

    fps: float | None = None
    depth_scale: float | None = None
    intrinsics: Intrinsics | None = None
    metric: bool = True


def read_meta(path: Path, *, required: tuple[str, ...]) -> RecordingMeta:
    """Read and check meta.json, in which the `required` keys must be; those that are not known are left alone.

    Raises:
        InputError: the file is missing or damaged, lacks a required key, or a value is of the wrong type or range.
    """
    content = _read_object(path)
    for key in required:
        if key not in content:
            raise InputError(f'{path}: no key "{key}"; expected {_example(key)}: add it')
    camera = content.get("intrinsics")
    return RecordingMeta(
        fps=_positive(path, content, "fps"),
        depth_scale=_positive(path, content, "depth_scale"),
        intrinsics=None if camera is None else _intrinsics(path, camera),
        metric=_flag(path, content, "metric"),
    )


def _read_object(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InputError(f"{shown(path)}: no such file; expected JSON with fps, depth_scale and intrinsics: write it")
    content = untrusted_json.load(path, limit=SMALL_JSON_FILE, within=path.parent)
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: a JSON {type(content).__name__}; expected an object with fps, depth_scale and intrinsics"
        )
    return content


def _example(key: str) -> str:
    examples = {
        "fps": '"fps": 10.0 (or null where the frames have no rate)',
        "depth_scale": '"depth_scale": 1000.0 (stored units per metre)',
        "intrinsics": '"intrinsics": {"fx": …, "fy": …, "cx": …, "cy": …}',
    }
    return examples[key]


def _number(path: Path, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f'{path}: "{key}" is {json.dumps(value)[:40]}; expected a number: correct it')
    return float(value)


def _positive(path: Path, content: dict[str, Any], key: str) -> float | None:
    if content.get(key) is None:
        return None
    number = _number(path, key, content[key])
    if number <= 0:
        raise InputError(f'{path}: "{key}" is {number:g}; expected a number above 0, like {_example(key)}: correct it')
    return number


def _flag(path: Path, content: dict[str, Any], key: str) -> bool:
    value = content.get(key, True)
    if not isinstance(value, bool):
        raise InputError(f'{path}: "{key}" is {json.dumps(value)[:40]}; expected true or false: correct it')
    return value


def _intrinsics(path: Path, camera: object) -> Intrinsics:
    if not isinstance(camera, dict):
        raise InputError(f'{path}: "intrinsics" is no object; expected {_example("intrinsics")}: correct it')
    for key in ("fx", "fy", "cx", "cy"):
        if key not in camera:
            raise InputError(f'{path}: no key "{key}" in "intrinsics"; expected {_example("intrinsics")}: add it')
    fx, fy, cx, cy = (_number(path, f"intrinsics.{key}", camera[key]) for key in ("fx", "fy", "cx", "cy"))
    return readonly(pinhole(fx, fy, cx, cy))
