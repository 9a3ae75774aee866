"""The measures of `bench.objects`, and what they say of the example scene."""

from pathlib import Path

import numpy as np
import pytest

from bench.object_clips import SCENE, Clip, load
from bench.objects import of_detections, of_tracks, segmented, tracked
from fast_snow.config import Config
from fast_snow.engines.classical.neighbour_flow import FlowStore
from fast_snow.engines.classical.segmentation.segmenter import RULES
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.masks import encode
from fast_snow.types import Detections, Window
from tests.engines.classical.scenes import flat_geometry, frames_of

GRID = (40, 60)
# Mean IoU of the best track of each object of the example clip
# Measured: 0.95, 0.95, 0.81, 0.89, 0.96, 0.92, 0.83, 0.88.
LEAST = {1: 0.9, 2: 0.9, 3: 0.7, 4: 0.85, 5: 0.85, 6: 0.85, 7: 0.8, 8: 0.8}
MOST_TRACKS = 11
MOST_PER_OBJECT = 2


def square(u: int) -> np.ndarray:
    mask = np.zeros(GRID, np.bool_)
    mask[10:20, u : u + 10] = True
    return mask


def clip() -> Clip:
    images = np.zeros((2, *GRID, 3), np.uint8)
    truth = np.stack([square(5), square(8)]).astype(np.uint8)
    return Clip(
        name="square",
        window=Window(index=0, frames=frames_of(images), shared=0),
        geometry=flat_geometry(2, GRID),
        truth=truth,
    )


def detections(*masks: np.ndarray) -> Detections:
    encoded = encode(np.stack(masks) if masks else np.zeros((0, *GRID), np.bool_))
    return Detections(masks=encoded, box_xyxy=bounding_boxes(encoded), score=np.ones(len(masks), np.float32))


def test_detections_are_held_against_the_best_frame_and_counted():
    figures = of_detections(clip(), [detections(square(5), square(40)), detections()])
    assert (figures.best_frame, figures.on_objects, figures.per_frame) == (1.0, 0.5, 1.0)
    assert figures.measure == pytest.approx(2 / 3)
    assert of_detections(clip(), [detections()] * 2).measure == 0.0


def test_tracks_are_held_against_every_frame():
    lost = of_tracks(clip(), [{1: square(5)}, {}])
    assert (lost.tracks, lost.most_of_object, lost.iou, lost.recall) == (1, 1, {1: 0.5}, 0.5)
    spilt = of_tracks(clip(), [{1: square(5) | square(30)}, {1: square(8), 2: square(8)}])
    assert (spilt.tracks, spilt.most_of_object, spilt.iou, spilt.recall) == (2, 2, {1: 0.75}, 0.5)
    assert of_tracks(clip(), [{}, {}]).iou == {1: 0.0}


@pytest.mark.slow
def test_the_example_clip_is_its_objects(tmp_path: Path):
    scene, config = load(SCENE, tmp_path, tmp_path), Config()
    flows = FlowStore(config.runtime.seed)
    figures = of_tracks(scene, tracked(scene, segmented(scene, config, RULES, flows), config, flows))
    assert figures.tracks <= MOST_TRACKS
    assert figures.most_of_object <= MOST_PER_OBJECT
    for number, least in LEAST.items():
        assert figures.iou[number] > least
