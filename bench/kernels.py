"""The mask kernels against plain NumPy, at 1920 x 1080.

Run from the root of the repository: `python -m bench.kernels --json out/kernels.json`. The references are those of
`tests/reference`: they work on dense boolean stacks, which they are given; statistics back-project the frame once and
then index it by each mask; IoU is a blocked float32 matrix product on all cores.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from bench.timing import Timing, copy_bandwidth, hardware, measure
from fast_snow.kernels import back_projection, grid_coverage, mask_iou, masks, threads
from fast_snow.types import Masks
from tests.reference import back_projection as reference_back_projection
from tests.reference import masks as reference_masks

SHAPE = 1080, 1920
GRID_SIZE = 16
CONF_THRESH = 0.5
INTRINSICS = np.array([[1500.0, 0.0, 960.0], [0.0, 1500.0, 540.0], [0.0, 0.0, 1.0]])
POSE = np.array([[0.8, 0.0, 0.6, 1.0], [0.0, 1.0, 0.0, 2.0], [-0.6, 0.0, 0.8, 3.0], [0.0, 0.0, 0.0, 1.0]])
FIRST_CALL = """
import time
import numpy as np
from fast_snow.kernels import back_projection, grid_coverage, mask_iou, masks
begin = time.perf_counter()
image = np.ones((9, 9), np.float32)
some = masks.encode(np.ones((2, 9, 9), bool))
back_projection.object_statistics(some, image, image, np.eye(3), np.eye(4), conf_thresh=0.5)
grid_coverage.coverage(some, 16)
mask_iou.pairwise_iou(some, some)
print(time.perf_counter() - begin)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One comparison: the same result by a kernel and by its reference.

    Attributes:
        kernel: what is measured.
        reference: what it is measured against.
        bytes_touched: what the kernel reads of its inputs.
        target: least ratio that is promised.
    """

    kernel: Callable[[], object]
    reference: Callable[[], object]
    bytes_touched: int
    target: float


def blobs(random: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Draw overlapping blobs with wavy edges and holes.

    Args:
        random: source of their places and shapes.
        count: how many.
        low: least share of the frame before the frame's edge cuts a blob.
        high: greatest share.

    Returns:
        Dense masks, shape `(count, h, w)`.
    """
    height, width = SHAPE
    v, u = np.ogrid[:height, :width]
    dense = np.zeros((count, height, width), np.bool_)
    for mask in dense:
        radius = np.sqrt(random.uniform(low, high) * height * width / np.pi)
        stretch = np.exp(random.uniform(-0.3, 0.3))
        y = (v - random.uniform(0.2, 0.8) * height) * stretch / radius
        x = (u - random.uniform(0.15, 0.85) * width) / (stretch * radius)
        angle = np.arctan2(y, x).astype(np.float32)
        edge = np.ones(SHAPE, np.float32)
        for waves, size in ((3, 0.12), (7, 0.08), (41, 0.02)):
            edge += size * np.sin(waves * angle + random.uniform(0, 2 * np.pi))
        mask[:] = np.hypot(x, y) < edge
        for _ in range(4):
            hole_y, hole_x, hole = random.uniform(-0.6, 0.6), random.uniform(-0.6, 0.6), random.uniform(0.02, 0.12)
            mask &= (y - hole_y) ** 2 + (x - hole_x) ** 2 > hole**2
    return dense


def claims(seed: int) -> dict[str, Claim]:
    """Build the inputs and what is compared on them."""
    random = np.random.default_rng(seed)
    objects, detections = blobs(random, 50, 0.01, 0.20), blobs(random, 200, 0.002, 0.15)
    depth = random.uniform(2, 30, SHAPE).astype(np.float32)
    depth[random.random(SHAPE) < 0.02] = np.nan
    confidence = random.uniform(0.4, 1, SHAPE).astype(np.float32)
    runs, detection_runs = masks.encode(objects), masks.encode(detections)
    frame = depth, confidence, INTRINSICS, POSE

    def measured(some: Masks) -> None:
        back_projection.object_statistics(some, *frame, conf_thresh=CONF_THRESH)
        grid_coverage.coverage(some, GRID_SIZE)

    def reference() -> None:
        reference_back_projection.object_statistics(objects, *frame, conf_thresh=CONF_THRESH)
        reference_masks.coverage(objects, GRID_SIZE)

    pixels = int(np.count_nonzero(objects)) * (depth.itemsize + confidence.itemsize)
    return {
        "statistics and tau of 50 objects, from runs": Claim(
            kernel=lambda: measured(runs), reference=reference, bytes_touched=pixels + _size(runs), target=50
        ),
        "statistics and tau of 50 objects, from dense masks": Claim(
            kernel=lambda: measured(masks.encode(objects)),
            reference=reference,
            bytes_touched=pixels + objects.nbytes,
            target=20,
        ),
        "IoU of 200 x 50 masks": Claim(
            kernel=lambda: mask_iou.pairwise_iou(detection_runs, runs),
            reference=lambda: reference_masks.pairwise_iou(detections, objects),
            bytes_touched=_size(detection_runs) + _size(runs),
            target=100,
        ),
        "encoding 50 dense masks": Claim(
            kernel=lambda: masks.encode(objects),
            reference=lambda: reference_masks.runs(objects),
            bytes_touched=objects.nbytes,
            target=1,
        ),
    }


def first_calls() -> dict[str, float]:
    """Time the first call of every kernel in a fresh process, without and with compiled code on disk."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        times = [
            float(subprocess.check_output([sys.executable, "-c", FIRST_CALL], env=environment, text=True))
            for _ in range(2)
        ]
    return {"compile_s": times[0], "load_compiled_s": times[1]}


def main(json_path: Annotated[Path | None, tyro.conf.arg(name="json")] = None, runs: int = 7, seed: int = 0) -> None:
    """Measure and print; write everything to `json_path`, if given."""
    report: dict[str, object] = {"hardware": hardware("numpy", "numba"), "kernel_threads": threads.PER_CORE}
    bandwidth = copy_bandwidth(runs)
    report |= {"copy_bytes_per_s": bandwidth, "first_calls": first_calls(), "results": (results := {})}
    print(json.dumps(report, indent=2))
    for name, claim in claims(seed).items():
        timing = measure({"kernel": claim.kernel, "reference": claim.reference}, runs)
        results[name] = _result(claim, timing)
        ratio = timing["reference"].median / timing["kernel"].median
        rate = claim.bytes_touched / timing["kernel"].median
        print(f"{name}: {ratio:.0f} times faster (promised {claim.target:g})")
        print(f"    kernel    {timing['kernel']}, {rate / 1e9:.1f} GB/s of {bandwidth / 1e9:.1f} GB/s copied")
        print(f"    reference {timing['reference']}")
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _size(some: Masks) -> int:
    return some.start.nbytes + some.stop.nbytes + some.offset.nbytes


def _result(claim: Claim, timing: dict[str, Timing]) -> dict[str, object]:
    return {
        "ratio": timing["reference"].median / timing["kernel"].median,
        "target": claim.target,
        "bytes_touched": claim.bytes_touched,
        **{name: each.as_json() for name, each in timing.items()},
    }


if __name__ == "__main__":
    tyro.cli(main)
