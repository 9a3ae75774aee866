from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.inputs.sampling import exact, select, shrink, shrunk_size

ascending_times = st.lists(st.fractions(min_value=0, max_value=3, max_denominator=90_000), min_size=1, max_size=40).map(
    lambda gaps: [sum(gaps[1 : k + 1], Fraction(0)) for k in range(len(gaps))]
)
rates = st.sampled_from([0.5, 1.0, 5.0, 10.0, 12.5, 23.976, 29.97, 30.0])


def picks(times, fps, max_frames=None):
    return [index for index, _, _ in select(((t, None) for t in times), target_fps=fps, max_frames=max_frames)]


def by_definition(times, fps):
    """For tick k the first frame presented at or after k / fps, each frame at most once."""
    ticks = int(times[-1] * exact(fps)) + 1
    firsts = [next(i for i, time in enumerate(times) if time >= k / exact(fps)) for k in range(ticks)]
    return sorted(set(firsts))


@settings(deadline=None)
@given(ascending_times, rates)
def test_picks_are_those_of_the_definition(times, fps):
    assert picks(times, fps) == by_definition(times, fps)


@settings(deadline=None)
@given(ascending_times, rates, st.integers(1, 10))
def test_max_frames_cuts(times, fps, most):
    assert picks(times, fps, most) == picks(times, fps)[:most]


@settings(deadline=None)
@given(st.integers(1, 5000))
def test_frames_stamped_on_the_ticks_are_all_picked(count):
    # k * 0.1 misses some ticks in floating point: 3 * 0.1 > 0.3.
    times = [Fraction(k, 10) for k in range(count)]
    assert picks(times, 10.0) == list(range(count))


def test_nothing_is_read_beyond_the_last_pick():
    asked = []

    def frames():
        for k in range(100):
            asked.append(k)
            yield Fraction(k, 10), k

    list(select(frames(), target_fps=10.0, max_frames=3))
    assert asked == [0, 1, 2]


def test_a_rate_is_the_decimal_that_was_written():
    assert exact(29.97) == Fraction(2997, 100)
    assert exact(np.float64(0.1)) == Fraction(1, 10)


@pytest.mark.parametrize(
    ("size", "max_side", "aspect", "expected"),
    [
        ((480, 640), 0, 1, (480, 640)),
        ((480, 640), 640, 1, (480, 640)),
        ((480, 640), 1280, 1, (480, 640)),
        ((1080, 1920), 1280, 1, (720, 1280)),
        ((1920, 1080), 1280, 1, (1280, 720)),
        ((1, 10_000), 100, 1, (1, 100)),
        ((576, 720), 0, Fraction(16, 11), (396, 720)),
        ((480, 720), 0, Fraction(8, 9), (480, 640)),
    ],
)
def test_sizes_shrink_and_never_grow(size, max_side, aspect, expected):
    assert shrunk_size(size, max_side, Fraction(aspect)) == expected


def test_shrinking_averages_areas():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :2] = [[100, 0, 200]]
    image[0, 0] = 200, 0, 100
    small = shrink(image, (2, 2))
    assert small[0, 0].tolist() == [125, 0, 175]
    assert not small[1:].any()
