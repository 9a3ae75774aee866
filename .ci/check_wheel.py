"""Checks that a wheel installs `fast_snow` whole and nothing beside it, and that its metadata is fit for an index."""

import sys
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

SHOWN = ("Name", "Version", "Summary", "License-Expression", "License-File", "Keywords", "Requires-Python")


def wrong_metadata(wheel: ZipFile) -> list[str]:
    """Return what of the metadata is missing, or no index takes."""
    (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    licence = f"{name.rpartition('/')[0]}/licenses/{metadata['License-File']}"
    wrong = [f"says no {each}" for each in SHOWN if not metadata[each]]
    wrong += [f"lacks its licence, {licence}"] * (licence not in wheel.namelist())
    wrong += ["has no readme in Markdown"] * (not str(metadata["Description-Content-Type"]).startswith("text/markdown"))
    wrong += ["has a classifier of its licence beside the expression"] * (
        "License ::" in str(metadata.get_all("Classifier"))
    )
    return wrong + [f"needs {each}, by an address" for each in metadata.get_all("Requires-Dist", ()) if " @ " in each]


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
    wrong += wrong_metadata(ZipFile(wheel))
    print("\n".join(f"{wheel.name} {each}" for each in wrong) or f"{wheel.name}: {len(names)} files, all in place")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
