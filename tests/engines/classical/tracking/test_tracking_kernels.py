"""The tracker's kernels agree with plain references; a sprite is found again and remembers what is hidden."""

import numpy as np

from fast_snow.engines.classical.tracking.evidence import Evidence, Origins, likelihood
from fast_snow.engines.classical.tracking.object_motion import Similarity, object_motion
from fast_snow.engines.classical.tracking.sprite import Sprite, best_shift, shift_costs
from tests.engines.classical.scenes import texture
from tests.reference import tracking as reference


def test_costs_of_shifts_are_those_of_the_reference():
    random = np.random.default_rng(0)
    even, look = random.integers(0, 90, (20, 30, 3)).astype(np.uint8), random.integers(0, 90, (7, 3)).astype(np.uint8)
    at = random.integers(-3, 25, (2, 7)).astype(np.int32)
    weight = random.uniform(0.5, 1.0, 7).astype(np.float32)
    expected = reference.shift_costs(even, at, look, weight, 3, 2)
    np.testing.assert_allclose(shift_costs(even, at, look, weight, 3, 2), expected, rtol=1e-5)


def test_likelihood_is_that_of_the_reference():
    random = np.random.default_rng(1)
    size, frame = (23, 17), (40, 50)
    share = lambda: random.uniform(0, 1, size).astype(np.float32)  # noqa: E731
    evidence = Evidence(
        near=share(),
        wide=share() ** 4,
        shape=share(),
        moves=random.uniform(-1, 1, size).astype(np.float32),
        trust=share(),
        back=random.normal(0, 5, (*size, 2)).astype(np.float32),
        even=random.integers(100, 130, (*size, 3)).astype(np.uint8),
        fine=random.integers(0, 50, size).astype(np.int32),
        cell=random.integers(0, 60, size).astype(np.int32),
    )
    origins = Origins(
        corner=(9, 4),
        own=Similarity(1.1 + 0.1j, 3.3 - 2.7j).origin(),
        around=Similarity(1.0 + 0.0j, -4.2 + 1.6j).origin(),
        even=random.integers(100, 130, (*frame, 3)).astype(np.uint8),
    )
    colour_odds, place_odds = (random.normal(0, 1, n).astype(np.float32) for n in (50, 60))
    expected = reference.likelihood(evidence, origins, colour_odds, place_odds)
    np.testing.assert_allclose(likelihood(evidence, origins, colour_odds, place_odds), expected, atol=2e-4)


def test_the_motion_of_some_pixels_is_their_similarity_whatever_the_others_do():
    random = np.random.default_rng(2)
    v, u = np.indices((60, 80))
    z, true = u + 1j * v, Similarity(1.05 + 0.02j, 2.0 - 3.0j)
    moved = true.gain * z + true.shift - z
    flow = np.stack([moved.real, moved.imag], axis=-1) + random.normal(0, 0.2, (60, 80, 2))
    flow[:, ::3] = 40.0
    found = object_motion(
        np.ones((50, 60), np.bool_),
        (slice(5, 55), slice(10, 70)),
        flow.astype(np.float32),
        np.ones((60, 80), np.float32),
        random,
    )
    assert found is not None
    assert abs(found.gain - true.gain) < 0.01
    assert abs(found.gain * (40 + 30j) + found.shift - (true.gain * (40 + 30j) + true.shift)) < 0.5
    np.testing.assert_allclose(true.origin() @ (*_pair(true.gain * (7 + 9j) + true.shift), 1.0), (7, 9), atol=1e-5)


def _pair(z):
    return z.real, z.imag


def test_a_sprite_is_found_where_it_has_gone():
    even = texture(90, 120, 3)
    window = slice(20, 60), slice(30, 70)
    sprite = Sprite(np.ones((40, 40), np.float32), even[window])
    moved = np.roll(even, (-9, 14), axis=(0, 1))
    shift, difference = best_shift(sprite, window, Similarity(1.0 + 0.0j, 3.0 + 1.0j), moved, 24)
    assert shift == 11 - 10j
    assert difference == 0.0


def test_a_sprite_remembers_what_is_hidden_but_not_for_ever():
    look = texture(40, 40, 4)
    sprite = Sprite(np.ones((40, 40), np.float32), look)
    half = np.zeros((40, 40), np.float32)
    half[:, :20] = 1.0
    pole = np.full_like(look, 7)
    once = sprite.renewed(half, pole)
    assert once.shape[:, 20:].min() > 0.5
    np.testing.assert_array_equal(once.look[:, 20:], look[:, 20:])
    np.testing.assert_array_equal(once.look[:, :20], pole[:, :20])
    for _ in range(20):
        once = once.renewed(half, pole)
    assert once.shape[:, 20:].max() < 0.5
