"""Videos as they should be, and what is no video."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from fast_snow.config import SamplingConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs import InputKind, open_input
from fast_snow.inputs.video import Orientation, decode, from_display_matrix, open_video, picture
from tests.inputs.video_files import SIZE, cut, grey, read, shown, write


def write_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_frames_come_at_the_rate_asked_for(tmp_path):
    path = write(tmp_path / "a.mp4", [grey(k) for k in range(20)])
    frames = read(path, target_fps=5.0)
    assert shown(frames) == [frame.source_frame for frame in frames] == list(range(0, 20, 2))
    assert [frame.time_s for frame in frames] == [k / 5 for k in range(10)]


def test_a_variable_frame_rate_goes_by_time_stamps(tmp_path):
    stamps = [0, 10, 250, 260, 300, 899, 900, 1000]
    path = write(tmp_path / "a.mp4", [grey(k) for k in range(8)], milliseconds=stamps)
    frames = read(path, target_fps=10.0)
    assert shown(frames) == [0, 2, 4, 5, 6, 7]
    assert [frame.time_s for frame in frames] == [0, 0.25, 0.3, 0.899, 0.9, 1.0]


def test_time_counts_from_the_first_frame(tmp_path):
    path = write(tmp_path / "a.mkv", [grey(k) for k in range(4)], milliseconds=[5000, 5100, 5200, 5300])
    assert [frame.time_s for frame in read(path)] == [0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_a_clock_that_starts_late_does_not_lengthen_the_clip(tmp_path, suffix):
    late = [100_000_000 + 100 * k for k in range(20)]
    source = open_input(
        write(tmp_path / f"a{suffix}", [grey(k) for k in range(20)], milliseconds=late), SamplingConfig()
    )
    assert [frame.time_s for frame in source.read()] == [k / 10 for k in range(20)]
    assert source.expected_frames == 20


def test_streams_that_appear_after_the_header_are_read(tmp_path):
    assert shown(read(write(tmp_path / "a.flv", [grey(k) for k in range(5)]))) == list(range(5))


def write_two(path, *, sizes, default):
    """Write a file with two video streams."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=10) for _ in sizes]
        for k, (stream, (height, width)) in enumerate(zip(streams, sizes, strict=True)):
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            stream.disposition = Disposition.default if k == default else Disposition(0)
        for stream, size in zip(streams, sizes, strict=True):
            for frame in map(grey, range(3), [size] * 3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("default", "expected"), [(0, (48, 64)), (1, (96, 128)), (None, (96, 128))])
def test_of_two_streams_the_default_then_the_largest_is_shown(tmp_path, default, expected):
    path = write_two(tmp_path / "a.mkv", sizes=[(48, 64), (96, 128)], default=default)
    assert open_input(path, SamplingConfig()).size == expected


def test_metadata_and_expected_frames(tmp_path):
    path = write(tmp_path / "a.mp4", [grey(k) for k in range(20)])
    source = open_input(path, SamplingConfig(target_fps=5.0))
    assert (source.name, source.kind, source.size, source.source_fps) == ("a.mp4", InputKind.VIDEO, SIZE, 10.0)
    assert source.expected_frames == len(list(source.read())) == 10
    assert source.recording is None
    assert open_input(path, SamplingConfig(max_frames=3)).expected_frames == 3
    assert open_input(path, SamplingConfig(target_fps=100.0)).expected_frames == 20


def test_reading_begins_anew(tmp_path):
    source = open_input(write(tmp_path / "a.mp4", [grey(k) for k in range(5)]), SamplingConfig())
    next(source.read())
    assert shown(source.read()) == shown(source.read()) == [0, 1, 2, 3, 4]


def test_frames_shrink_to_the_longest_side(tmp_path):
    path = write(tmp_path / "a.mp4", [grey(0, (480, 640))])
    assert read(path, max_side=64)[0].image.shape == (48, 64, 3)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, -90, 180])
