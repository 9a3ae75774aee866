"""The classical segmenter: finds what moves, is the same twice, and refuses nothing."""

from dataclasses import replace

import numpy as np
import pytest

from fast_snow.config import ClassicalSegmenterConfig
from fast_snow.engines.classical.segmentation.segmenter import open_segmenter
from fast_snow.kernels.mask_measures import area, bounding_boxes
from fast_snow.kernels.masks import decode
from fast_snow.types import DepthOrigin, Geometry
from tests.engines.classical.scenes import flat_geometry, frames_of, grid_of, hard_scenes, iou, moving_disc

DEFAULT = ClassicalSegmenterConfig()


def segment(images, geometry: Geometry, config=DEFAULT, *, seed=0, threads=1):
    with open_segmenter(config, seed=seed, threads=threads) as segmenter:
        return segmenter(frames_of(images), geometry)


def test_a_thing_that_moves_against_a_panning_background_is_one_region_where_it_is_outlined_best():
    images, truth = moving_disc()
    detections = segment(images, flat_geometry(len(images), images.shape[1:3]))
    overlaps = [[iou(mask, true) for mask in decode(each.masks)] for each, true in zip(detections, truth, strict=True)]
    assert max(max(each, default=0) for each in overlaps) > 0.8


def test_detections_are_consistent():
    images, _ = moving_disc()
    config = ClassicalSegmenterConfig(max_regions=7)
    for each in segment(images, flat_geometry(len(images), images.shape[1:3]), config):
        assert len(each) <= 7
        assert (each.score >= 0).all()
        assert (each.score <= 1).all()
        assert (area(each.masks) > 0).all()
        np.testing.assert_array_equal(each.box_xyxy, bounding_boxes(each.masks))


def test_a_still_scene_shows_its_coloured_things():
    images = np.full((5, 120, 160, 3), 120, np.uint8)
    images[:, 30:70, 40:90] = (200, 40, 40)
    images[:, 80:110, 100:140] = (40, 60, 200)
    for each in segment(images, flat_geometry(5, (120, 160))):
        masks = decode(each.masks)
        for rows, columns in ((slice(30, 70), slice(40, 90)), (slice(80, 110), slice(100, 140))):
            true = np.zeros((120, 160), np.bool_)
            true[rows, columns] = True
            assert max(iou(mask, true) for mask in masks) > 0.8


def test_measured_depth_shows_a_thing_of_the_colour_of_its_background():
    images = np.full((1, 120, 160, 3), 120, np.uint8)
    flat = flat_geometry(1, (120, 160), DepthOrigin.SENSOR)
    depth = np.full((1, 120, 160), 3.0, np.float32)
    depth[:, 40:90, 50:110] = 2.0
    near = Geometry(
        depth=depth,
        confidence=flat.confidence,
        intrinsics=flat.intrinsics,
        T_camera_world=flat.T_camera_world,
        metric=True,
        origin=DepthOrigin.SENSOR,
    )
    assert not len(segment(images, flat)[0])
    found = segment(images, near)
    assert max(iou(mask, depth[0] < 2.5) for mask in decode(found[0].masks)) > 0.8
    assert found.background_regions == 1  # the wall
    guessed = flat_geometry(1, (120, 160), DepthOrigin.GROUND_PLANE_PRIOR)
    assert segment(images, guessed).background_regions == 0


def test_a_surface_counts_for_less_where_part_of_it_lies_on_the_wall_in_that_very_frame():
    """In one of five frames two fifths of a board are so near to the wall as to lie on it."""
    images = np.full((5, 120, 160, 3), 120, np.uint8)
    images[:, 40:90, 50:110] = (170, 90, 60)
    depth = np.full((5, 120, 160), 3.0, np.float32)
    depth[:, 40:90, 50:110] = 2.9
    depth[2, 70:90, 50:110] = 2.95
    flat = flat_geometry(5, (120, 160), DepthOrigin.SENSOR)
    found = segment(images, replace(flat, depth=depth))
    assert area(found[0].masks).tolist() == [3000]
    assert found[0].score == pytest.approx(0.87, abs=0.02)  # by its outline alone 0.91


@pytest.mark.parametrize("name", hard_scenes())
def test_no_input_is_refused(name):
    images = hard_scenes()[name]
    grid = grid_of(images) if name == "noise" else images.shape[1:3]
    detections = segment(images, flat_geometry(len(images), grid))
    assert len(detections) == len(images)
    assert all(each.masks.shape == grid for each in detections)


def test_the_same_twice_whatever_the_number_of_threads():
    images, _ = moving_disc(n=5)
    geometry = flat_geometry(len(images), images.shape[1:3])
    first, second = (segment(images, geometry, seed=3, threads=threads) for threads in (1, 2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(decode(a.masks), decode(b.masks))
        np.testing.assert_array_equal(a.score, b.score)
