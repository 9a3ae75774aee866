"""LeRobot datasets (v2 and v3): one camera's video of one episode. They tell no intrinsics, so depth is not read.

Reference: the dataset format of Hugging Face's LeRobot.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final

from fast_snow import untrusted_json
from fast_snow.config import SourceConfig
from fast_snow.errors import InputError, first_line
from fast_snow.inputs.sampling import exact
from fast_snow.limits import DATASET_JSON_FILE, EPISODE_TABLE_FILE, PATH_LENGTH
from fast_snow.typed_json import build_dataclass, matching, more_than
from fast_snow.untrusted_files import inside, open_file, shown

INFO: Final = "meta/info.json"
MOST_EPISODES: Final = 1_000_000
_FIELD: Final = re.compile(r"\{([a-z_]+)(?::0?([0-9])d)?\}")
_DEPTH: Final = re.compile("depth", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Where the frames of an episode lie: from `start_s` to before `stop_s` of a file, or to its end."""

    name: str
    video: Path
    fps: Fraction
    start_s: Fraction = Fraction(0)
    stop_s: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feature:
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Info:
    codebase_version: Annotated[str, matching(r"v[23]\.[0-9]+", "v2.x or v3.x")]
    features: Mapping[str, Any]
    video_path: str | None
    total_episodes: int
    fps: Annotated[float, more_than(0, 1e6)]
    chunks_size: int = 1000


def read_episode(folder: Path, options: SourceConfig = SourceConfig()) -> Episode:
    """Find the video of an episode, by default of the first one's first camera.

    Raises:
        InputError: the dataset is damaged, or has no such episode or camera.
    """
    info, where = _info(folder)
    camera = _camera(info, options.color, where)
    if info.video_path is None:
        raise InputError(f"{where}: no videos here; expected video_path: record the dataset with videos")
    if options.episode >= info.total_episodes:
        raise InputError(
            f"{shown(folder)}: no episode {options.episode}; expected 0 to {info.total_episodes - 1}: --source.episode"
            " chooses"
        )
    name = f"{folder.resolve().name} {camera} episode {options.episode}"
    values: dict[str, str | int] = {"video_key": camera, "episode_index": options.episode}
    if info.codebase_version.startswith("v2"):
        values["episode_chunk"] = options.episode // max(info.chunks_size, 1)
        video = inside(folder, _filled(info.video_path, values, where), where)
        return Episode(name=name, video=video, fps=exact(info.fps))
    row = _row(folder, camera, options.episode)
    values |= {"chunk_index": int(row["chunk_index"]), "file_index": int(row["file_index"])}
    return Episode(
        name=name,
        video=inside(folder, _filled(info.video_path, values, where), where),
        fps=exact(info.fps),
        start_s=exact(float(row["from_timestamp"])),
        stop_s=exact(float(row["to_timestamp"])),
    )


def num_episodes(folder: Path) -> int:
    """Return how many episodes a dataset has.

    Raises:
        InputError: the dataset is damaged.
    """
    info, where = _info(folder)
    if not 0 < info.total_episodes <= MOST_EPISODES:
        raise InputError(f"{where}: total_episodes: got {info.total_episodes}, expected 1 to {MOST_EPISODES}")
    return info.total_episodes


def _info(folder: Path) -> tuple[_Info, str]:
    where = shown(folder / INFO)
    value = untrusted_json.load(folder / INFO, limit=DATASET_JSON_FILE, within=folder)
    return build_dataclass(_Info, value, where, extra=True), where


def _cameras(info: _Info, where: str) -> tuple[str, ...]:
    kinds = {
        name: build_dataclass(_Feature, feature, f"{where}: features.{name[:40]}", extra=True).dtype
        for name, feature in info.features.items()
        if isinstance(feature, dict)
    }
    return tuple(name for name, kind in kinds.items() if kind == "video" and not _DEPTH.search(name))


def _camera(info: _Info, wanted: str, where: str) -> str:
    known = _cameras(info, where)
    if not known or (wanted and wanted not in known):
        names = ", ".join(known)[:200] or "none"
        raise InputError(f"{where}: no camera {wanted or 'at all'} with a video; expected one of: {names}")
    return wanted or known[0]


def _filled(template: str, values: dict[str, str | int], where: str) -> str:
    """Fill in a path; only plain names in braces, with a width, are known: a stranger's format could ask for more."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise InputError(f"{where}: video_path names {{{match[1]}}}; expected {', '.join(sorted(values))}")
        filled = values[match[1]]
        return f"{filled:0{int(match[2])}d}" if match[2] and isinstance(filled, int) else str(filled)

    return _FIELD.sub(value, template[: PATH_LENGTH.largest])


def _row(folder: Path, camera: str, episode: int) -> dict[str, int | float]:
    """Return what the table of episodes says of the video of one camera."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise InputError(f'{shown(folder)}: LeRobot v3 datasets need pyarrow: uv pip install -e ".[robots]"') from None
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    columns = {f"videos/{camera}/{name}": name for name in names}
    for path in sorted((folder / "meta" / "episodes").glob("*/*.parquet")):
        open_file(path, limit=EPISODE_TABLE_FILE, within=folder).close()
        try:
            table = parquet.read_table(path, columns=["episode_index", *columns])
            rows = table.filter(pyarrow.compute.equal(table["episode_index"], episode)).to_pylist()
        except (pyarrow.ArrowException, OSError, KeyError, ValueError) as error:
            raise InputError(f"{shown(path)}: no table of episodes ({first_line(error)}); download it again") from None
        if rows and all(isinstance(rows[0].get(column), int | float) for column in columns):
            return {name: rows[0][column] for column, name in columns.items()}
    raise InputError(
        f"{shown(folder)}: meta/episodes says nothing of episode {episode} of {camera}; expected its video and times:"
        " download the dataset again"
    )
