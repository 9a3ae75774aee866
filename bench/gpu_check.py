"""Everything that there is to check on a GPU machine, in one command and one JSON file.

`python -m bench.gpu_check --json bench/results/gpu_check.json` does the parts below in their order, the most telling
first, none for more than four minutes. The file is complete after every setting, and names what there was no time for.
Weights are random. Nothing is downloaded or installed; what is missing is named and left out. Without a GPU it runs on
the CPU; `--tiny` tries it in a minute. Afterwards, `python -m bench.report` writes docs/gpu-status.md and
docs/benchmarks.md.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import engines, gpu_correctness, gpu_parts
from bench.engines import PACKAGES, TINY, Load, Plan
from bench.gpu_parts import Clip
from bench.random_models import MODELS, Models, full, tiny
from bench.time_budget import Trial, run_part
from bench.timing import hardware
from fast_snow.atomic_files import store
from fast_snow.engines.hardware import gpus

LONGEST_S = 240.0
TINY_CLIP = Clip(frames=4, size=(48, 64), objects=3)
FULL = Plan(
    chunk=(120, 60, 16),
    loads=(
        *(Load("sam3", objects) for objects in (16, 64, 128)),
        Load("sam3", 64, 4),
        Load("sam3", 64, 8),
        Load("sam3-hf", 16),
        Load("sam3-hf", 16, 4),
        Load("edgetam", 16),
        Load("sam3", 1),
    ),
    runs=2,
)
WHEELS: Mapping[str, str] = {
    "addict": "2.4.0",
    "depth-anything-3": "0.1.1",
    "ftfy": "6.3.1",
    "iopath": "0.1.10",
    "omegaconf": "2.4.0",
    "pycocotools": "2.0.11",
    "sam3": "0.1.4",
    "ultralytics": "8.4.190",
    "wcwidth": "0.9.4",
}
"""What an image with PyTorch lacks, 3.7 MB in all (tried with Python 3.12, torch 2.11 and transformers 5.17)."""
FROM_THE_IMAGE = (
    "torch 2.11 with CUDA, torchvision, numpy, scipy, numba, opencv-python-headless, pillow, jaxtyping, jinja2, rich,"
    " threadpoolctl, einops, psutil, regex, portalocker, timm, transformers, safetensors, requests, matplotlib, pytest;"
    " onnx, onnxscript and onnxruntime for the part `compiled`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the check.

    Attributes:
        about: what it finds out, for `--help`.
        needs: models whose random weights are written for it.
        trials: lists its settings, most telling first.
    """

    about: str
    needs: Sequence[str]
    trials: Callable[[Models, Plan, Clip, Path | None], Iterable[Trial]]


def in_torch(trials: Iterable[Trial]) -> Iterator[Trial]:
    """Leave out what needs a compiled network."""
    return (trial for trial in trials if not _is_compiled(trial))


def _is_compiled(trial: Trial) -> bool:
    return "-onnx" in trial.name or "-tensorrt" in trial.name


def compiled(models: Models, plan: Plan) -> Iterator[Trial]:
    """Compile networks and compare them with torch, then measure them."""
    yield from gpu_parts.exported(models, plan)
    for trials in (engines.segmentation(models, plan), engines.depth(models, plan)):
        yield from (trial for trial in trials if _is_compiled(trial))


TRACKERS = ("sam3", "sam3-hf", "edgetam")
PARTS: Mapping[str, Part] = {
    "correctness": Part(
        about="masks of each tracker: bf16 and fp16 against fp32, and the GPU against the CPU",
        needs=TRACKERS,
        trials=lambda models, plan, *_: gpu_correctness.correctness(models, plan),
    ),
    "rates": Part(
        about="the GPU's own matrix product, copy and dispatch",
        needs=(),
        trials=lambda models, *_: gpu_parts.rates(models),
    ),
    "tracking": Part(
        about="each tracker with 16, 64 and 128 objects, from one prompt frame and from several",
        needs=TRACKERS,
        trials=lambda models, plan, *_: engines.tracking(models, plan),
    ),
    "depth": Part(
        about="Depth Anything 3 on 120 frames at once, then on fewer",
        needs=("da3",),
        trials=lambda models, plan, *_: in_torch(engines.depth(models, plan)),
    ),
    "profile": Part(
        about="what one tracking step consists of; the trace lies beside the JSON",
        needs=TRACKERS,
        trials=lambda models, plan, _, trace: gpu_parts.profile(models, plan, trace),
    ),
    "segmentation": Part(
        about="FastSAM and SAM 2.1 at each size of frames",
        needs=("fastsam", "sam2"),
        trials=lambda models, plan, *_: in_torch(engines.segmentation(models, plan)),
    ),
    "end_to_end": Part(
        about="a clip from frames in memory to the graph",
        needs=("fastsam", "da3", "sam3"),
        trials=lambda models, _, clip, __: gpu_parts.end_to_end(models, clip),
    ),
    "compiled": Part(
        about="FastSAM and Depth Anything 3 in ONNX Runtime and TensorRT, where these use the GPU",
        needs=("fastsam", "da3"),
        trials=lambda models, plan, *_: compiled(models, plan),
    ),
}


def check(
    models: Models,
    parts: Sequence[str],
    *,
    small: bool,
    budget_s: float,
    json_path: Path | None,
) -> dict[str, Any]:
    """Do the parts in their order and return the report; what is done is saved as it comes."""
    plan, clip = (TINY, TINY_CLIP) if small else (FULL, Clip())
    report: dict[str, Any] = {
        "weights": "random",
        "size": "tiny" if small else "full",
        "hardware": hardware(*PACKAGES) | {"gpus": [each.name for each in gpus()]},
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "missing_models": {name: why for name, why in models.left_out.items() if why != "not asked for"},
        "parts": {},
        "not_run": list(parts),
    }

    def save(name: str, found: Mapping[str, Any]) -> None:
        report["parts"][name] = {"about": PARTS[name].about, **found}
        if json_path is not None:
            store(json_path, f"{json.dumps(report, indent=2)}\n".encode())

    for name in parts:
        print(f"== {name}: {PARTS[name].about}", flush=True)
        report["not_run"].remove(name)
        trials = partial(PARTS[name].trials, models, plan, clip, json_path)
        found = run_part(trials, budget_s, partial(save, name))
        save(name, found)
        print(json.dumps(found, indent=2), flush=True)
    return report


def main() -> None:
    """Check, print what is found and write it where asked to."""
    listed = "\n".join(f"  {name:<14}{part.about}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="bench.gpu_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"parts:\n{listed}",
    )
    parser.add_argument("--json", type=Path, help="where the report goes; complete after every setting")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help="parts to do")
    parser.add_argument("--budget", type=float, default=LONGEST_S, help=f"seconds per part, at most {LONGEST_S:.0f}")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--tiny", action="store_true", help="small networks and few frames, to try the script")
    parser.add_argument(
        "--list-wheels", action="store_true", help="print the packages to copy to a machine without downloads, and end"
    )
    asked = parser.parse_args()
    if asked.list_wheels:
        print("\n".join(f"{name}=={version}" for name, version in WHEELS.items()))
        print(f"# beside them, from the image: {FROM_THE_IMAGE}")
        return
    parts = [name for name in PARTS if name in asked.only]
    needed = [name for name in MODELS if any(name in PARTS[part].needs for part in parts)]
    if asked.json is not None:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        (tiny if asked.tiny else full)(Path(folder), asked.device, needed) as models,
    ):
        check(models, parts, small=asked.tiny, budget_s=min(asked.budget, LONGEST_S), json_path=asked.json)


if __name__ == "__main__":
    main()
