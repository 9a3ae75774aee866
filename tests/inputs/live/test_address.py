"""Which words are live inputs, and that no credentials are shown."""

from pathlib import Path

import pytest

from fast_snow.config import LiveConfig, SamplingConfig
from fast_snow.errors import InputError
from fast_snow.inputs import open_input
from fast_snow.inputs.live.address import live_address


@pytest.mark.parametrize(
    ("text", "name", "folder"),
    [
        ("-", "standard input", "pipe"),
        ("camera:0", "camera:0", "camera-0"),
        ("/dev/video12", "camera:12", "camera-12"),
        ("rtsp://admin:hunter2@10.0.0.7:8554/cam/1?key=hunter2", "rtsp://10.0.0.7:8554/…", "10.0.0.7"),
        ("rtsp://10.0.0.7/user=admin_password=hunter2_channel=1", "rtsp://10.0.0.7/…", "10.0.0.7"),
        ("RTSP://a:b@hunter2@Host.local", "rtsp://host.local", "host.local"),
        ("rtsp://[::1]:8554/", "rtsp://[::1]:8554", "--1"),
        ("tcp://127.0.0.1:9000", "tcp://127.0.0.1:9000", "127.0.0.1"),
        ("udp://239.0.0.1:1234", "udp://239.0.0.1:1234", "239.0.0.1"),
    ],
)
def test_a_live_input_is_called_without_its_credentials(text: str, name: str, folder: str):
    address = live_address(text)
    assert address is not None
    assert (address.name, address.folder) == (name, folder.strip("-"))
    assert "hunter2" not in repr(address) + str(address) + address.folder


@pytest.mark.parametrize("path", ["video.mp4", "a/b.mkv", "/dev/video", "camera:", "camera:x", "-x", "C:/clip.mp4", ""])
def test_paths_are_not_live(path: str):
    assert live_address(path) is None


@pytest.mark.parametrize(
    "text",
    [
        "http://u:hunter2@host/x.m3u8",
        "file:///hunter2",
        "rtsp://",
        "rtsp://u:hunter2@host:x/",
        "rtsp://u:hunter2@host/a b",
        "rtsp://u:hunter2@host/\n",
        "tcp://u:hunter2@host",
        "rtsp://u:hunter2@[::1/",
        "rtsp://host/" + "hunter2" * 500,
    ],
)
def test_other_urls_are_refused_without_repeating_them(text: str):
    with pytest.raises(InputError, match="expected rtsp://HOST/PATH") as refused:
        live_address(text)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("text", ["-", "camera:0", "rtsp://h/x", "tcp://h:1", "udp://h:1"])
def test_what_is_read_may_open_no_file_and_no_playlist(text: str):
    address = live_address(text)
    assert address is not None
    allowed = set(filter(None, address.options(LiveConfig())["protocol_whitelist"].split(",")))
    assert allowed <= {"rtsp", "rtp", "tcp", "udp"}
    assert text == "-" or address.format is not None


def test_the_timeout_and_the_transport_are_those_of_the_settings():
    address = live_address("rtsp://h/x")
    assert address is not None
    options = address.options(LiveConfig(timeout_s=2.5, transport="udp"))
    assert (options["timeout"], options["rtsp_transport"]) == ("2500000", "udp")


def test_a_url_as_a_path_is_refused_without_repeating_it():
    with pytest.raises(InputError, match="a URL as a path") as refused:
        open_input(Path("rtsp://user:hunter2@host/x"), SamplingConfig())
    assert "hunter2" not in str(refused.value)
