"""What moves does not align windows: by its centroids over time, whatever their noise."""

import numpy as np
import pytest

from fast_snow.alignment import align_geometry, align_windows, inverse
from fast_snow.movers import moves, without_movers
from fast_snow.types import Geometry, StepToken, Track
from tests.building import boxes
from tests.test_alignment import changed, random_geometry, random_similarity

SHAPE = (40, 60)


def track(centroids: np.ndarray, *, object_id: int = 7, every: int = 1) -> Track:
    nothing = {"row": np.zeros(1, np.uint8), "col": np.zeros(1, np.uint8), "coverage": np.ones(1, np.float32)}
    some = {name: np.zeros(3, np.float32) for name in ("sigma", "low", "high")}
    tokens = tuple(
        StepToken(t=every * i, centroid=each.astype(np.float32), num_points=99, score=1.0, **nothing, **some)
        for i, each in enumerate(centroids)
    )
    return Track(object_id=object_id, observations=tokens, theta=(0, every * (len(tokens) - 1)))


def course(length: int, step: float, noise: float) -> np.ndarray:
    rng = np.random.default_rng(length)
    return np.array([1.0, 2.0, 5.0]) + np.outer(np.arange(length), [step, 0, 0]) + rng.normal(size=(length, 3)) * noise


@pytest.mark.parametrize(
    ("length", "step", "noise", "moving"),
    [
        (12, 0.0, 0.05, False),
        (12, 0.1, 0.05, True),
        (12, 0.001, 0.05, False),
        (12, 0.0, 0.0, False),
        (4, 1.0, 0.0, False),  # too few to tell
        (90, 0.1, 0.05, True),
    ],
)
def test_an_object_moves_where_it_went_further_than_it_strays(length, step, noise, moving):
    assert moves(track(course(length, step, noise)).observations) == moving


def test_what_moved_long_ago_rests_now():
    rests = np.concatenate([course(40, 0.1, 0.01), course(30, 0.0, 0.01)])
    assert not moves(track(rests).observations)
    assert moves(track(rests[:40]).observations)


def test_a_large_mover_does_not_pull_the_next_window():
    """More than half of the image moves, and the two windows disagree on its depth."""
    rng = np.random.default_rng(4)
    whole = random_geometry(rng, n=3, shape=SHAPE)
    T_previous_current = random_similarity(rng)
    current = align_geometry(inverse(T_previous_current), whole)
    depth = current.depth.copy()
    depth[:, :, 16:] *= np.float32(1.4)
    current = changed(current, depth=depth)
    seen = [(boxes((16, 0, 60, 40), grid=SHAPE), np.array([7], np.int32))] * 3

    def scale(previous: Geometry) -> float:
        return align_windows(previous, current, 3, conf_thresh=0.5).scale / T_previous_current.scale

    assert scale(whole) == pytest.approx(1 / 1.4, rel=0.05)
    assert scale(without_movers(whole, seen, [track(course(12, 0.1, 0.05))])) == pytest.approx(1.0, rel=1e-3)
    assert without_movers(whole, seen, [track(course(12, 0.0, 0.05))]) is whole


def test_where_everything_moves_it_is_rather_the_estimate():
    whole = random_geometry(np.random.default_rng(1), n=1, shape=SHAPE)
    seen = [(boxes((2, 0, 60, 40), grid=SHAPE), np.array([7], np.int32))]
    assert without_movers(whole, seen, [track(course(12, 0.1, 0.05))]) is whole
