"""A rendered clip with its truth, cases and systems that can be told what to do, and results that were made up."""

from collections.abc import Callable
from functools import cache

import numpy as np

from fast_snow.config import Config, DepthFilterConfig, SamplingConfig
from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame, Trajectory, Truth
from fast_snow.evaluation.results import Evaluation, RunResult
from fast_snow.evaluation.runner import Case
from fast_snow.evaluation.systems import SystemRun
from fast_snow.inputs import Input, from_recording
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.masks import encode_labels
from fast_snow.synthetic.render import SyntheticScene, as_recording
from fast_snow.synthetic.scene import CABINET, CRATE, SceneConfig
from tests.scenes import rendered

CONFIG = Config(depth_filter=DepthFilterConfig(min_points=1))
FRAMES = 5
MANIFEST = {"name": "small", "sha256": "0" * 64}


@cache
def scene(frames: int = FRAMES) -> SyntheticScene:
    return rendered(SceneConfig(size=(48, 64), frames=frames, objects=(CRATE, CABINET)))


def truth_of(rendered: SyntheticScene) -> Truth:
    """Return the masks and the path of a scene."""
    objects = []
    for frame, ids in enumerate(rendered.ids):
        known = np.unique(ids[ids > 0]).astype(np.int32)
        masks = encode_labels(ids.astype(np.int32), known)
        objects.append(
            ObjectsInFrame(
                frame=frame,
                object_id=known.astype(np.int64),
                box_xyxy=bounding_boxes(masks).astype(np.float32),
                masks=masks,
            )
        )
    time_s = np.arange(len(rendered)) / rendered.fps
    path = Trajectory(time_s=time_s, T_world_camera=rendered.T_world_camera)
    return Truth(size=rendered.ids.shape[1:], objects=tuple(objects), trajectory=path)


def case(name: str = "room") -> Case:
    rendered = scene()

    def opened(sampling: SamplingConfig) -> Input:
        return from_recording(as_recording(rendered), sampling)

    return Case(name=name, open=opened, truth=lambda: truth_of(rendered))


def missing(name: str = "gone") -> Case:
    def opened(sampling: SamplingConfig) -> Input:
        raise InputError(f"{name}.mp4: not there\nat all; fetch it")

    return Case(name=name, open=opened, truth=lambda: Truth(size=(1, 1)))


class Counted:
    """A system that counts its runs, and may be interrupted."""

    def __init__(self, system: Callable[[Input, Config], SystemRun], *, stop_at: int | None = None) -> None:
        self.system, self.stop_at, self.lengths = system, stop_at, []

    def __call__(self, source: Input, config: Config) -> SystemRun:
        if len(self.lengths) == self.stop_at:
            raise KeyboardInterrupt
        self.lengths.append(source.expected_frames)
        return self.system(source, config)


ABOUT = {
    "manifest": {"name": "small & <odd>", "sha256": "0" * 64},
    "systems": ["fast-snow", "snow"],
    "repeat": 2,
    "seed": 0,
    "warm_up": "warmed up",
    "peak_memory": "of a run",
    "config": {"runtime": {"seed": 0}},
    "versions": {"python": "3.11"},
    "hardware": {"processor": "some", "cores": 2, "memory_gib": 8.0, "system": "some", "gpus": []},
    "git_commit": None,
    "written": "2026-01-01T00:00:00+00:00",
}


def result(
    clip: str, system: str, repeat: int = 0, *, seconds: float = 1.0, idf1: float | None = 0.5, **more
) -> RunResult:
    """Return a run over ten frames, the last of which took half the time."""
    values = {
        "clip": clip,
        "system": system,
        "repeat": repeat,
        "frames": 10,
        "tracks": 3,
        "observations": 20,
        "wall_s": seconds,
        "frame_s": (*[seconds / 18] * 9, seconds / 2),
        "stage_s": {"decode": seconds / 4, "track": seconds / 2},
        "peak_bytes": 2**20,
        "graph_sha256": "same",
        "engines": {"tracker": "classical"},
        "metrics": {} if idf1 is None else {"idf1": idf1, "duplicate_ids": 0.0},
    }
    return RunResult(**(values | more))


def evaluation(*outcomes: RunResult, **about) -> Evaluation:
    return Evaluation(about=ABOUT | about, outcomes=outcomes)
