"""Checks that a wheel installs the package `fast_snow` whole, and nothing beside it."""

import sys
from pathlib import Path
from zipfile import ZipFile


def main(wheel: Path) -> int:
    """Print what is wrong with the wheel; returns 0 where nothing is."""
    root = Path(__file__).resolve().parents[1]
    names = set(ZipFile(wheel).namelist())
    beside = {name.split("/")[0] for name in names} - {"fast_snow"}
    wrong = [f"installs {name} beside fast_snow" for name in sorted(beside) if not name.endswith(".dist-info")]
    sources = (path for path in (root / "fast_snow").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    expected = {path.relative_to(root).as_posix() for path in sources if "models" not in path.parts}
    expected = {name for name in expected if not name.endswith((".nbi", ".nbc", ".pyc"))}
    wrong += [f"lacks {name}" for name in sorted(expected - names)]
    wrong += [f"carries the weights {name}" for name in sorted(names) if name.startswith("fast_snow/models/")]
    print("\n".join(f"{wheel.name} {each}" for each in wrong) or f"{wheel.name}: {len(names)} files, all in place")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
