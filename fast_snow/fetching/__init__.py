"""Downloads trained weights to where the configuration looks for them, and checks that they are what was published.

Nothing partial or unchecked ever stands under a final name: files grow as `NAME.part`, are checked and then renamed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fast_snow.atomic_files import store
from fast_snow.config import Config
from fast_snow.errors import FastSnowError, OutputError
from fast_snow.fetching.download import RefusedError, download
from fast_snow.fetching.statements import Endpoints, Revisions, Statement, refused, state
from fast_snow.protocols import Progress, silent
from fast_snow.weights import RECORD, Recorded, WeightFile, Weights, damage, folder_for, named, read, wanted
from fast_snow.weights.record import as_bytes, sha256_of

__all__ = ["Endpoints", "Fetched", "FetchedFile", "fetch"]

_MB = 1_000_000
_PUBLIC = Endpoints()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFile:
    """One file that is in place.

    Attributes:
        path: where it is.
        sha256: of its content.
        verified: whether that is what the source states; it may state nothing.
        downloaded: whether it came now; else it was already there.
    """

    path: Path
    sha256: str
    verified: bool
    downloaded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Weights that are in place.

    Attributes:
        weights: which.
        folder: where they are.
        files: every file of theirs.
    """

    weights: Weights
    folder: Path
    files: tuple[FetchedFile, ...]

    @property
    def downloaded(self) -> bool:
        """Whether anything came now."""
        return any(each.downloaded for each in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Errand:
    """What holds for all files of one fetch."""

    force: bool
    progress: Progress
    endpoints: Endpoints
    revisions: Revisions = field(default_factory=Revisions)


def fetch(
    names: Sequence[str] = (),
    config: Config = Config(),
    *,
    force: bool = False,
    progress: Progress = silent,
    endpoints: Endpoints = _PUBLIC,
) -> tuple[Fetched, ...]:
    """Download weights; those that are there and as published are left alone.

    A download that broke off goes on where it stopped when it is asked for again. Weights whose owner must grant access
    come last, so that a refusal keeps nothing else waiting.

    Args:
        names: of the catalogue, like `FastSAM-s`; none takes those that the configuration names.
        config: says where weights belong.
        force: replace files that are sound but not as published.
        progress: told megabytes.
        endpoints: where the sources are reached.

    Returns:
        What is in place now, in the order of fetching.

    Raises:
        ConfigError: a name is not known.
        UserError: access must be granted first, or a package is missing.
        OutputError: the folder is full or not writable, or holds other weights of that name.
        FastSnowError: a source cannot be reached, or what came is not what it states.
    """
    chosen = dict.fromkeys([named(each) for each in names] or wanted(config))
    errand = _Errand(force=force, progress=progress, endpoints=endpoints)
    return tuple(_fetch(each, config, errand) for each in sorted(chosen, key=lambda each: each.gated))


def _fetch(weights: Weights, config: Config, errand: _Errand) -> Fetched:
    folder = folder_for(weights, config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}): expected a place you may write to") from error
    return Fetched(
        weights=weights, folder=folder, files=tuple(_bring(weights, each, folder, errand) for each in weights.files)
    )


def _bring(weights: Weights, file: WeightFile, folder: Path, errand: _Errand) -> FetchedFile:
    """Put one file in place, if it is not."""
    path = folder / file.name
    if path.exists() and damage(path) is None and not errand.force:
        return _kept(weights, file, path, errand)
    statement = state(weights, file, errand.endpoints, errand.revisions)
    part = path.with_name(f"{path.name}.part")
    sha256 = _download_checked(weights, statement, part, errand.progress)
    try:
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}): expected a file that can be replaced"
        ) from error
    _record(path, sha256, statement)
    return FetchedFile(path=path, sha256=sha256, verified=statement.digest is not None, downloaded=True)


def _kept(weights: Weights, file: WeightFile, path: Path, errand: _Errand) -> FetchedFile:
    """Check a file that is there, against the record or, where that does not settle it, against the source."""
    sha256 = _sha256(path, errand.progress)
    recorded = read(path.parent).get(path.name)
    if recorded is not None and recorded.sha256 == sha256:
        return FetchedFile(path=path, sha256=sha256, verified=recorded.verified, downloaded=False)
    statement = state(weights, file, errand.endpoints, errand.revisions)
    if statement.digest is not None and not statement.digest.fits(path, sha256):
        raise OutputError(
            f"{path}: is there, but is not what {weights.source.page} offers (SHA-256 {sha256[:12]}…): move it away, or"
            " replace it with --force"
        )
    _record(path, sha256, statement)
    return FetchedFile(path=path, sha256=sha256, verified=statement.digest is not None, downloaded=False)


def _download_checked(weights: Weights, statement: Statement, part: Path, progress: Progress) -> str:
    """Complete a part file and check it; return its SHA-256."""
    resumed = part.exists()
    name = part.name.removesuffix(".part")
    try:
        download(statement.resource, part, _in_megabytes(name, progress))
    except RefusedError as error:
        raise refused(weights) from error
    sha256 = _sha256(part, progress)
    if statement.digest is None:
        _expect_whole(part, name, statement)
        return sha256
    if statement.digest.fits(part, sha256):
        return sha256
    part.unlink()
    if resumed:  # the earlier piece may belong to another revision
        return _download_checked(weights, statement, part, progress)
    raise FastSnowError(
        f"{statement.resource.url}: what came is not what was stated ({statement.digest.algorithm}"
        f" {statement.digest.hexadecimal[:12]}… expected, SHA-256 {sha256[:12]}… came); it is deleted: run the same"
        " command again, and mistrust proxies in between if that repeats"
    )


def _expect_whole(part: Path, name: str, statement: Statement) -> None:
    """Refuse at least what cannot be the file, like the page of a proxy, where no digest tells."""
    problem = damage(part, name=name)
    if problem is not None:
        part.unlink()
        raise FastSnowError(f"{statement.resource.url}: what came {problem}; it is deleted: check proxy and firewall")


def _sha256(path: Path, progress: Progress) -> str:
    total = path.stat().st_size
    report = _in_megabytes(f"check {path.name.removesuffix('.part')}", progress)
    report(0, total)
    return sha256_of(path, lambda done: report(done, total))


def _in_megabytes(what: str, progress: Progress) -> Callable[[int, int], None]:
    """Report bytes as whole megabytes, and only when the figure changes; the last one counts as full."""
    shown: list[tuple[int, int]] = []

    def report(done: int, total: int) -> None:
        figures = -(-done // _MB), -(-total // _MB)
        if not shown:
            progress(f"{what} (MB)", 0, figures[1])
            shown.append((0, figures[1]))
        if figures != shown[-1]:
            progress(f"{what} (MB)", *figures)
            shown[:] = [figures]

    return report


def _record(path: Path, sha256: str, statement: Statement) -> None:
    files = read(path.parent)
    files[path.name] = Recorded(
        sha256=sha256,
        size=path.stat().st_size,
        source=statement.resource.url,
        revision=statement.revision,
        verified=statement.digest is not None,
    )
    store(path.parent / RECORD, as_bytes(files))
