"""How far a camera pans, and how the background moves from frame to frame, against matches that nobody estimated from.

Run from the root of the repository: `python -m bench.background --clips CLIPS`. Each clip of DAVIS is sampled at 10 Hz
with its true masks; the graph's motion of the background in the middle of the image is compared with that of a
homography on ORB features of the sampled images at full size, what is on objects left out (the estimator follows
corners, and matches SIFT features). A step is right within 3 % or two standard deviations of both; where either
says nothing the step is counted as open.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import tyro

from bench.object_clips import DAVIS
from bench.timing import hardware
from fast_snow.api import build_graph
from fast_snow.config import Config
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.inputs.video import decode, open_video, picture
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.types import SceneGraph

FPS = 24.0
SHARE = 0.03
SIGMAS = 2.0
_MARGIN = 15
_INLIER = 2.0
_LEAST = 15


class Step(NamedTuple):
    """The motion of the background to one frame, in pixels of the analysis grid: the graph's, and that of features."""

    t: int
    shift: np.ndarray
    sigma: np.ndarray
    seen: np.ndarray
    seen_sigma: np.ndarray
    features: int

    @property
    def off(self) -> float:
        """By how many standard deviations both differ, at most; NaN where either is not known."""
        return float(np.max(np.abs(self.shift - self.seen) / np.hypot(self.sigma, self.seen_sigma)))

    @property
    def right(self) -> bool:
        """Whether both agree."""
        apart = float(np.linalg.norm(self.shift - self.seen))
        return apart <= SHARE * float(np.linalg.norm(self.seen)) or self.off <= SIGMAS


def seen_shift(
    one: np.ndarray, other: np.ndarray, objects: np.ndarray, grid: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the background's motion in the middle by features, its standard deviation, and how many features."""
    detector, nothing = cv2.ORB.create(6000, 1.2, 6, fastThreshold=6), np.full(2, np.nan)
    (a, da), (b, db) = (
        detector.detectAndCompute(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), None) for each in (one, other)
    )
    if da is None or db is None:
        return nothing, nothing, 0
    found = cv2.BFMatcher.create(cv2.NORM_HAMMING).knnMatch(da, db, 2)
    clear = [pair[0] for pair in found if len(pair) == 2 and pair[0].distance < 0.75 * pair[1].distance]
    start = np.array([a[each.queryIdx].pt for each in clear], np.float64).reshape(-1, 2)
    end = np.array([b[each.trainIdx].pt for each in clear], np.float64).reshape(-1, 2)
    covered = cv2.dilate(objects.astype(np.uint8), np.ones((2 * _MARGIN + 1,) * 2, np.uint8))
    free = covered[start[:, 1].astype(int), start[:, 0].astype(int)] == 0
    start, end = start[free], end[free]
    if len(start) < _LEAST:
        return nothing, nothing, len(start)
    scale = grid[1] / one.shape[1]
    middle = np.array([[[(one.shape[1] - 1) / 2, (one.shape[0] - 1) / 2]]])
    shifts = [scale * each for each in _shifts(start, end, middle)]
    return shifts[0], np.std(shifts[1:], axis=0), len(start)


def _shifts(start: np.ndarray, end: np.ndarray, middle: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the motion in the middle by all matches, then by samples of them drawn with replacement."""
    rng = np.random.default_rng(0)
    for each in (np.arange(len(start)), *(rng.integers(len(start), size=len(start)) for _ in range(12))):
        homography, _ = cv2.findHomography(start[each], end[each], cv2.USAC_MAGSAC, _INLIER)
        if homography is not None:
            yield (cv2.perspectiveTransform(middle, homography) - middle)[0, 0]


def measured(folder: Path) -> tuple[SceneGraph, list[Step]]:
    """Build the graph of a clip with its true masks, and compare every step."""
    video = open_video(folder / "video.mp4")
    images = np.stack([picture(video, frame) for _, frame in decode(video)])
    ids = np.zeros(images.shape[:3], np.int32)
    for i, each in enumerate(ids):
        mask = cv2.imread(str(folder / "gt" / f"{i:05d}.png"), cv2.IMREAD_GRAYSCALE)
        assert mask is not None
        each[:] = mask > 127
    config = Config()
    recording = recording_from_arrays(images, FPS, ids=ids, name=folder.name)
    graph = build_graph(from_recording(recording, config.sampling), config=config).graph
    source, background = graph.ego.source_frame.tolist(), graph.ego.background
    steps = [
        Step(
            t,
            background.shift[t].astype(np.float64),
            background.shift_sigma[t].astype(np.float64),
            *seen_shift(images[source[t - 1]], images[source[t]], ids[source[t - 1]] > 0, graph.analysis_grid),
        )
        for t in range(1, len(source))
    ]
    return graph, steps


def report(name: str, graph: SceneGraph, steps: Sequence[Step], *, every_step: bool) -> None:
    """Print a clip's pan and how many steps are right, and each step if asked for."""
    if every_step:
        for each in steps:
            numbers = "  ".join(f"{value[0]:8.2f} {value[1]:7.2f}" for value in each[1:5])
            print(f"  {each.t:3}  {numbers}  {each.features:4}  {'right' if each.right else 'WRONG'}")
    known = [each for each in steps if np.isfinite(each.off)]
    off = np.abs(np.concatenate([(e.shift - e.seen) / np.hypot(e.sigma, e.seen_sigma) for e in known]))
    turn = call_tool(graph, "camera_motion", {}).as_json().get("turn_to_the_right", {})
    print(
        f"{name:15} right {sum(each.right for each in known):3} of {len(known):3}, open {len(steps) - len(known)};"
        f" within 1 sigma {np.mean(off < 1):.0%}, 2 sigma {np.mean(off < 2):.0%};"
        f" largest shift {max(float(np.linalg.norm(each.seen)) for each in known):.0f} px;"
        f" turn to the right {turn.get('value')} +- {turn.get('uncertainty')} degrees;"
        f" depth {', '.join(origin.name.lower() for origin in graph.depth_origin)}"
    )


def main(clips: Path, names: tuple[str, ...] = DAVIS, steps: bool = False) -> None:
    """Compare the background's motion of each clip with matches that the estimator never saw.

    Args:
        clips: folder of the development clips.
        names: which of them.
        steps: print every step: the graph's shift and its standard deviation, that of features, and how many.
    """
    print(hardware("numpy", "opencv-python-headless"))
    for name in names:
        graph, compared = measured(clips / "davis" / name)
        report(name, graph, compared, every_step=steps)


if __name__ == "__main__":
    tyro.cli(main)
