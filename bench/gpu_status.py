"""`docs/gpu-status.md`: what `bench.gpu_check` found on a GPU, or that it has not been run on one."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.gpu_check import PARTS, WHEELS

Results = Mapping[str, Any]


def measured(results: Results) -> Iterator[Mapping[str, Any]]:
    """Yield what the parts of a check say of the speed of engines."""
    for part in results.get("parts", {}).values():
        yield from (each for each in part["results"] if "frame_p50_s" in each)


def page(results: Results) -> str:
    """Return the page.

    Args:
        results: what `bench.gpu_check --json` wrote; empty where there is none.
    """
    gpus = results.get("hardware", {}).get("gpus", ())
    rows = [_row(name, results["parts"].get(name) if gpus else None) for name in PARTS] if gpus else _nothing()
    return "\n".join((*_HEAD, *_origin(results, gpus), "", *_TABLE, *rows, *_correct(results if gpus else {}), *_TAIL))


def _origin(results: Results, gpus: tuple[str, ...]) -> tuple[str, ...]:
    if not gpus:
        return ("Nothing has been run on a GPU: no GPU machine was available while these engines were written.",)
    torch = results["hardware"].get("torch", "?")
    return (f"Run on {', '.join(gpus)}, {results['date']}, torch {torch}, {results['size']} size, random weights.",)


def _nothing() -> list[str]:
    return [f"| {name} | {part.about} | not yet | |" for name, part in PARTS.items()]


def _row(name: str, found: Mapping[str, Any] | None) -> str:
    if found is None:
        return f"| {name} | {PARTS[name].about} | not yet | |"
    failed = [f"{each['name']}: {each['failed']}" for each in found["results"] if each.get("failed")]
    skipped = [each["name"] for each in found["results"] if each.get("skipped")]
    done = len(found["results"]) - len(failed) - len(skipped)
    said = [f"{done} settings in {found['seconds']:.0f} s"]
    for label, names in (("failed", failed), ("skipped", skipped), ("no time for", found["left_out"])):
        said += [f"{label}: {'; '.join(names)}"] * bool(names)
    return f"| {name} | {PARTS[name].about} | {'yes' if done else 'no'} | {'. '.join(said).replace('|', '/')} |"


def _correct(results: Results) -> list[str]:
    lines = []
    for each in results.get("parts", {}).get("correctness", {}).get("results", ()):
        errors = each.get("relative_error_of_logits")
        if errors:
            shared = [iou for iou in each["mean_iou_per_frame"] if iou is not None]
            overlap = f"{min(shared):.4f}" if shared else "no masks"
            lines.append(f"| {each['name']} | {max(errors):.1e} | {overlap} |")
    head = ("", "| masks | largest relative error of logits | least mean IoU of a frame |", "|---|---:|---:|")
    return [*head, *lines] if lines else []


_HEAD = ("# GPU status: what has been measured", "")
_TABLE = ("| part | what it finds out | on a GPU | found |", "|---|---|---|---|")
_TAIL = (
    f"""
All of the above is tested on a CPU with random weights: outputs equal upstream's (`tests/engines`). That chunks and
batches are halved where memory runs out is tested there too, by tests that raise torch's error. The TensorRT runner is
tested against a mock with the signatures that NVIDIA documents, never against the library itself.

On a GPU machine, one command does every part, the most telling first, none for more than four minutes:

    python -m bench.gpu_check --json bench/results/gpu_check.json

`--only` names parts, `--help` lists them. Such a machine needs no downloads: beside what an image of PyTorch brings,
{len(WHEELS)} wheels of 4 MB in all, which `--list-wheels` names. This page is made of the file by
`python -m bench.report`; speeds are in [benchmarks](benchmarks.md), beside their estimates.
""",
)
