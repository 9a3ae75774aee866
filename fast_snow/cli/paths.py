"""Paths as they were typed: the home folder where the shell left it, and names for what has none."""

from pathlib import Path

from fast_snow.errors import OutputError


def expanded(path: Path) -> Path:
    """Return a path with a leading `~` replaced, which shells leave in `--out=~/x`, unless a folder has that name."""
    first = path.parts[0] if path.parts else ""
    if not first.startswith("~") or Path(first).exists():
        return path
    try:
        return path.expanduser()
    except RuntimeError:
        raise OutputError(f"{path}: no home folder of that name, expected a path; write it out") from None


def named(path: Path) -> Path:
    """Return a path whose last part is a name: `.` and `..` are resolved."""
    return path.resolve() if path.name in ("", "..") else path


def run_name(path: Path) -> str:
    """Return what the run of an input is called, never nothing: a file without its suffix, a folder as it is."""
    return (path.name if path.is_dir() else path.stem) or "run"
