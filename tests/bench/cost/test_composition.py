"""The calls that are composed for a window are those that the engines make on one."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sam3")
pytest.importorskip("transformers")

from bench.cost.composition import ENGINE_SWEEPS, Calls, calls
from fast_snow.config import Sam3Config
from fast_snow.engines.sam3.package.tracker import serving
from fast_snow.protocols import Tracker
from fast_snow.types import BoxPrompt, Frames
from tests.engines.sam3.package import scenes
from tests.engines.sam3.transformers import networks

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]
one_thread = scenes.one_thread
FRAMES, BATCH = 5, 2
PROMPTED = [0, 0, 0, 2]


def track(tracker: Tracker, frames: Frames, grid: tuple[int, int]) -> None:
    boxes = [np.array([2.0 + 3 * k, 3, 12 + 3 * k, 15], np.float32) for k in range(len(PROMPTED))]
    session = tracker.start(frames, grid)
    session.add([BoxPrompt(frame=start, box_xyxy=box) for start, box in zip(PROMPTED, boxes, strict=True)])
    session.propagate()
    session.close()


def test_the_package_sam3(monkeypatch: pytest.MonkeyPatch):
    upstream = scenes.tiny_tracker()
    made: Calls = Counter()
    encode, step = upstream.forward_image, upstream.track_step

    def encoding(image: Any) -> Any:
        made["encode", 1] += 1
        return encode(image)

    def tracking(*, is_init_cond_frame: bool, **options: Any) -> Any:
        made["start" if is_init_cond_frame else "step", options["current_vision_feats"][-1].shape[1]] += 1
        return step(is_init_cond_frame=is_init_cond_frame, **options)

    monkeypatch.setattr(upstream, "forward_image", encoding)
    monkeypatch.setattr(upstream, "track_step", tracking)
    with serving(scenes.tiny_network(), Sam3Config(object_batch=BATCH)) as tracker:
        track(tracker, scenes.moving_shapes(FRAMES), scenes.GRID)
    assert made == calls(PROMPTED, FRAMES, ENGINE_SWEEPS, BATCH)


def test_transformers(tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    from transformers import Sam3TrackerVideoModel

    from fast_snow.engines.sam3.transformers.tracker import open_tracker

    made: Calls = Counter()
    encode, step = Sam3TrackerVideoModel.get_image_features, Sam3TrackerVideoModel._run_single_frame_inference

    def encoding(module: Any, *args: Any, **options: Any) -> Any:
        made["encode", 1] += 1
        return encode(module, *args, **options)

    def tracking(module: Any, *args: Any, **options: Any) -> Any:
        made["start" if options["is_init_cond_frame"] else "step", options["batch_size"]] += 1
        return step(module, *args, **options)

    monkeypatch.setattr(Sam3TrackerVideoModel, "get_image_features", encoding)
    monkeypatch.setattr(Sam3TrackerVideoModel, "_run_single_frame_inference", tracking)
    folder = networks.save(networks.network(), tmp_path)
    with open_tracker(Sam3Config(model_path=str(folder)), device="cpu") as tracker:
        track(tracker, networks.frames(FRAMES), networks.GRID)
    assert made == calls(PROMPTED, FRAMES, "one by one", 1)
