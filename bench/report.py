"""`docs/benchmarks.md` and `docs/gpu-status.md`, made of the results that are committed: no figure is typed by hand.

Run from the root of the repository after results changed: `python -m bench.report`; `--check` only tells whether the
pages are what the results say. The table of commands is `bench/commands.md`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import gpu_status
from bench.cost.table import cost_section
from bench.markdown import ms, table

RESULTS = Path("bench/results")
COMMANDS = Path("bench/commands.md")
PAGE = Path("docs/benchmarks.md")
GPU_PAGE = Path("docs/gpu-status.md")
Results = Mapping[str, Any]


def page(root: Path) -> str:
    """Return the page of a repository's committed results.

    Args:
        root: of the repository.

    Raises:
        ValueError: there are results that this script cannot show.
    """
    parts = [(root / COMMANDS).read_text(encoding="utf-8").rstrip()]
    for file in sorted((root / RESULTS).glob("*.json")):
        if file.stem not in SECTIONS:
            raise ValueError(f"{file}: nothing shows it; add its section to bench/report.py")
        title, section = SECTIONS[file.stem]
        results = json.loads(file.read_text(encoding="utf-8"))
        parts.append("\n\n".join([f"## {title}", _origin(file.name, results), *section(results)]))
    return "\n\n".join(parts) + "\n"


def _origin(name: str, results: Results) -> str:
    """Tell where the figures come from: the file, the machine, the versions."""
    about = results.get("about", results)
    hardware = dict(about.get("hardware", {}))
    machine = f"{hardware.pop('processor', 'unknown processor')}, {hardware.pop('cores', '?')} cores"
    if gpus := hardware.pop("gpus", None):
        machine += f", {', '.join(gpus)}"
    for known in ("system", "memory_gib"):
        hardware.pop(known, None)
    versions = about.get("versions", hardware)
    listed = ", ".join(f"{package} {number}" for package, number in versions.items() if number != "not installed")
    return f"[`{name}`](../bench/results/{name}): {machine}; {listed}."


def kernels(results: Results) -> list[str]:
    """Each kernel beside its reference."""
    rows = [
        [
            name,
            f"{each['ratio']:.0f}x",
            ms(each["kernel"]["median_s"]),
            _span(each["kernel"]["spread_s"]),
            ms(each["reference"]["median_s"]),
            f"{each['bytes_touched'] / each['kernel']['median_s'] / 1e9:.1f}",
        ]
        for name, each in results["results"].items()
    ]
    first = results["first_calls"]
    return [
        table(["1920x1080", "faster by", "kernel ms", "least to most", "NumPy ms", "GB/s"], rows),
        f"One thread copies {results['copy_bytes_per_s'] / 1e9:.1f} GB/s. The first call of all kernels takes"
        f" {first['compile_s']:.1f} s, and {first['load_compiled_s']:.1f} s once they are compiled on disk.",
    ]


def latency(results: Results) -> list[str]:
    """Fast-SNOW from end to end over length and objects."""
    stages = list(results["results"][0]["stage_s"])
    rows = [
        [
            f"{each['engines']}, {each['frames']} frames, {each['objects']} objects",
            f"{each['frames_per_second']:.1f}",
            ms(each["frame_p50_s"]),
            ms(each["frame_p95_s"]),
            *(ms(each["stage_s"][stage]) for stage in stages),
            f"{each['peak_bytes'] / 2**20:.0f}",
        ]
        for each in results["results"]
    ]
    head = ["320x240", "frames/s", "p50 ms", "p95 ms", *(f"{stage} ms" for stage in stages), "peak MiB"]
    return [
        table(head, rows),
        "Milliseconds per frame. The frames of one window are done together and share its time, so p50 and p95 differ"
        " only where a clip has several windows or runs differ. Folding runs beside the other stages. Memory is the"
        " whole process's.",
    ]


def memory(results: Results) -> list[str]:
    """Peak memory and time per frame over the length of a clip."""
    rows = [
        [
            f"{each['engines']}, {each['frames']:,} frames",
            f"{each['observations']:,}",
            " / ".join(f"{1e3 * half:.2f}" for half in each.get("frame_cpu_s", ())),
            f"{each['cpu_s']:.0f}",
            f"{each['peak_bytes'] / 1e6:.0f}",
        ]
        for each in results["results"]
    ]
    return [
        table(["run", "observations", "CPU ms per frame, first / second half", "CPU s", "peak MB"], rows),
        "Each run is a process of its own; its peak is all that it ever held. *load* reads the `4dsg.json`"
        " that the run before it wrote. CPU time is of all threads; frames are 160x96.",
        *([results["note"]] if "note" in results else []),
    ]


def batch(results: Results) -> list[str]:
    """One worker beside two."""
    rows = [
        [
            f"{each['case']}: {each['videos']} of {each['runs'][0]['frames'] // each['videos']:,} frames",
            f"{each['ratio']:.2f}x",
            f"{each['lost']:.0%}",
            *(f"{run['frames_per_second']:.1f}" for run in each["runs"]),
            *(f"{run['busy_share']:.0%}" for run in each["runs"]),
            f"{max(each['runs'][1]['peak_bytes']) / 1e6:.0f}",
        ]
        for each in results["results"]
    ]
    head = ["videos", "faster with two", "lost", "frames/s, one", "two", "at work, one", "two", "peak MB of a worker"]
    window = results["config"]
    return [
        table(head, rows),
        f"Workers are {results['workers']} of one thread; windows of {window['length']} frames share"
        f" {window['overlap']}; the graphs of one and two workers are byte-identical. *Lost* is what is missing to"
        " twice the speed: starting, and reading and folding, which share the cores with the workers. *At work*: share"
        " of the time in which workers perceive.",
    ]


def engines(results: Results) -> list[str]:
    """Each engine of trained models in each setting."""
    rows = [
        [
            each["engine"],
            " ".join(f"{name} {value}" for name, value in each["setting"].items()),
            ms(each["frame_p50_s"]),
            ms(each["frame_p95_s"]),
            f"{each['frames_per_second']:.2f}",
            f"{each['peak_bytes'] / 2**30:.2f}",
        ]
        for each in (*results.get("engines", ()), *gpu_status.measured(results))
        if each["frame_p50_s"] is not None
    ]
    head = ["engine", "setting", "p50 ms", "p95 ms", "frames/s", "peak GiB"]
    return [f"Weights are {results.get('weights', 'unknown')}.", *([table(head, rows)] if rows else [])]


def mask_margin(results: Results) -> list[str]:
    """Where the masks' margin is argued for."""
    shown = ", ".join(str(name) for name in results["results"])
    return [f"What the figures mean and decide is in [ADR 4](adr/004-mask-margin.md) ({shown})."]


