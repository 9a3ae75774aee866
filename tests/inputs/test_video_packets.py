"""Damaged, cut and hostile videos: what can be decoded is, and the rest is said."""

import random
import warnings
from time import perf_counter

import av
import numpy as np
import pytest

from fast_snow import peak_memory
from fast_snow.config import SamplingConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs import open_input, video_packets
from fast_snow.limits import Limit
from tests.inputs.video_files import cut, grey, read, shown, write

WORST_S = 2
WORST_BYTES = 500 * 2**20


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


def overwrite_packet(path, number):
    """Overwrite the content of a packet with zeros; its length, which formats store before it, stays."""
    with av.open(str(path)) as container:
        packet = [each for each in container.demux(video=0) if each.size][number]
    data = bytearray(path.read_bytes())
    data[packet.pos + 4 : packet.pos + packet.size] = bytes(packet.size - 4)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("codec", "number", "expected"),
    [
        ("libx264", 4, [k for k in range(40) if k != 4]),
        ("mpeg4", 4, [k for k in range(40) if k != 4]),
        ("libx264", 0, list(range(10, 40))),
    ],
)
def test_a_damaged_packet_is_skipped_and_said(tmp_path, codec, number, expected):
    path = write(tmp_path / "a.mp4", [grey(k) for k in range(40)], codec=codec, gop=10)
    overwrite_packet(path, number)
    with pytest.warns(FastSnowWarning, match=rf"1 of 40 packets damaged .*; {len(expected)} frames decoded$") as caught:
        frames = read(path)
    assert len(caught) == 1
    first = expected[0]
    assert [round(frame.time_s * 10) + first for frame in frames] == expected
    assert open_input(path, SamplingConfig()).expected_frames == 40


def test_damage_before_the_last_frame_asked_for_is_said(tmp_path):
    path = overwrite_packet(write(tmp_path / "a.mp4", [grey(k) for k in range(40)], gop=10), 4)
    with pytest.warns(FastSnowWarning, match=r"1 of \d+ packets damaged"):
        assert len(read(path, max_frames=10)) == 10


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_recording_that_begins_between_key_frames(tmp_path, codec):
    path = write(tmp_path / "a.mkv", [grey(k) for k in range(20)], codec=codec, gop=10)
    late = tmp_path / "late.mkv"
    with av.open(str(path)) as source, av.open(str(late), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in [each for each in source.demux(video=0) if each.size][3:]:
            packet.stream = stream
            target.mux(packet)
    with pytest.warns(FastSnowWarning, match=r"7 of 17 packets damaged or without a key frame, skipped; 10 frames"):
        frames = read(late)
    assert shown(frames) == list(range(10, 20))
    assert frames[0].time_s == 0


def test_an_edit_that_shortens_a_clip_is_no_damage(tmp_path):
    path = write(tmp_path / "a.mp4", [grey(k) for k in range(20)])
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 12
    data[entry : entry + 4] = (1000).to_bytes(4, "big")  # of 2000 ms
    path.write_bytes(data)
    assert 10 <= len(read(path)) < 20


def test_metadata_of_another_encoding_does_no_harm(tmp_path):
    path = write(tmp_path / "a.mp4", [grey(0)])
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"\xff\xfe\xfd\xfc"))
    assert len(read(path)) == 1


def test_pictures_above_the_limit_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    small = Limit(name="pixels of an image", largest=1000, unit="pixels", reason="for the test")
    monkeypatch.setattr(video_packets.limits, "IMAGE_PIXELS", small)
    path = write(tmp_path / "a.mp4", [grey(0)])
    with pytest.raises(InputError, match="pictures of 64x48, expected at most 1000 pixels"):
        open_input(path, SamplingConfig())


def mutated(data, rng):
    """Change bytes and integers of a file, leave parts out or repeat them."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 2, 4, 8))):
        at, length = rng.randrange(len(data)), rng.choice((1, 4, 64, 1024))
        change = rng.randrange(4)
        if change == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\0\x0f\xff\xff"))
        elif change == 2 and len(data) > 2 * length:
            del data[at : at + length]
        else:
            data[at:at] = data[at : at + length]
    return bytes(data)


def test_mutated_videos_end_in_frames_or_in_one_clear_error(tmp_path):
    original = write(tmp_path / "a.mp4", [grey(k) for k in range(8)], gop=4).read_bytes()
    path = tmp_path / "mutated.mp4"
    refused = 0
    for seed in range(200):
        path.write_bytes(mutated(original, random.Random(seed)))
        fresh = peak_memory.forget_peak()
        before, begin = peak_memory.peak_bytes(), perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FastSnowWarning)
            try:
                read(path)
            except InputError:
                refused += 1
        assert perf_counter() - begin < WORST_S, seed
        assert not fresh or peak_memory.peak_bytes() - before < WORST_BYTES, seed
    assert 40 < refused < 160
