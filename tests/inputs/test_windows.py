from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.config import SamplingConfig, WindowConfig
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.inputs.windows import windows


def numbered(count, *, fps=10.0):
    """Return an input whose frame k has the colour k."""
    image = np.arange(count, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 2, 3, 3), np.uint8)
    return from_recording(recording_from_arrays(image, fps), SamplingConfig())


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(2, 20), st.data())
def test_windows_cover_the_clip_and_share_the_overlap(count, length, data):
    overlap = data.draw(st.integers(1, length - 1))
    parts = list(windows(numbered(count), WindowConfig(length=length, overlap=overlap)))
    assert [part.index for part in parts] == list(range(len(parts)))
    assert [part.shared for part in parts] == [0] + [overlap] * (len(parts) - 1)
    fresh = np.concatenate([part.frames.t[part.shared :] for part in parts])
    assert fresh.tolist() == list(range(count))
    for part in parts:
        assert len(part.frames) <= length
        assert len(part.frames) > part.shared
        assert part.frames.t.tolist() == list(range(part.frames.t[0], part.frames.t[0] + len(part.frames)))
        assert np.array_equal(part.frames.image[:, 0, 0, 0], part.frames.t)
        assert np.array_equal(part.frames.source_frame, part.frames.t)
        assert np.array_equal(part.frames.time_s, [float(Fraction(int(t), 10)) for t in part.frames.t])
    for one, other in pairwise(parts):
        assert np.array_equal(one.frames.t[-overlap:], other.frames.t[:overlap])


def test_a_clip_of_one_length_is_one_window():
    assert len(list(windows(numbered(12), WindowConfig(length=12, overlap=4)))) == 1


def test_frames_are_read_as_they_are_needed():
    recording = recording_from_arrays(np.zeros((50, 2, 2, 3), np.uint8), 10.0)
    read = []
    source = from_recording(recording, SamplingConfig())

    def counted():
        for frame in source.read():
            read.append(frame.source_frame)
            yield frame

    watched = type(source)(**{name: getattr(source, name) for name in source.__slots__} | {"read": counted})
    next(windows(watched, WindowConfig(length=10, overlap=3)))
    assert read == list(range(10))