def depth_outliers(results: Results) -> list[str]:
    """Which rule was chosen, and what it leaves of the errors of plain statistics."""
    plain, best = results["results"]["objects"][:2]
    figures = {"drifted_centroid_mm": "drifted: centroid mm", "drifted_extent_cm": "drifted: extent cm"}
    figures |= {"centroid_p90_mm": "all: centroid p90 mm", "extent_cm": "all: extent cm"}
    rows = [
        [name, *(f"{values[key]:.0f} / {best['sets'][name][key]:.0f}" for key in figures)]
        for name, values in plain["sets"].items()
    ]
    rule = ", ".join(f"{name} {value}" for name, value in best["rule"].items())
    return [
        f"Without a rule / with the best of the grid ({rule}); see [ADR 4](adr/004-mask-margin.md).",
        table(["objects", *figures.values()], rows),
    ]


def prompt(results: Results) -> list[str]:
    """The prompt beside plain JSON of the same graphs."""
    rows = [
        [
            f"{name}: {each['objects']} objects, {each['observations']} observations",
            *(f"{count:.1f}" for count in each["tokens_per_observation"].values()),
            ms(each["seconds"]["prompt"]["median_s"]),
            ms(each["seconds"]["json_dumps"]["median_s"]),
        ]
        for name, each in results["results"].items()
    ]
    head = ["tokens per observation", "`json.dumps`", "`4dsg.json`", "prompt", "prompt without tau"]
    return [
        table([*head, "prompt ms", "`json.dumps` ms"], rows),
        "Tokens of the o200k vocabulary, everything but pictures included. An observation has twelve numbers of up to"
        " nine digits, of which a token holds three: 36 tokens before the first point or separator. Milliseconds are of"
        " the whole prompt, with the counting of its tokens.",
    ]


