"""Untrusted files: regular, inside their folder, bounded; nothing waits."""

import os
from pathlib import Path

import pytest

from fast_snow.errors import InputError
from fast_snow.limits import Limit
from fast_snow.untrusted_files import open_file, read_bytes, read_text, shown

SMALL = Limit(name="it", largest=10, unit="bytes", reason="")
needs_posix = pytest.mark.skipif(os.name != "posix", reason="FIFOs and devices of POSIX")


def refusal(path: Path, **options: Path) -> str:
    with pytest.raises(InputError) as error:
        read_bytes(path, limit=SMALL, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@needs_posix
def test_what_would_wait_or_never_end_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert "is a FIFO, expected a regular file" in refusal(tmp_path / "fifo")
    assert "is a device, expected a regular file" in refusal(tmp_path / "zero")
    assert "leads out of" in refusal(tmp_path / "zero", within=tmp_path)
    assert "is a folder" in refusal(tmp_path)


@needs_posix
@pytest.mark.parametrize("name", ["gone", "nul\0", "x" * 300, "y/" * 3000, "loop", "half \udcff"])
def test_what_is_not_there_is_one_line(tmp_path, name):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for within in (None, tmp_path):
        assert "cannot be read" in refusal(tmp_path / name, within=within)


@needs_posix
def test_links_may_only_lead_inside(tmp_path):
    folder, outside = tmp_path / "run", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (folder / "inside").write_bytes(b"inside")
    (folder / "to inside").symlink_to("inside")
    (folder / "to secret").symlink_to(outside / "secret")
    (folder / "to folder").symlink_to(outside)
    assert read_bytes(folder / "to inside", limit=SMALL, within=folder) == b"inside"
    assert read_bytes(folder / "to secret", limit=SMALL) == b"secret"
    for name in ("to secret", "to folder/secret", "../outside/secret"):
        assert "leads out of" in refusal(folder / name, within=folder)


def test_more_than_the_limit_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    assert "has 1099511627776 bytes, expected at most 10" in refusal(tmp_path / "large")
    with open_file(tmp_path / "large") as file:
        assert file.read(1) == b"\0"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_may_have_a_byte_order_mark(tmp_path, encoding):
    (tmp_path / "text").write_bytes("é".encode(encoding))
    assert read_text(tmp_path / "text", limit=SMALL) == "é"
    (tmp_path / "text").write_bytes(b"ab\xff")
    with pytest.raises(InputError, match="byte 2 is not UTF-8"):
        read_text(tmp_path / "text", limit=SMALL)


def test_names_are_shown_in_one_line():
    assert shown(Path("a\nb\0\x7f\udcff é")) == "a\\x0ab\\x00\\x7f\\udcff é"
