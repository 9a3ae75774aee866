"""How masklets turn and grow, by the texture inside them: on cylinders and discs that do so by known amounts."""

import cv2
import numpy as np
import pytest

from fast_snow.api import build_graph
from fast_snow.config import Config
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.tool_answers import Grade
from fast_snow.texture_motion import with_texture_motion
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


def disc(clockwise=0.0, *, scale=1.0, radius=45):
    R = cv2.getRotationMatrix2D((80, 60), -np.degrees(clockwise), scale)
    image = cv2.warpAffine(DISC, R, SIZE[::-1], flags=cv2.INTER_CUBIC)
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    return image, (u - 80) ** 2 + (v - 60) ** 2 < radius**2


def followed(*pictures):
    images = np.stack([np.repeat(each[..., None], 3, axis=-1) for each, _ in pictures])
    return with_texture_motion([frame(dense) for _, dense in pictures], images, SIZE)


def turned(*pictures):
    return np.array([each.rotation[0] for each in followed(*pictures)])


def grown(*pictures):
    return np.array([each.growth[0] for each in followed(*pictures)])


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


@pytest.mark.parametrize(("turns", "value"), [(1.4, "clockwise seen from above"), (0.0, "not spinning")])
@pytest.mark.slow
def test_a_spin_is_told_through_the_pipeline_without_weights(turns, value):
    """True masks; geometry by the classical engine, before a camera that stands still."""
    pictures = [cylinder(each) for each in np.linspace(0, 2 * np.pi * turns, 40)]
    wall = cv2.resize(texture((60, 80)), SIZE[::-1])
    images = np.stack([np.repeat(np.where(dense, image, wall)[..., None], 3, axis=-1) for image, dense in pictures])
    recording = recording_from_arrays(images, 10.0, ids=np.stack([dense for _, dense in pictures]).astype(np.int32))
    graph = build_graph(from_recording(recording, Config().sampling)).graph
    answer = call_tool(graph, "spinning", {"object_id": 1})
    assert (answer.value, answer.grade) == (value, Grade.STATED), answer.reason


@pytest.mark.parametrize("scale", [0.94, 1.0, 1.06])
@pytest.mark.parametrize("radius", [38, 45, 52])
def test_texture_grows_with_its_object_whatever_the_mask_does(scale, radius):
    before, after = grown(disc(), disc(scale=scale, radius=radius))
    assert np.isnan(before).all()
    assert after == pytest.approx(np.log([scale, scale]), abs=0.005)


def test_upright_distances_do_not_shrink_as_a_cylinder_turns():
    _, after = grown(cylinder(0.0), cylinder(0.15))
    assert after[1] == pytest.approx(0.0, abs=0.005)


def test_what_has_no_texture_tells_nothing():
    plain = (np.full(SIZE, 90, np.uint8), cylinder(0.0)[1])
    assert np.isnan(turned(plain, plain)).all()
    assert np.isnan(grown(plain, plain)).all()


def test_what_cannot_be_followed_is_known_to_be_lost():
    _, after = turned(cylinder(0.0), cylinder(3.0))
    assert after[2] < 0.25
