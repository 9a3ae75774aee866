"""Files that are complete or absent: made in a folder of their own, then moved to their place."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fast_snow.engines.compiled import manifest as manifests
from fast_snow.engines.compiled.manifest import Manifest
from fast_snow.errors import OutputError


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give a temporary folder on the same disk as `folder`, which is created; whatever happens, it is gone afterwards.

    Raises:
        OutputError: `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=folder, prefix=".export-")
    except OSError as error:
        raise OutputError(
            f"engines.compiled_path: {folder} cannot be written ({error.strerror}); choose another"
        ) from None
    with temporary as name:
        yield Path(name)


def put_in_place(staged: Sequence[Path], manifest: Manifest, folder: Path) -> Path:
    """Move the files of an artefact to their place, its manifest last: without one an artefact counts as absent.

    The artefact's own file comes first; returns where it is then.
    """
    places = [folder / each.name for each in staged]
    beside = manifests.path_beside(places[0])
    beside.unlink(missing_ok=True)
    try:
        for source, place in zip(staged, places, strict=True):
            source.replace(place)
        manifests.write_manifest(manifest, beside)
    except BaseException:
        for place in (*places, beside):
            place.unlink(missing_ok=True)
        raise
    return places[0]
