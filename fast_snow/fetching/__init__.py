"""Downloads trained weights to where the configuration looks for them, and verifies them against published checksums.

No partial or unverified file ever has its final name: a download grows as `NAME.part`, is verified and then renamed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fast_snow.atomic_files import store
from fast_snow.config import Config
from fast_snow.errors import FastSnowError, OutputError, UserError
from fast_snow.protocols import Progress, silent
from fast_snow.weights import RECORD, Recorded, Weights, damage, folder_for, named, read, wanted
from fast_snow.weights.record import as_bytes, sha256_of

if TYPE_CHECKING:
    from fast_snow.fetching.published_digests import Published

__all__ = ["Endpoints", "Fetched", "fetch"]

_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses of the sources, or of mirrors; None is that of huggingface_hub (`HF_ENDPOINT`)."""

    hugging_face: str | None = None
    github: str = "https://github.com"
    github_api: str = "https://api.github.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Weights in place, with what is recorded of each file; those not downloaded by this call were already present."""

    weights: Weights
    folder: Path
    files: Mapping[str, Recorded]
    downloaded: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What holds for all files of one call."""

    force: bool
    progress: Progress
    endpoints: Endpoints
    commits: dict[str, str] = field(default_factory=dict)


def fetch_weights(
    names: Sequence[str] = (),
    config: Config = Config(),
    *,
    force: bool = False,
    progress: Progress = silent,
    endpoints: Endpoints | None = None,
) -> tuple[Fetched, ...]:
    """Download weights; files already present and verified are skipped, interrupted downloads resume.

    Args:
        names: of the catalogue, like `FastSAM-s`; empty: those that the configuration names.
        config: where weights belong.
        force: overwrite local files whose checksum differs from the published one.
        progress: receives megabytes.
        endpoints: addresses of the sources; None: the public ones.

    Returns:
        The weights now in place; gated ones come last, so that a denied access delays nothing else.

    Raises:
        ConfigError: a name is not known.
        UserError: access must be granted first, or a package is missing.
        OutputError: the folder is full or not writable, or holds other weights under the same name.
        FastSnowError: a source cannot be reached, or the download does not have its published checksum.
    """
    chosen = dict.fromkeys([named(each) for each in names] or wanted(config))
    options = _Options(force=force, progress=progress, endpoints=endpoints or Endpoints())
    return tuple(
        _fetch(each, folder_for(each, config), options) for each in sorted(chosen, key=lambda each: each.gated)
    )


def _fetch(weights: Weights, folder: Path, options: _Options) -> Fetched:
    with _created(folder):
        downloaded = tuple(name for name in weights.files if _provide(weights, folder / name, options))
    recorded = read(folder)
    files = {name: recorded[name] for name in weights.files}
    return Fetched(weights=weights, folder=folder, files=files, downloaded=downloaded)


@contextmanager
def _created(folder: Path) -> Iterator[None]:
    """Create a folder; on failure remove what was created and is still empty."""
    created = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        with suppress(OSError):
            for each in created:
                each.rmdir()
        if isinstance(error, OSError):
            raise OutputError(f"{folder}: cannot be written ({error.strerror}): choose a writable folder") from error
        raise


def _provide(weights: Weights, path: Path, options: _Options) -> bool:
    """Put one file in place and record it; return whether it had to be downloaded."""
    present = path.exists() and damage(path) is None and not options.force
    sha256 = _sha256(path, options.progress) if present else ""
    recorded = read(path.parent)
    if present and path.name in recorded and recorded[path.name].sha256 == sha256:
        return False
    try:
        from fast_snow.fetching.published_digests import matches, published
    except ImportError as error:
        raise UserError(
            f'{weights.name}: needs the package huggingface_hub ({error}): uv pip install -e ".[models]"'
        ) from error
    source = published(weights, path.name, options.endpoints, options.commits)
    if not present:
        sha256 = _download(weights, source, path, options.progress)
    elif source.digest is not None and not matches(source.digest, path, sha256):
        raise OutputError(
            f"{path}: checksum differs from the published one ({weights.source.page}; SHA-256 {sha256[:12]}…): move the"
            " file away, or overwrite it with --force"
        )
    recorded[path.name] = Recorded(
        sha256=sha256,
        size=path.stat().st_size,
        source=source.url,
        revision=source.revision,
        verified=source.digest is not None,
    )
    store(path.parent / RECORD, as_bytes(recorded))
    return not present


def _download(weights: Weights, source: "Published", path: Path, progress: Progress) -> str:
    """Download a file, verify it and give it its name; return its SHA-256."""
    from fast_snow.fetching.download import download, explained
    from fast_snow.fetching.published_digests import matches

    part = path.with_name(f"{path.name}.part")
    resumed = part.exists()
    with explained(weights, source.url):
        download(source, part, _megabytes(path.name, progress))
    sha256 = _sha256(part, progress)
    problem = None
    if source.digest is None:
        problem = damage(part, name=path.name)
    elif not matches(source.digest, part, sha256):
        problem = f"has a wrong checksum (expected {source.digest[:12]}…, got SHA-256 {sha256[:12]}…)"
    if problem is None:
        part.replace(path)
        return sha256
    part.unlink()
    if resumed:  # its beginning may be of another revision
        return _download(weights, source, path, progress)
    raise FastSnowError(
        f"{source.url}: the download {problem}; it was deleted: run the same command again, and check proxy and"
        " firewall if that repeats"
    )


def _sha256(path: Path, progress: Progress) -> str:
    report, total = _megabytes(f"verify {path.name.removesuffix('.part')}", progress), path.stat().st_size
    report(0, total)
    return sha256_of(path, lambda done: report(done, total))


def _megabytes(what: str, progress: Progress) -> Callable[[int, int], None]:
    """Report bytes as whole megabytes; the total counts as reached only with the last byte."""

    def report(done: int, total: int) -> None:
        progress(f"{what} (MB)", -(-total // _MB) if done == total else done // _MB, -(-total // _MB))

    return report
