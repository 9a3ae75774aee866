"""Everything that there is to check on a GPU machine, in one command and one JSON file.

`python -m bench.gpu_check --json bench/results/gpu_check.json` compiles what can be compiled and compares it with
torch, measures every engine (`bench.engines`), compares SAM3 in half precision with SAM3 in fp32, and runs a clip from
frames in memory to the graph. Weights are random. It installs nothing; what is missing is named and left out. On a
machine without a GPU it runs as well, on the CPU; `--tiny` tries it in a minute.
"""

import argparse
import json
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.engines import PACKAGES, TRIAL, Plan, export, measure, moving_noise, prompts, show
from bench.random_models import Models, full, tiny
from bench.timing import hardware
from bench.timing import measure as timed
from fast_snow import keyframes
from fast_snow.engines.hardware import gpus
from fast_snow.errors import ConfigError
from fast_snow.graph import fold, start
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.pipeline import Pipeline, Step, run
from fast_snow.protocols import silent
from fast_snow.residency import resident
from fast_snow.selection import geometry, segmenter
from fast_snow.selection.candidates import choose
from fast_snow.types import TrackedFrame, Window

PUBLISHED_FPS = {
    "SAM3 on one H100": {"1": 26.5, "16": 9.8, "128": 1.6},
    "SAM 3.1 on one H100": {"1": 33.8, "16": 30.2, "128": 11.5},
    "SNOW on one H100, end to end": {"-": 1.1},
}
IMAGE_TFLOP = 5.0
"""Of SAM3's image encoder per frame: a ViT of 32 layers of width 1024 on 5184 tokens."""
OBJECT_TFLOP = 0.9
"""Of SAM3's memory attention per object and frame: 5184 queries on 36288 keys, four layers of width 256."""
AIM_FPS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The clip of the run from end to end."""

    frames: int = 100
    size: tuple[int, int] = (480, 854)
    objects: int = 30


TRIAL_CLIP = Clip(frames=4, size=(48, 64), objects=3)


def matrix_rate(side: int) -> float | None:
    """Measure a bf16 matrix product on the GPU in TFLOP/s, the unit of the floors; None without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    a, b = (torch.randn(side, side, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    product = timed({"product": lambda: torch.matmul(a, b)}, 8)["product"]
    return 2 * side**3 / product.median / 1e12


def floors(figures: Sequence[Mapping[str, Any]], rate: float | None) -> list[dict[str, Any]]:
    """Set SAM3's time per frame beside the least that its arithmetic takes at the measured rate."""
    if not isinstance(rate, float):
        return []
    return [
        {
            "engine": each["engine"],
            "objects": each["setting"]["objects"],
            "floor_frame_s": (floor := (IMAGE_TFLOP + OBJECT_TFLOP * each["setting"]["objects"]) / rate),
            "measured_over_floor": each["frame_p50_s"] / floor,
        }
        for each in figures
        if each["engine"].startswith("sam3") and each["frame_p50_s"] is not None
    ]


def agreement(models: Models, plan: Plan) -> dict[str, Any]:
    """Track the same boxes with SAM3 in the precision that a GPU takes and in fp32, and compare the masks."""
    window = moving_noise(plan.window, plan.frame[0])
    grid = plan.frame[0]
    answers = {}
    for precision in ("fp32", "auto"):
        config = replace(models.config.sam3, precision=precision)
        with models.open_sam3(config) as tracker:
            session = tracker.start(window, grid)
            session.add(prompts(min(plan.objects[-1], 4), grid))
            answers[precision] = session.propagate()
            session.close()
    overlap = [_overlap(*pair) for pair in zip(answers["fp32"], answers["auto"], strict=True)]
    return {"compared": "mask IoU, automatic precision against fp32", "mean_iou_per_frame": overlap}


def _overlap(a: TrackedFrame, b: TrackedFrame) -> float | None:
    """Return the mean IoU of the objects that both answers hold; None where they share none."""
    shared, in_a, in_b = np.intersect1d(a.local_id, b.local_id, return_indices=True)
    if not len(shared):
        return None
    return float(np.diagonal(pairwise_iou(a.masks[in_a], b.masks[in_b])).mean())


def end_to_end(models: Models, clip: Clip) -> dict[str, Any]:
    """Run the pipeline on frames in memory: DA3 and FastSAM on their fastest backend, SAM3, tokens and graph.

    FastSAM gives at most as many detections as there are to be objects, and none counts as discovered later: what
    random networks see would else decide how much work there is.
    """
    config = models.config
    config = replace(
        config,
        fastsam=replace(config.fastsam, max_det=clip.objects, iou_threshold=1.0, discovery_iou_thresh=0.0),
        window=replace(config.window, length=max(clip.frames, 2), overlap=1),
        depth_filter=replace(config.depth_filter, conf_thresh=0.0, min_points=1),
        tracker=replace(config.tracker, nested_thresh=1.0),
        fusion=replace(config.fusion, cross_run_iou_thresh=1.0),
    )
    for_geometry = choose("geometry", "da3", geometry.candidates(config, None, clip.size, silent))
    for_segmenter = choose("segmenter", "fastsam", segmenter.candidates(config, None, clip.size, silent))
    engines = EngineOpeners(
        geometry=for_geometry.candidate.opener(),
        segmenter=for_segmenter.candidate.opener(),
        tracker=lambda: models.open_sam3(config.sam3),
    )
    window = Window(index=0, frames=moving_noise(clip.frames, clip.size), shared=0)
    with resident(engines) as kept:
        pipeline = Pipeline(
            perceive=lambda each, watch: perceive(each, engines=kept, config=config, progress=watch),
            picture=partial(keyframes.encode, every=10, jpeg_quality=90),
            fold=partial(fold, config=config),
            start=start(config),
            queue_length=1,
        )
        steps: list[Step] = []
        timing = timed({"clip": lambda: steps.extend(run(pipeline, [window]))}, 2)["clip"]
    wall_s, step = min(zip(timing.seconds, steps[1:], strict=True), key=lambda each: each[0])
    return {
        "engines": [for_geometry.candidate.name, for_segmenter.candidate.name, "sam3"],
        "frames": clip.frames,
        "frame": f"{clip.size[0]}x{clip.size[1]}",
        "prompts": step.state.health.first_pass_prompts + step.state.health.second_pass_prompts,
        "tracks": len(step.state.graph.tracks),
        "not_counted": "decoding, loading; the first run, which warms up",
        "wall_s": wall_s,
        "frames_per_second": clip.frames / wall_s,
        "aim_frames_per_second": AIM_FPS,
        "stage_s": asdict(step.seconds),
    }


def attempted(what: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 (whatever the part reports)
    """Do one part; what goes wrong is its result, so that the other parts are still done."""
    print(f"== {what}", flush=True)
    try:
        return work()
    except (ImportError, ConfigError) as error:
        return {"skipped": str(error)}
    except Exception as error:  # noqa: BLE001 (one lease of a GPU: every other part must still run)
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"}


def check(models: Models, plan: Plan, clip: Clip, save: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Do every part and return the whole report; what is done is saved as it comes."""

    def engines() -> list[dict[str, Any]]:
        figures: list[dict[str, Any]] = []
        for each in measure(models, plan):
            show(each)
            figures.append(asdict(each))
            save(report | {"engines": figures})
        return figures

    parts: dict[str, Callable[[], Any]] = {
        "bf16_matrix_tflop_per_s": lambda: matrix_rate(8192),
        "parity_with_torch": lambda: export(models, plan),
        "sam3_precision": lambda: agreement(models, plan),
        "end_to_end": lambda: end_to_end(models, clip),
        "engines": engines,
        "sam3_floors": lambda: floors(report["engines"], report["bf16_matrix_tflop_per_s"]),
    }
    report: dict[str, Any] = {
        "weights": "random",
        "hardware": hardware(*PACKAGES) | {f"gpu {i}": each.name for i, each in enumerate(gpus())},
        "left_out": dict(models.left_out),
        "sam3_published_fps": PUBLISHED_FPS,
    }
    for name, work in parts.items():
        report[name] = attempted(name, work)
        save(report)
    return report


def main() -> None:
    """Check, print the report's end and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the report goes")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--tiny", action="store_true", help="small networks and few frames, to try the script")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, (tiny if told.tiny else full)(Path(folder), told.device) as models:
        runtime = replace(models.config.runtime, device=told.device)
        models = replace(models, config=replace(models.config, runtime=runtime))

        def save(report: Mapping[str, Any]) -> None:
            if told.json is not None:
                told.json.parent.mkdir(parents=True, exist_ok=True)
                text = json.dumps({**report, "size": "tiny" if told.tiny else "full"}, indent=2)
                told.json.write_text(f"{text}\n", encoding="utf-8")

        report = check(models, TRIAL if told.tiny else Plan(), TRIAL_CLIP if told.tiny else Clip(), save)
    print(json.dumps({key: report[key] for key in ("sam3_floors", "sam3_precision", "end_to_end")}, indent=2))


if __name__ == "__main__":
    main()
