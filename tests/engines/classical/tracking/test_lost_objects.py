"""Objects that pass behind something come back as the same one; what has gone for good does not."""

import numpy as np
import pytest

from fast_snow.kernels.masks import encode
from fast_snow.types import MaskPrompt
from tests.engines.classical.scenes import iou, moving_disc, texture
from tests.engines.classical.tracking.test_tracker import masks_of, track


def behind_a_pole(left, right):
    """A disc that passes behind a grey pole, and what is seen of it."""
    images, truth = moving_disc(n=16)
    pole = np.zeros(truth.shape[1:], np.bool_)
    pole[:, left:right] = True
    grey = np.repeat(texture(*pole.shape, 5)[..., :1] // 3 + 90, 3, axis=-1)
    return np.where(pole[..., None], grey, images).astype(np.uint8), truth & ~pole


@pytest.mark.parametrize("right", [102, 150])
def test_a_thing_that_passes_behind_a_pole_comes_back_as_the_same(right):
    images, truth = behind_a_pole(90, right)
    (tracked,) = track(images, images.shape[1:3], [MaskPrompt(frame=0, mask=encode(truth[0][None]))])
    followed = masks_of(tracked, 0)
    assert all(iou(mask, true) > 0.7 for mask, true in list(zip(followed, truth, strict=True))[13:])
    hidden = [mask for mask, true in zip(followed, truth, strict=True) if not true.any()]
    assert all(mask is None for mask in hidden)
    assert bool(hidden) == (right == 150)


def test_what_is_away_for_longer_than_the_settings_have_patience_does_not_return():
    images, truth = behind_a_pole(90, 150)
    (tracked,) = track(images, images.shape[1:3], [MaskPrompt(frame=0, mask=encode(truth[0][None]))], patience=1)
    assert all(mask is None for mask in masks_of(tracked, 0)[13:])


def test_it_is_looked_for_backwards_too():
    images, truth = behind_a_pole(90, 130)
    (tracked,) = track(images, images.shape[1:3], [MaskPrompt(frame=15, mask=encode(truth[15][None]))])
    assert iou(masks_of(tracked, 0)[1], truth[1]) > 0.7


def test_a_thing_that_never_comes_out_does_not_return():
    images, truth = behind_a_pole(90, 200)
    (tracked,) = track(images, images.shape[1:3], [MaskPrompt(frame=0, mask=encode(truth[0][None]))])
    gone = [mask for mask, true in zip(masks_of(tracked, 0), truth, strict=True) if not true.any()]
    assert len(gone) > 5
    assert all(mask is None for mask in gone)


def test_another_thing_that_comes_out_in_its_place_is_another():
    images, truth = behind_a_pole(90, 130)
    out = truth.copy()
    out[..., :110] = False
    images[out] = images[out][:, ::-1]  # red is blue
    (tracked,) = track(images, images.shape[1:3], [MaskPrompt(frame=0, mask=encode(truth[0][None]))])
    assert masks_of(tracked, 0)[3] is not None
    assert all(mask is None for mask in masks_of(tracked, 0)[12:])


def test_a_thing_is_not_taken_for_another_one_of_its_colours():
    images, truth = behind_a_pole(90, 200)
    twin = np.zeros_like(truth[0])
    twin[20:50, 30:60] = True
    images = np.where(twin[..., None], np.roll(images[0], -40, axis=0), images).astype(np.uint8)
    images[:, twin] = images[0][truth[0]][: twin.sum()][np.arange(twin.sum()) % truth[0].sum()]
    prompts = [MaskPrompt(frame=0, mask=encode(mask[None])) for mask in (truth[0] & ~twin, twin)]
    (tracked,) = track(images, images.shape[1:3], prompts)
    assert all(mask is None for mask in masks_of(tracked, 0)[10:])
    assert all(mask is not None for mask in masks_of(tracked, 1)[10:])


def beside_its_colours(still, *, right):
    """A disc that turns behind a pole; what stands still there, of its colours, is in sight all the time."""
    images, truth = behind_a_pole(90, right)
    skin = texture(*truth.shape[1:], 7) // 3 + np.array([150, 20, 20], np.uint8)
    for k in range(8, len(images)):
        images[k][truth[k]] = np.roll(skin, (k, 8 * k), axis=(0, 1))[truth[k]]
    images[:, *still] = skin[still]
    return images, truth


def test_what_was_in_sight_before_it_was_lost_does_not_hide_that_it_comes_back():
    images, truth = beside_its_colours(np.s_[:36, 130:190], right=130)
    (tracked,) = track(images, images.shape[1:3], [MaskPrompt(frame=0, mask=encode(truth[0][None]))])
    followed = masks_of(tracked, 0)
    assert all(iou(mask, true) > 0.7 for mask, true in list(zip(followed, truth, strict=True))[11:])


def test_what_was_in_sight_before_it_was_lost_is_another():
    images, truth = beside_its_colours(np.s_[6:36, 24:54], right=200)
    (tracked,) = track(images, images.shape[1:3], [MaskPrompt(frame=0, mask=encode(truth[0][None]))])
    gone = [mask for mask, true in zip(masks_of(tracked, 0), truth, strict=True) if not true.any()]
    assert len(gone) > 5
    assert all(mask is None for mask in gone)