def test_rotation_metadata_turns_frames_upright(tmp_path, rotation, flip):
    image = np.zeros((*SIZE, 3), np.uint8)
    image[:24, :32], image[:24, 32:], image[24:, :32] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    path = write(tmp_path / "a.mp4", [image], rotation=rotation, flip=flip)
    upright = np.rot90(image, rotation // 90)
    upright = upright[:, ::-1] if flip else upright
    source = open_input(path, SamplingConfig())
    frame = next(source.read())
    assert source.size == frame.image.shape[:2] == upright.shape[:2]
    assert np.abs(frame.image.astype(int) - upright).mean() < 8


def test_a_turn_that_is_no_quarter_turn_is_left_and_said(tmp_path):
    path = write(tmp_path / "a.mp4", [grey(0)], rotation=45)
    with pytest.warns(FastSnowWarning, match="turned by 45 degrees"):
        assert open_video(path).orientation == Orientation()


def test_display_matrix_of_a_phone_held_upright():
    # Rotation 90 degrees clockwise as phones write it.
    matrix = np.array([0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30], np.int32)
    orientation = from_display_matrix(matrix.tobytes())
    picture_ = np.arange(6).reshape(2, 3)
    assert np.array_equal(orientation.apply(picture_), np.rot90(picture_, -1))


def test_pixels_that_are_not_square_become_square(tmp_path):
    path = write(tmp_path / "a.mp4", [grey(0)], aspect=Fraction(2, 1))
    assert read(path)[0].image.shape == (24, 64, 3)


def test_one_pixel_and_one_frame(tmp_path):
    path = write(tmp_path / "a.mkv", [np.full((1, 1, 3), (200, 100, 50), np.uint8)], codec="ffv1", pix_fmt="bgr0")
    frames = read(path)
    assert len(frames) == 1
    assert frames[0].image.tolist() == [[[200, 100, 50]]]


def test_a_jump_back_in_time_goes_on(tmp_path):
    parts = [write(tmp_path / f"{k}.ts", [grey(10 * k + i) for i in range(5)]).read_bytes() for k in range(2)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    video = open_video(path)
    with pytest.warns(FastSnowWarning, match="jump back 1 times"):
        times = [time for time, _ in decode(video)]
    assert times == [Fraction(k, 10) for k in range(10)]


def make_missing(folder):
    return folder / "missing.mp4"


def make_empty(folder):
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def make_text(folder):
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    return folder / "text.mp4"


def make_sound(folder):
    return write_sound(folder / "sound.m4a")


def make_no_frame(folder):
    return cut(write(folder / "a.mp4", [grey(k) for k in range(3)], noise=30), 0.01)


def make_no_index(folder):
    data = write(folder / "a.mp4", [grey(k) for k in range(3)]).read_bytes()
    moov, media = data.index(b"moov"), data.index(b"mdat")
    (folder / "noindex.mp4").write_bytes(data[: moov - 4] + data[media - 4 :])
    return folder / "noindex.mp4"


def make_playlist(folder, address="https://example.invalid/a.ts"):
    (folder / "list.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n")
    return folder / "list.mp4"


def make_playlist_of_a_local_file(folder):
    return make_playlist(folder, write(folder / "other.ts", [grey(0)]))


def make_list_of_a_local_file(folder):
    write(folder / "other.mp4", [grey(0)])
    (folder / "list.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    return folder / "list.mp4"


def make_unknown_codec(folder):
    path = write(folder / "unknown.mp4", [grey(0)])
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    return path


def make_fifo(folder):
    os.mkfifo(folder / "fifo.mp4")
    return folder / "fifo.mp4"


def make_link_to_a_device(folder):
    (folder / "zero.mp4").symlink_to("/dev/zero")
    return folder / "zero.mp4"


def make_plain_folder(folder):
    (folder / "photos").mkdir()
    return folder / "photos"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_missing, "no such file"),
        (make_empty, "the file is empty"),
        (make_text, "cannot be read as a video"),
        (make_sound, "no video stream, only audio"),
        (make_no_frame, "no frame can be decoded"),
        (make_no_index, "cannot be read as a video"),
        (make_playlist, "cannot be read as a video"),
        (make_playlist_of_a_local_file, "cannot be read as a video"),
        (make_list_of_a_local_file, "cannot be read as a video"),
        (make_unknown_codec, "the video's codec is unknown"),
        (make_fifo, "is a FIFO, expected a regular file"),
        (make_link_to_a_device, "is a device, expected a regular file"),
        (make_plain_folder, r"holds nothing; expected color/"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, make, message):
    path = make(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        open_input(path, SamplingConfig())
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_size_that_changes_midway_is_refused(tmp_path):
    parts = [
        write(tmp_path / f"{k}.ts", [grey(i, size) for i in range(3)]).read_bytes()
        for k, size in enumerate([(48, 64), (64, 96)])
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    with pytest.raises(InputError, match=r"frame 3 is 96x64, those before it 64x48"):
        read(path)


def test_real_clips_are_read_whole(clips):
    path = clips / "videos" / "juggle.mp4"
    video = open_video(path, max_side=160)
    frames = [picture(video, frame) for _, frame in decode(video)]
    assert len(frames) == video.num_frames == 247
    assert frames[0].shape == (90, 160, 3)
