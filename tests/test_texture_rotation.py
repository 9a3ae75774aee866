"""How masklets turn, by the texture inside them: on pictures of cylinders and discs that turn by known angles."""

import cv2
import numpy as np
import pytest

from fast_snow.texture_rotation import with_rotation
from fast_snow.types import Masks, TrackedFrame

SIZE = (120, 160)
RADIUS, HALF_HEIGHT = 40, 40


def texture(shape):
    noise = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    noise = cv2.GaussianBlur(np.concatenate([noise, noise, noise], axis=1), (0, 0), 1.5)
    noise = noise[:, shape[1] : 2 * shape[1]]
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


PAINT = texture((2 * HALF_HEIGHT, 480))
DISC = texture(SIZE)


def frame(dense):
    masks = Masks.from_dense(dense[None])
    one = np.zeros(1, np.int32)
    return TrackedFrame(run_id=one, local_id=one, masks=masks, score=np.ones(1, np.float32))


def cylinder(clockwise, at=80):
    """A painted cylinder that stands upright, turned clockwise seen from above: its near side passes to the left."""
    u = np.arange(-RADIUS, RADIUS + 1)
    around = np.arcsin(u / (RADIUS + 0.5)) + clockwise
    columns = np.round(around / (2 * np.pi) * PAINT.shape[1] * 4).astype(int) % (4 * PAINT.shape[1])
    fine = cv2.resize(np.concatenate([PAINT, PAINT[:, :1]], axis=1), (4 * PAINT.shape[1], PAINT.shape[0]))
    image, dense = np.full(SIZE, 128, np.uint8), np.zeros(SIZE, bool)
    rows, its = slice(20, 20 + 2 * HALF_HEIGHT), slice(at - RADIUS, at + RADIUS + 1)
    image[rows, its], dense[rows, its] = fine[:, columns], True
    return image, dense


def disc(clockwise):
    R = cv2.getRotationMatrix2D((80, 60), -np.degrees(clockwise), 1.0)
    image = cv2.warpAffine(DISC, R, SIZE[::-1], flags=cv2.INTER_CUBIC)
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    return image, (u - 80) ** 2 + (v - 60) ** 2 < 45**2


def turned(*pictures):
    images = np.stack([np.repeat(each[..., None], 3, axis=-1) for each, _ in pictures])
    tracked = with_rotation([frame(dense) for _, dense in pictures], images, SIZE)
    return np.array([each.rotation[0] for each in tracked])


@pytest.mark.parametrize("angle", [-0.15, -0.05, 0.0, 0.05, 0.15])
def test_a_cylinder_turns_clockwise_where_its_near_side_passes_to_the_left(angle):
    before, after = turned(cylinder(0.0), cylinder(angle, at=84))
    assert np.isnan(before).all()
    assert after[0] == pytest.approx(angle, abs=0.015)
    assert after[1] == pytest.approx(0.0, abs=0.03)
    assert after[2] > 0.7


@pytest.mark.parametrize("angle", [-0.2, 0.0, 0.1])
def test_a_disc_turns_about_the_line_of_sight(angle):
    _, after = turned(disc(0.0), disc(angle))
    assert after[1] == pytest.approx(angle, abs=0.02)
    assert after[0] == pytest.approx(0.0, abs=0.03)


def test_what_has_no_texture_tells_nothing():
    plain = (np.full(SIZE, 90, np.uint8), cylinder(0.0)[1])
    assert np.isnan(turned(plain, plain)).all()


def test_what_cannot_be_followed_is_known_to_be_lost():
    _, after = turned(cylinder(0.0), cylinder(3.0))
    assert after[2] < 0.25
