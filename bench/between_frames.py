"""What does `sam3.propagate_every` cost? Masks carried between frames, measured with a tracker that makes no mistakes.

`python -m bench.between_frames --clips CLIPS/davis` gives the true masks of DAVIS clips in every n-th frame and
compares what optical flow makes of the others with their true masks. What a tracker loses because it sees less is not
in it.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool

from fast_snow.config import Config, SamplingConfig
from fast_snow.engines.between_frames import open_sparse_tracker
from fast_snow.inputs import open_input
from fast_snow.inputs.windows import windows
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.kernels.masks import encode
from fast_snow.protocols import Tracker
from fast_snow.types import Frames, GridShape, MaskPrompt, Masks, Prompt, TrackedFrame

WIDTH = 504
"""Of the analysis grid in pixels."""


@dataclass(frozen=True, slots=True)
class TrueTracker:
    """Answers with the true mask of the one object, by the number of the clip's frame."""

    truth: Bool[np.ndarray, "n h w"]

    @contextmanager
    def opened(self) -> Iterator[Tracker]:
        """Open it."""
        yield self

    def start(self, frames: Frames, grid: GridShape) -> "_Session":  # noqa: ARG002 (the truth is on the grid)
        """Begin a session."""
        return _Session(self.truth[frames.t])


@dataclass(frozen=True, slots=True)
class _Session:
    truth: Bool[np.ndarray, "n h w"]

    def add(self, prompts: Sequence[Prompt]) -> None:
        pass

    def propagate(self) -> Sequence[TrackedFrame]:
        return [_seen(encode(mask[None])) for mask in self.truth]

    def close(self) -> None:
        pass


def _seen(masks: Masks) -> TrackedFrame:
    number = np.zeros(1, np.int32)
    seen = TrackedFrame(run_id=number, local_id=number, masks=masks, score=np.ones(1, np.float32))
    return seen[np.diff(masks.offset) > 0]


def overlaps(clip: Path, every: Sequence[int], config: Config) -> dict[int, list[float]]:
    """Return, by the stride, the IoU with the truth in each frame that was not tracked and that shows the object."""
    (window,) = windows(open_input(clip / "video.mp4", config.sampling), config.window)
    frames = window.frames
    grid = (round(WIDTH * frames.image.shape[1] / frames.image.shape[2]), WIDTH)
    paths = [clip / "gt" / f"{i:05d}.png" for i in frames.source_frame.tolist()]
    images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
    truth = np.stack([cv2.resize(each, grid[::-1], interpolation=cv2.INTER_NEAREST) > 127 for each in images])  # type: ignore[arg-type]
    found: dict[int, list[float]] = {}
    for n in every:
        with open_sparse_tracker(TrueTracker(truth).opened, n, threads=0) as tracker:
            session = tracker.start(frames, grid)
            session.add([MaskPrompt(frame=0, mask=encode(truth[:1]))])
            carried = session.propagate()
        between = [i for i in range(len(frames) - 1) if i % n and truth[i].any()]
        found[n] = [float(pairwise_iou(carried[i].masks, encode(truth[[i]])).max(initial=0.0)) for i in between]
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line per clip and stride."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder with a folder per clip: video.mp4 and gt/")
    parser.add_argument("--every", type=int, nargs="+", default=[2, 3, 5], help="strides to measure")
    parser.add_argument(
        "--fps", type=float, default=Config().sampling.target_fps, help="frames per second of the clips"
    )
    options = parser.parse_args(arguments)
    config = Config(sampling=SamplingConfig(target_fps=options.fps))
    clips = sorted(each.parent for each in options.clips.glob("*/video.mp4"))
    measured = {clip.name: overlaps(clip, options.every, config) for clip in clips}
    print(f"{'clip':16}" + "".join(f"every {n}: mean  worst  " for n in options.every))
    for name, of_clip in measured.items():
        print(f"{name:16}" + "".join(f"{np.mean(each):13.3f} {min(each):6.3f}  " for each in of_clip.values()))
    print(
        f"{'mean':16}"
        + "".join(f"{np.mean([np.mean(m[n]) for m in measured.values()]):13.3f}         " for n in options.every)
    )


if __name__ == "__main__":
    main()
