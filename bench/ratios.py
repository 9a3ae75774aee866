"""Speed as ratios to the references of the same run, held against those that are committed.

`scripts/bench` measures and calls this; by hand it is `python -m bench.ratios out/bench/kernels.json`. Ratios depend on
the machine much less than seconds do, but measure on an idle one: kernels lose more to other load.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import tyro

COMMITTED = Path("bench/ratios.json")
ALLOWED = 0.5
"""Share of a committed ratio below which a kernel counts as slower."""


def slower(measured: Mapping[str, float], committed: Mapping[str, float]) -> list[str]:
    """Return one line for each kernel that fell below half of its ratio, or is no longer measured."""
    lines = []
    for name, ratio in committed.items():
        found = measured.get(name)
        if found is None:
            lines.append(f"{name}: not measured, expected a ratio near {ratio:.0f}")
        elif found < ALLOWED * ratio:
            lines.append(
                f"{name}: got {found:.1f} times its reference, expected at least {ALLOWED * ratio:.1f}"
                f" (half of {ratio:.1f}): compare bench/results/kernels.json, or write new ratios with `--update`"
            )
    return lines


def main(
    report: Annotated[Path, tyro.conf.Positional],
    update: bool = False,
) -> int:
    """Compare a report of `bench.kernels` with the committed ratios.

    Args:
        report: what `bench.kernels --json` wrote.
        update: write the ratios to `bench/ratios.json` in place of comparing.

    Returns:
        The exit status: 1 where a kernel is slower.
    """
    content = json.loads(report.read_text(encoding="utf-8"))
    ratios = {name: round(each["ratio"], 1) for name, each in content["results"].items()}
    about = {
        "about": "how many times faster each kernel was than its reference, in one run on this hardware",
        "hardware": content["hardware"],
        "ratios": ratios,
    }
    target = COMMITTED if update else report.with_name("ratios.json")
    target.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    print(f"ratios written to {target}")
    if update:
        return 0
    lines = slower(ratios, json.loads(COMMITTED.read_text(encoding="utf-8"))["ratios"])
    print("\n".join(lines) or "no kernel is below half of its committed ratio")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
