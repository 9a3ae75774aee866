"""Pipes, files in real time, cameras and connections that break, against a clock of the test's own."""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

import fast_snow
from fast_snow.config import Config, LiveConfig, SamplingConfig, WindowConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs import Input, InputKind, SampledFrame, from_recording, open_input
from fast_snow.inputs.live.address import LiveAddress, live_address, piped
from fast_snow.inputs.live.playing import play
from fast_snow.inputs.live.state import Ending, Live
from fast_snow.inputs.opening import open_live
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.synthetic.render import as_recording
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import Frames, Geometry
from tests.inputs.video_files import SIZE, grey, shown
from tests.scenes import rendered


class FakeClock:
    """Time that goes on only while something waits."""

    def __init__(self) -> None:
        self.now_s, self.waited_s = 100.0, list[float]()

    def live(self) -> Live:
        return Live(clock=lambda: self.now_s, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.waited_s.append(seconds)


def encoded(indices: range, *, form: str = "mpegts", size: tuple[int, int] = SIZE) -> bytes:
    """Return a video of grey frames, 100 ms apart, as it comes through a pipe or a socket."""
    written = io.BytesIO()
    with av.open(written, "w", format=form) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = 5, 0
        for k, index in enumerate(indices):
            frame = av.VideoFrame.from_ndarray(grey(index, size), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return written.getvalue()


class OneWay:
    """Bytes that come once, forwards."""

    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read


def opened(address: LiveAddress, live: Live, **settings: object) -> Input:
    return open_live(address, SamplingConfig(), LiveConfig(max_waiting=1000, **settings), live)


@pytest.mark.parametrize("form", ["mpegts", "matroska"])
def test_a_pipe_is_read_whole_and_no_faster_than_its_time(form: str):
    clock = FakeClock()
    live = clock.live()
    source = opened(piped(OneWay(encoded(range(30), form=form))), live)
    assert (source.name, source.kind, source.size, source.expected_frames) == ("pipe", InputKind.STREAM, SIZE, None)
    frames = list(source.read())
    assert shown(frames) == list(range(30))
    assert [frame.time_s for frame in frames] == [k / 10 for k in range(30)]
    assert sum(clock.waited_s) == pytest.approx(2.9)
    assert live.as_json() | {"largest_delay_s": 0} == {
        "frames_read": 30,
        "frames_dropped": 0,
        "packets_damaged": 0,
        "reconnects": 0,
        "largest_delay_s": 0,
        "ended": "the source ended",
    }


@pytest.mark.parametrize("data", [b"", b"no video at all" * 100, b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"])
def test_a_pipe_without_a_video_is_refused(data: bytes):
    with pytest.raises(InputError, match=r"^pipe: cannot be opened"):
        open_input(OneWay(data), SamplingConfig())


def test_a_picture_that_changes_its_size_ends_the_clip():
    small = encoded(range(3), size=(32, 32))
    live = FakeClock().live()
    source = opened(piped(OneWay(encoded(range(6)) + small)), live)
    with pytest.warns(FastSnowWarning, match="the picture is now 32x32, expected 64x48"):
        frames = list(source.read())
    assert shown(frames)[:5] == list(range(5))
    assert live.ending is Ending.LOST


def recording(count: int = 20) -> Input:
    images = np.stack([grey(k) for k in range(count)])
    return from_recording(recording_from_arrays(images, 10.0), SamplingConfig())


def test_a_file_is_played_in_real_time():
    clock = FakeClock()
    live = clock.live()
    times = [frame.time_s for frame in play(recording(), live, LiveConfig(max_waiting=100), paced=True).read()]
    assert times == [k / 10 for k in range(20)]
    assert clock.now_s - 100.0 == pytest.approx(1.9)


def test_frames_that_wait_hold_no_frames_between():
    config = SamplingConfig(target_fps=5.0)
    source = from_recording(recording_from_arrays(np.zeros((6, *SIZE, 3), np.uint8), 10.0), config)
    assert [len(frame.between()) for frame in source.read()] == [0, 1, 1]
    live = Live()
    assert [len(frame.between()) for frame in play(source, live, LiveConfig()).read()] == [0, 0, 0]


def test_once_stopped_what_was_read_is_still_processed():
    clock = FakeClock()
    live = clock.live()
    clock_sleep = live.sleep

    def stops_at_half_time(seconds: float) -> None:
        clock_sleep(seconds)
        if clock.now_s > 101.0:
            live.stop()

    live.sleep = stops_at_half_time
    frames = list(play(recording(), live, LiveConfig(max_waiting=100), paced=True).read())
    assert shown(frames) == list(range(len(frames)))
    assert 9 <= len(frames) <= 11
    assert live.ending is Ending.STOPPED


def test_a_second_stop_and_one_before_any_frame_do_not_suffice():
    assert not Live().stop()
    live = Live(read=3)
    assert live.stop()
    assert not live.stop()


def test_the_delay_is_that_of_a_windows_oldest_frame():
    clock = FakeClock()
    live = clock.live()
    for now_s in (100.0, 101.0, 102.0, 103.0):
        clock.now_s = now_s
        live.taken(now_s)
    clock.now_s = 110.0
    live.in_graph(3)
    clock.now_s = 110.5
    live.in_graph(4)
    assert (live.delay_s, live.largest_delay_s) == (7.5, 10.0)


def test_a_caller_that_ends_early_leaves_no_reader():
    frames = play(recording(), FakeClock().live(), LiveConfig(max_waiting=2), paced=True).read()
    next(frames)
    frames.close()
    assert not readers()


def test_what_is_live_is_read_once():
    source = play(recording(), FakeClock().live(), LiveConfig(max_waiting=100), paced=True)
    assert len(list(source.read())) == 20
    with pytest.raises(InputError, match="open it again"):
        next(source.read())


def test_a_stream_that_never_comes_again_is_no_clip():
    with serving(encoded(range(5))) as port:  # once, for the size
        address = live_address(f"tcp://127.0.0.1:{port}")
        assert address is not None
        source = opened(address, FakeClock().live(), max_reconnects=1, timeout_s=5.0)
    with pytest.raises(InputError, match=r"cannot be opened \(Connection refused\)"):
        next(source.read())


def test_an_error_while_reading_ends_the_run():
    def breaks() -> Iterator[object]:
        raise InputError("clip.mp4: broken")
        yield

    source = recording()
    broken = replace(source, read=breaks)
    with pytest.raises(InputError, match="broken"):
        list(play(broken, FakeClock().live(), LiveConfig()).read())


def test_a_device_is_opened_as_a_camera_is():
    """FFmpeg's virtual device stands in: no camera was there when this was written."""
    device = LiveAddress(
        name="camera:0", folder="camera-0", target="testsrc=size=64x48:rate=10:duration=1", format="lavfi", protocols=""
    )
    live = FakeClock().live()
    frames = list(opened(device, live, max_reconnects=0).read())
    assert (len(frames), frames[0].image.shape, live.ending) == (10, (48, 64, 3), Ending.END)


def test_a_camera_that_is_not_there_is_one_line():
    with pytest.raises(InputError, match=r"^camera:99: cannot be opened \(No such file or directory\)"):
        open_input("camera:99", SamplingConfig())


@contextmanager
def serving(*answers: bytes) -> Iterator[int]:
    """Answer one connection after the other with bytes and hang up; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                with server.accept()[0] as connection:
                    connection.sendall(answer)
            server.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(timeout=30)


def test_packets_without_a_frame_are_not_waited_for_without_end():
    """Every second of the clock a packet, none of them a key frame's."""
    data = encoded(range(5)).replace(b"\x00\x00\x01\x65", b"\x00\x00\x01\x6c") * 200
    seconds = iter(range(100_000))
    live = Live(clock=lambda: float(next(seconds)), sleep=lambda _: None)
    with pytest.raises(InputError, match="pipe: no frame in 60 s"):
        opened(piped(OneWay(data)), live)


def test_a_stream_that_breaks_off_is_opened_again():
    clock = FakeClock()
    live = clock.live()
    first, second = encoded(range(10)), encoded(range(10, 20))
    with serving(first, first, second) as port:  # the first is for the size alone
        address = live_address(f"tcp://127.0.0.1:{port}")
        assert address is not None
        source = opened(address, live, max_reconnects=3, timeout_s=5.0)
        with pytest.warns(FastSnowWarning, match="and 3 attempts to reconnect failed; the graph ends there"):
            frames = list(source.read())
    assert shown(frames) == list(range(20))
    times = [frame.time_s for frame in frames]
    assert all(b > a for a, b in pairwise(times))
    assert times[10] >= 1.0  # the pause before it
    assert (live.reconnects, live.ending) == (1, Ending.LOST)
    assert sum(clock.waited_s) == pytest.approx(1 + 1 + 2 + 4)


def test_a_refused_connection_never_shows_its_password():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError) as refused:
        open_input(f"rtsp://user:hunter2@127.0.0.1:{port}/live?key=hunter2", SamplingConfig())
    assert f"rtsp://127.0.0.1:{port}/…: cannot be opened (Connection refused)" in str(refused.value)
    chain: BaseException | None = refused.value
    while chain is not None:
        assert "hunter2" not in str(chain) + repr(chain)
        chain = chain.__cause__ or chain.__context__


def test_an_engine_that_fails_ends_a_live_run_with_its_error():
    def burns(frames: Frames) -> Geometry:
        raise RuntimeError("engine on fire")

    source = play(recording(), FakeClock().live(), LiveConfig(max_waiting=50), paced=True)
    burning = fast_snow.Engines(geometry=fast_snow.GeometryFunction(burns, name="burns"))
    with pytest.raises(RuntimeError, match="engine on fire") as failed:
        list(fast_snow.stream(source, engines=burning, config=Config(window=WindowConfig(length=4, overlap=1))))
    assert failed.tb is not None  # which keeps what it went through alive
    assert not readers()


def readers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "reader"]


def test_views_of_a_live_run_come_before_the_next_window_is_read():
    config = Config(window=WindowConfig(length=4, overlap=1))
    clock = FakeClock()
    scene = as_recording(rendered(SceneConfig(size=(48, 64), frames=10)))
    source = play(from_recording(scene, config.sampling), clock.live(), LiveConfig(max_waiting=50), paced=True)
    read = []

    def watched() -> Iterator[SampledFrame]:
        for frame in source.read():
            read.append(frame.source_frame)
            yield frame

    views = fast_snow.stream(replace(source, read=watched), config=config)
    assert [(int(view.ego.t[-1]), len(read)) for view in views] == [
        *((t, 4) for t in range(4)),
        *((t, 7) for t in range(4, 7)),
        *((t, 10) for t in range(7, 10)),
    ]
    assert source.live is not None
    assert source.live.largest_delay_s > 0
