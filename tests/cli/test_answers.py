"""`answers.jsonl` only grows, and is never anything but a regular file in the folder of its run."""

import json
import os
from pathlib import Path

import pytest

from fast_snow.cli.answers import keep


def test_answers_are_added(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"a note": "of the user, without a line break"}')
    assert keep(tmp_path, {"answer": 1}) == path
    assert keep(tmp_path, {"answer": "zwei\n"}) == path
    assert [json.loads(line) for line in path.read_text().splitlines()][1:] == [{"answer": 1}, {"answer": "zwei\n"}]


@pytest.mark.parametrize("kind", ["link", "dangling link", "link inside", "fifo", "folder"])
def test_answers_are_kept_in_nothing_else(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "out").mkdir()
    path, other = tmp_path / "out/answers.jsonl", tmp_path / "bashrc"
    if kind == "link":
        other.write_text("mine")
    if kind.endswith("link"):
        path.symlink_to(other)
    elif kind == "link inside":
        (tmp_path / "out/4dsg.json").write_text("mine")
        path.symlink_to("4dsg.json")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert keep(tmp_path / "out", {"answer": 1}) is None
    assert "the answer is not kept" in capsys.readouterr().err
    found = {each.read_text() for each in tmp_path.rglob("*") if each.is_file()}
    assert found == ({"mine"} if kind.startswith("link") else set())
    assert not (kind == "dangling link" and other.exists())


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    import resource
    import signal

    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        assert keep(tmp_path, {"answer": "longer than ten bytes"}) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "the answer is not kept" in capsys.readouterr().err
    keep(tmp_path, {"answer": 2})
    assert json.loads((tmp_path / "answers.jsonl").read_text().splitlines()[-1]) == {"answer": 2}