def evaluation(results: Results) -> list[str]:
    """Both systems on every clip (`report.json` of `fast-snow eval run`)."""
    rows = (*results["rows"], *results["totals"])
    shown = {name: head for name, head in _EVALUATED.items() if any(name in row["values"] for row in rows)}
    cells = [
        [f"{row['clip']}, {row['system']}", *(_measure(name, row["values"].get(name)) for name in shown)]
        for row in rows
    ]
    about = results["about"]
    said = (
        f"{about['repeat']} repeats with seed {about['seed']} on {about['manifest']['name']}, commit"
        f" {about['git_commit']}; {about['warm_up']}. What the columns are: [evaluation.md](evaluation.md)."
    )
    if any(row.get("exhaustive") is False for row in rows):
        said += (
            " Some truths annotate only some objects: what is found beside them counts as wrong in IDF1 and HOTA, and"
            " not in IDR."
        )
    return [table(["clip, system", *shown.values()], cells), said]


_EVALUATED: Mapping[str, str] = {
    "fps": "frames/s",
    "p50_s": "p50 ms",
    "p95_s": "p95 ms",
    "idr": "IDR",
    "switches_per_1000": "switches/1000",
    "fragmentations_per_1000": "fragm./1000",
    "idf1": "IDF1",
    "hota": "HOTA",
    "trajectory_similarity_m": "path Sim(3) m",
    "depth_scaled_abs_rel": "AbsRel scaled",
    "centroid_m": "centroid m",
    "own_centroid_m": "own centroid m",
    "spread_m": "spread m",
}


def _measure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return ms(value) if name.endswith("_s") else f"{value:.{1 if name.endswith('1000') else 3}f}"


def _span(seconds: Sequence[float]) -> str:
    return f"{ms(seconds[0])} to {ms(seconds[1])}"


SECTIONS: Mapping[str, tuple[str, Callable[[Results], list[str]]]] = {
    "batch": ("Many videos on one and two workers", batch),
    "cost": ("What a GPU would take (an estimate)", cost_section),
    "cost_multiplex": ("Operations of SAM 3.1", lambda results: [results["note"]]),
    "depth_outliers": ("Outliers in depth", depth_outliers),
    "engines": ("Engines of trained models", engines),
    "evaluation": ("Fast-SNOW beside SNOW", evaluation),
    "gpu_check": ("On a GPU machine", engines),
    "kernels": ("Kernels", kernels),
    "memory": ("Memory over the length of a clip", memory),
    "latency": ("From end to end", latency),
    "mask_margin": ("Mask margin", mask_margin),
    "prompt": ("Length of prompts", prompt),
}


def pages(root: Path) -> dict[Path, str]:
    """Return every page that is made of a repository's committed results, by its place."""
    checked = root / RESULTS / "gpu_check.json"
    found = json.loads(checked.read_text(encoding="utf-8")) if checked.is_file() else {}
    return {PAGE: page(root), GPU_PAGE: gpu_status.page(found)}


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a page is out of date")
    told = parser.parse_args()
    made = pages(Path())
    if not told.check:
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path for path, text in made.items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path} is not what {RESULTS} says: run `python -m bench.report`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
