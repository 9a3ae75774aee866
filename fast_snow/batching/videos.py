"""The videos of a batch: from a list or a pattern, each with a name of its own."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from typing import Final

from fast_snow.batching.storage import is_remote, matching
from fast_snow.errors import InputError
from fast_snow.inputs.layouts import lerobot
from fast_snow.limits import TABLE_FILE
from fast_snow.untrusted_files import read_text, shown

RESERVED: Final = ("batch.csv", "batch.json", "workers.log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A video of a batch.

    Attributes:
        name: of its run folder.
        source: path or URL.
        episode: of a LeRobot dataset; None for other inputs.
    """

    name: str
    source: str
    episode: int | None = None


def videos(inputs: str | Path | Sequence[str | Path]) -> tuple[Video, ...]:
    """Return the videos of a batch.

    Args:
        inputs: a text file with one path or URL per line (relative to its folder; lines that begin with `#` are
            skipped), a pattern such as `clips/*.mp4` or `s3://bucket/clips/*.mp4`, or the paths themselves. A LeRobot
            dataset is as many videos as it has episodes.

    Raises:
        InputError: there are none, or the list cannot be read.
    """
    given = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    sources = [source for each in given for source in _sources(str(each))] if len(given) == 1 else map(str, given)
    found = tuple(dict.fromkeys(sources))
    if not found:
        raise InputError(
            f"{shown(Path(str(inputs)))}: got no video, expected a list of them or a pattern like 'clips/*.mp4'"
        )
    return tuple(each for pair in zip(_names(found), found, strict=True) for each in _episodes(*pair))


def _sources(given: str) -> list[str]:
    if has_magic(given):
        return matching(given) if is_remote(given) else sorted(glob(str(Path(given).expanduser()), recursive=True))  # noqa: PTH207 (absolute and relative patterns)
    path = Path(given)
    if is_remote(given) or path.suffix not in (".txt", ".lst"):
        return [given]
    lines = (line.strip() for line in read_text(path, limit=TABLE_FILE).splitlines())
    wanted = [line for line in lines if line and not line.startswith("#")]
    return [each if is_remote(each) else str(path.parent / Path(each).expanduser()) for each in wanted]


def _episodes(name: str, source: str) -> list[Video]:
    """Return the episodes of a dataset; what is none, or is damaged, is one video, which fails alone if it must."""
    folder = Path(source).expanduser()
    if not is_remote(source) and (folder / lerobot.INFO).is_file():
        with suppress(InputError):
            count = lerobot.num_episodes(folder)
            return [Video(name=f"{name}-{episode:06d}", source=source, episode=episode) for episode in range(count)]
    return [Video(name=name, source=source)]


def _names(sources: Sequence[str]) -> list[str]:
    """Return the last part of each path, without its suffix, and as many parts before it as tell all of them apart."""
    paths = [PurePosixPath(each.replace("\\", "/").rstrip("/")) for each in sources]
    longest = max(len(path.parts) for path in paths)
    for count in range(1, longest + 1):
        names = ["-".join([*path.parts[-count:-1], path.stem]).strip("/.") or "run" for path in paths]
        names = [f"{name}-run" if name in RESERVED else name for name in names]
        if len({*names, *(f"{name}.log" for name in names)}) == 2 * len(names):
            return names
    twice = [name for name, number in Counter(names).items() if number > 1]
    raise InputError(
        f"{', '.join(twice[:3])}: got videos that differ in nothing but their suffix, expected other names"
    )
