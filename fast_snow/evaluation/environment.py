"""Provenance of results: configuration, versions, hardware, git commit."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import fast_snow
from fast_snow import untrusted_json
from fast_snow.baselines.snow_config import DEFAULT as SNOW
from fast_snow.baselines.snow_config import SnowConfig
from fast_snow.config import Config
from fast_snow.engines.hardware import gpus
from fast_snow.peak_memory import linux_field
from fast_snow.run_record import ENGINE_PACKAGES, PACKAGES

METRIC_PACKAGES = ("evo", "motmetrics", "scikit-learn", "trackeval")
MUST_AGREE = ("manifest", "config", "git_commit", "versions", "hardware")
"""Results can only stand side by side in one folder where these are the same."""
_PROCESSOR: Final = Path("/proc/cpuinfo")


def provenance(
    manifest: Mapping[str, Any],
    config: Config,
    *,
    systems: Sequence[str],
    repeat: int,
    warm_up_frames: int,
    fresh_peaks: bool,
) -> dict[str, Any]:
    """Return what results must carry so that others can reproduce them.

    With `fresh_peaks` peak memory is that of a run, not of the whole process.
    """
    peak = (
        "during a run, what it held before included"
        if fresh_peaks
        else "up to the end of a run: later runs cannot tell less than earlier ones"
    )
    return {
        "manifest": dict(manifest),
        "systems": list(systems),
        "repeat": repeat,
        "seed": config.runtime.seed,
        "warm_up": f"each system ran {warm_up_frames} frames of its first clip beforehand, which do not count",
        "peak_memory": f"the most resident memory of the process {peak}",
        "config": untrusted_json.loads(json.dumps(asdict(config) | {SnowConfig.section: asdict(SNOW)})),
        "versions": _versions(),
        "hardware": _hardware(),
        "git_commit": _git_commit(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions() -> dict[str, str]:
    """Return the versions of Python and of every package that decides on numbers, where it is installed."""
    names = [*PACKAGES, *METRIC_PACKAGES, *(name for each in ENGINE_PACKAGES.values() for name in each)]
    installed = {"python": platform.python_version()}
    for name in dict.fromkeys(names):
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed


def _hardware() -> dict[str, Any]:
    memory_gib = None
    with suppress(OSError, ValueError, AttributeError):
        memory_gib = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return {
        "processor": linux_field(_PROCESSOR, "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": memory_gib,
        "system": platform.platform(),
        "gpus": [each.name for each in gpus()],
    }


def _git_commit() -> str | None:
    """Return the commit that the package's source is of, marked where files differ from it; None outside a clone."""
    source = Path(fast_snow.__file__)
    if _git(source.parent, "ls-files", "--error-unmatch", source.name) is None:
        return None
    commit = _git(source.parent, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(source.parent, "status", "--porcelain", "--", ".")
    return f"{commit} with changes {_digest(source.parent)}" if changed else commit


def _digest(folder: Path) -> str:
    """Return a short digest of a folder's Python files: two states of changed source are told apart."""
    hashed = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        hashed.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return hashed.hexdigest()[:12]


def _git(folder: Path, *arguments: str) -> str | None:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, timeout=30, check=True)
        return done.stdout.decode("utf-8", "replace").strip()
    return None
