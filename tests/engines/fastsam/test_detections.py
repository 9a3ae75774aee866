from dataclasses import replace

import numpy as np
import pytest

from fast_snow.config import FastSamConfig
from fast_snow.engines.fastsam.detections import NetworkOutput, detections, pulled_to_border
from fast_snow.kernels.mask_measures import area, bounding_boxes
from fast_snow.kernels.masks import decode

FRAME = (128, 256)  # as large as the network's input: no scale, no padding
CONFIG = FastSamConfig(conf_threshold=0.5, iou_threshold=0.7, max_det=10)


def answer(*rows: tuple[float, float, float, float, float]) -> NetworkOutput:
    """Build an answer from `(x0, y0, x1, y1, score)`; every mask fills its box."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    low, high = table[:, :2], table[:, 2:4]
    return NetworkOutput(
        boxes=np.concatenate([(low + high) / 2, high - low], axis=1).T.copy(),
        scores=table[:, 4].copy(),
        coefficients=np.ones((1, len(table)), np.float32),
        prototypes=np.ones((1, FRAME[0] // 4, FRAME[1] // 4), np.float32),
    )


def test_detections_come_best_first_without_doubles_and_unlikely_ones() -> None:
    found = detections(
        answer((40, 40, 80, 80, 0.6), (100, 40, 140, 80, 0.9), (41, 40, 80, 80, 0.7), (160, 40, 200, 90, 0.4)),
        FRAME,
        FRAME,
        CONFIG,
    )
    np.testing.assert_array_equal(found.score, np.float32([0.9, 0.7]))
    np.testing.assert_array_equal(found.box_xyxy, np.float32([[100, 40, 140, 80], [41, 40, 80, 80]]))
    np.testing.assert_array_equal(bounding_boxes(found.masks), found.box_xyxy)


def test_no_more_than_asked_for() -> None:
    many = answer(*((10 * k, 40, 10 * k + 9, 60, 0.5 + k / 100) for k in range(3, 15)))
    found = detections(many, FRAME, FRAME, replace(CONFIG, max_det=4))
    np.testing.assert_array_equal(found.score, np.float32([0.64, 0.63, 0.62, 0.61]))


def test_boxes_and_masks_scale_with_the_grid() -> None:
    one = answer((40, 32, 80, 96, 0.9))
    whole, half = detections(one, FRAME, FRAME, CONFIG), detections(one, FRAME, (64, 128), CONFIG)
    np.testing.assert_array_equal(half.box_xyxy * 2, whole.box_xyxy)
    assert area(half.masks)[0] * 4 == area(whole.masks)[0] == 40 * 64


def test_what_has_no_pixel_on_the_grid_is_dropped() -> None:
    found = detections(answer((41, 41, 43, 43, 0.9), (80, 40, 120, 80, 0.8)), FRAME, (16, 32), CONFIG)
    np.testing.assert_array_equal(found.score, np.float32([0.8]))
    assert (area(found.masks) > 0).all()


def test_boxes_near_the_border_are_pulled_to_it_but_masks_are_not() -> None:
    found = detections(answer((15, 12, 100, 100, 0.9), (150, 30, 240, 110, 0.8)), FRAME, FRAME, CONFIG)
    np.testing.assert_array_equal(found.box_xyxy, np.float32([[0, 0, 100, 100], [150, 30, 256, 128]]))
    np.testing.assert_array_equal(bounding_boxes(found.masks), [[15, 12, 100, 100], [150, 30, 240, 110]])


def test_a_box_of_almost_the_whole_frame_is_the_whole_frame() -> None:
    pulled = pulled_to_border(np.float32([[21, 21, 999, 999], [60, 0, 1000, 1000], [110, 0, 1000, 1000]]), (1000, 1000))
    np.testing.assert_array_equal(pulled, np.float32([[0, 0, 1000, 1000], [0, 0, 1000, 1000], [110, 0, 1000, 1000]]))


@pytest.mark.parametrize("rows", [(), ((40, 40, 80, 80, 0.1),)])
def test_a_frame_without_objects(rows: tuple[tuple[float, ...], ...]) -> None:
    found = detections(answer(*rows), FRAME, (64, 128), CONFIG)
    assert len(found) == len(found.masks) == len(found.box_xyxy) == 0
    assert decode(found.masks).shape == (0, 64, 128)
