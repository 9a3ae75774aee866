"""How well does the classical tracker carry what it is given? Measured from true masks: the ceiling of all detections.

Run from the root of the repository: `python -m bench.true_masks --clips CLIPS`. Each object is prompted with its true
mask, once in the first frame in which it shows and once in the frame in which it is largest. Prints per clip the mean
IoU over the frames in which an object shows (mean over objects), the lowest of its objects, the share of frames in
which an object shows no pixel but the tracker answers some (false returns), and CPU seconds of the tracker.

With `--choose` what common motion counts in `CarryRules` is chosen instead over a finite grid, on the clips of DAVIS:
the measure is the mean IoU over both starts. It is also chosen with each clip left out in turn; the mean of the measure
on the clips left out is what can be expected of clips that nobody saw.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Annotated

import numpy as np
import tyro

from bench.object_clips import DAVIS, SCENE, Clip, load
from bench.objects import VISIBLE, iou_of, report_choice
from bench.timing import hardware
from fast_snow.config import Config
from fast_snow.engines.classical.tracking.evidence import RULES, CarryRules
from fast_snow.engines.classical.tracking.tracker import open_tracker
from fast_snow.kernels.masks import decode, encode
from fast_snow.types import MaskPrompt, TrackedFrame

STARTS: dict[str, Callable[[np.ndarray], int]] = {
    "first": lambda area: int(np.flatnonzero(area >= VISIBLE)[0]),
    "largest": lambda area: int(area.argmax()),
}
"""From an object's area per frame, the frame in which it is prompted."""


GRID = {"came_along": (1.5, 3.0), "matches": (1.5, 2.0)}


def followed(clip: Clip, frames: Sequence[int], rules: CarryRules = RULES) -> Sequence[TrackedFrame]:
    """Track object i + 1 of a clip from its true mask in `frames[i]`."""
    config = Config()
    prompts = [
        MaskPrompt(frame=frame, mask=encode(clip.truth[frame][None] == number + 1))
        for number, frame in enumerate(frames)
    ]
    with (
        open_tracker(config.classical.tracker, seed=config.runtime.seed, threads=1, rules=rules) as tracker,
        closing(tracker.start(clip.window.frames, clip.geometry.grid)) as session,
    ):
        session.add(prompts)
        return session.propagate()


def overlaps(clip: Clip, tracked: Sequence[TrackedFrame]) -> tuple[list[list[float]], float]:
    """Return each object's IoU in each frame in which it shows, and the share of false returns."""
    objects = int(clip.truth.max())
    shown: list[list[float]] = [[] for _ in range(objects)]
    false = hidden = 0
    for each, truth in zip(tracked, clip.truth, strict=True):
        masks = dict(zip(each.local_id.tolist(), decode(each.masks), strict=True))
        for number in range(objects):
            mask, true = masks.get(number), truth == number + 1
            if np.count_nonzero(true) >= VISIBLE:
                shown[number].append(0.0 if mask is None else iou_of(mask, true))
            elif not true.any():
                hidden += 1
                false += mask is not None
    return shown, false / max(hidden, 1)


def measure(clip: Clip, rules: CarryRules = RULES) -> dict[str, float]:
    """Print the figures of one clip and return its mean IoU for each start."""
    area = np.stack([np.count_nonzero(clip.truth == n + 1, axis=(1, 2)) for n in range(int(clip.truth.max()))])
    means, parts = {}, []
    for start, frame_of in STARTS.items():
        began = process_time()
        shown, false = overlaps(clip, followed(clip, [frame_of(each) for each in area], rules))
        seconds = process_time() - began
        per_object = [float(np.mean(each)) for each in shown]
        means[start] = float(np.mean(per_object))
        parts.append(f"{start} {means[start]:.3f} (lowest {min(per_object):.2f}, false {false:.2f}) {seconds:4.1f} s")
    print(f"{clip.name:15}", "   ".join(parts), flush=True)
    return means


def choose(clips: Sequence[Clip]) -> None:
    """Print the measure of every variant, the best one, and what it is worth on clips that are left out."""
    variants = [CarryRules(*values) for values in product(*GRID.values())]
    table = np.zeros((len(variants), len(clips)))
    for variant, row in zip(variants, table, strict=True):
        row[:] = [np.mean(list(measure(clip, variant).values())) for clip in clips]
        print(variant, row.round(3), f"mean {row.mean():.4f}", flush=True)
    report_choice(variants, table)


def main(
    clips: Path,
    names: tuple[str, ...] = (SCENE, *DAVIS),
    choose_constants: Annotated[bool, tyro.conf.arg(name="choose")] = False,
    cache: Path | None = None,
) -> None:
    """Measure the classical tracker from true masks, or choose its constants.

    Args:
        clips: folder of the development clips.
        names: which of them; `scene-1`, `scene-2` … are rendered with other textures.
        choose_constants: choose instead of measuring.
        cache: folder in which rendered scenes and estimated geometry are kept.
    """
    print(hardware("numpy", "opencv-python-headless", "numba"))
    with TemporaryDirectory() as temporary:
        loaded = (load(name, clips, cache or Path(temporary)) for name in names)
        if choose_constants:
            choose([clip for clip in loaded if clip.name in DAVIS])
            return
        means = {clip.name: measure(clip) for clip in loaded}
    for start in STARTS:
        print(f"mean of DAVIS, {start}: {np.mean([means[name][start] for name in means if name in DAVIS]):.3f}")


if __name__ == "__main__":
    tyro.cli(main)
