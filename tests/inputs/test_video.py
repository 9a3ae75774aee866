"""Videos are written here, so that every frame's content and time stamp is known."""

from fractions import Fraction

import av
import numpy as np
import pytest

from fast_snow.config import SamplingConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs import InputKind, open_input
from fast_snow.inputs.orientation import Orientation, from_display_matrix
from fast_snow.inputs.video import decode, open_video, picture

SIZE = (48, 64)


def grey(index, size=SIZE):
    """Return a frame whose brightness says which one it is."""
    return np.full((*size, 3), 20 + 6 * index, np.uint8)


def write(
    path, images, *, milliseconds=None, rotation=0, aspect=None, codec="libx264", pix_fmt="yuv420p", noise=0, flip=False
):
    """Encode images, 100 ms apart unless time stamps are given."""
    rng = np.random.default_rng(0)
    stamps = milliseconds or [100 * k for k in range(len(images))]
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], pix_fmt
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation or flip:
            stream.set_display_rotation(rotation, hflip=flip)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for image, stamp in zip(images, stamps, strict=True):
            noisy = image + rng.integers(0, noise + 1, image.shape, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path, **sampling):
    return list(open_input(path, SamplingConfig(**sampling)).read())


def shown(frames):
    """Return which frames of `grey` were read."""
    return [round((float(frame.image.mean()) - 20) / 6) for frame in frames]


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


def cut(path, share):
    """Keep a share of the media data of a file whose index comes first."""
    data = path.read_bytes()
    media = data.index(b"mdat")
    broken = path.with_name("cut.mp4")
    broken.write_bytes(data[: media + int((len(data) - media) * share)])
    return broken


@pytest.mark.parametrize(("codec", "share"), [("libx264", 0.5), ("libx264", 0.93), ("mpeg4", 0.5)])
def test_frames_before_the_damage_are_used(tmp_path, codec, share):
    path = write(tmp_path / "a.mp4", [grey(k) for k in range(30)], noise=30, codec=codec)
    whole = read(path)
    broken = cut(path, share)
    with pytest.warns(
        FastSnowWarning, match=r"cut.mp4: cut short \(\d\.\d s are missing\).*; \d+ frames decoded"
    ) as caught:
        frames = read(broken)
    assert 0.25 * share < len(frames) / 30 < 1
    assert f"; {len(frames)} frames decoded" in str(caught[0].message)
    for one, other in zip(frames, whole, strict=False):
        assert np.array_equal(one.image, other.image)


def test_damage_that_is_not_reached_is_not_reported(tmp_path):
    broken = cut(write(tmp_path / "a.mp4", [grey(k) for k in range(30)], noise=30), 0.5)
    assert len(read(broken, max_frames=5)) == 5


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


def make_playlist(folder):
    (folder / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttps://example.invalid/a.ts\n")
    return folder / "list.mp4"


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
        (make_plain_folder, r"a folder without color/ or rgb.txt"),
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
