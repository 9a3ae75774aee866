"""The clips of a manifest that systems can be run over."""

import difflib
import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fast_snow.errors import ConfigError
from fast_snow.evaluation import manifest as manifests
from fast_snow.evaluation.manifest import Manifest
from fast_snow.evaluation.running import Case


def cases_of(manifest: Manifest, root: Path, names: Sequence[str] = ()) -> tuple[Case, ...]:
    """Return the clips that have frames, in the manifest's order.

    Args:
        manifest: the list of clips.
        root: the data root that its paths are relative to.
        names: only these; all where none is given.

    Raises:
        ConfigError: there is no clip of that name, or none that has frames.
    """
    known = [clip.name for clip in manifest.clips]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected some of {', '.join(known)}"
            raise ConfigError(f"--clips: no clip {name!r} in the manifest; {hint}")
    found = tuple(
        Case(
            name=clip.name,
            open=partial(manifests.open_clip, clip, root),
            truth=partial(manifests.truth_of, clip, root),
        )
        for clip in manifest.clips
        if clip.input is not None and (not names or clip.name in names)
    )
    if not found:
        raise ConfigError("none of these clips has frames to run a system over; name others with --clips")
    return found


def identity(path: Path) -> dict[str, str]:
    """Return the name and digest of a manifest's file: results of different manifests are never compared."""
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
