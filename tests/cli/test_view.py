"""`view`: which images the page is drawn on, and what it never replaces."""

import json
import os
import shutil
from pathlib import Path

import pytest

from fast_snow.cli.main import main
from fast_snow.synthetic.files import write_recording, write_video
from fast_snow.synthetic.scene import SceneConfig
from tests.scenes import rendered

SCENE = SceneConfig(size=(48, 64), frames=6)


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(each) for each in arguments])
    return 0 if end.value.code is None else end.value.code


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording and its run, with two keyframes."""
    folder = tmp_path_factory.mktemp("made")
    write_recording(rendered(SCENE), folder / "scan")
    assert command("infer", folder / "scan", "-o", folder / "out", "--quiet", "--output.keyframe-every", 5) == 0
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """The run with the recording of its own, to be changed."""
    write_video(rendered(SCENE), tmp_path / "clip.mp4")
    shutil.copytree(made / "scan", tmp_path / "scan")
    out = Path(shutil.copytree(made / "out", tmp_path / "out"))
    record = json.loads((out / "run.json").read_text())
    record["input"]["path"] = str(tmp_path / "scan")
    (out / "run.json").write_text(json.dumps(record))
    return out


def page(out: Path, *options: object) -> str:
    assert command("view", out, *options) == 0
    return (out / "view.html").read_text()


def frames(text: str) -> int:
    data = text.partition('id="data">')[2].partition("</script>")[0]
    return len(json.loads(data)["frames"])


def test_a_recording_that_is_as_it_was_is_drawn(made: Path, run: Path):
    text = page(run)
    assert frames(text) == SCENE.frames
    assert f"<dt>Pictures</dt><dd>{run.parent / 'scan'}</dd>" in text


@pytest.mark.parametrize("change", ["other", "gone", "fifo", "unrecorded", "no record of it", "null character"])
def test_an_input_that_is_no_longer_what_the_run_read_is_not_drawn(change: str, run: Path):
    scan, record = run.parent / "scan", json.loads((run / "run.json").read_text())
    if change == "other":
        image = sorted((scan / "color").iterdir())[3]
        image.write_bytes(image.read_bytes() + b"more")
    elif change in ("gone", "fifo"):
        shutil.rmtree(scan)
        if change == "fifo":
            os.mkfifo(scan)
    elif change == "unrecorded":
        del record["input"]["sha256"]
    elif change == "null character":
        record["input"]["path"] = "a\0b"
    else:
        record["input"] = None
    (run / "run.json").write_text(json.dumps(record))
    text = page(run)
    assert frames(text) == 2
    assert "<dt>Pictures</dt><dd>keyframes only: " in text
    assert "pass the video with --video" in text


def test_a_video_whose_content_was_replaced_is_not_drawn(run: Path):
    record, clip = json.loads((run / "run.json").read_text()), run.parent / "clip.mp4"
    from fast_snow.output import source_of_run

    record["input"] |= {"path": str(clip), **source_of_run(clip).as_json()}
    (run / "run.json").write_text(json.dumps(record))
    assert frames(page(run)) == SCENE.frames
    data = bytearray(clip.read_bytes())
    data[-1] ^= 1
    clip.write_bytes(data)
    assert "keyframes only" in page(run)


@pytest.mark.parametrize("name", ["scan", "clip.mp4"])
def test_another_video_is_drawn_at_the_users_word(name: str, run: Path):
    text = page(run, "--video", run.parent / name)
    assert frames(text) == SCENE.frames
    assert f"{name}, named with --video" in text
    assert ("is not what the run read" in text) == (name == "clip.mp4")


def test_a_video_that_is_not_there_is_refused(run: Path):
    assert command("view", run, "--video", run / "none.mp4") == 2
    assert not (run / "view.html").exists()


@pytest.mark.parametrize("kind", ["text", "changed page", "link", "link to a page", "folder", "empty"])
def test_only_an_unchanged_page_of_its_own_is_replaced(kind: str, run: Path, tmp_path: Path, capsys):
    shown, other = run / "view.html", tmp_path / "other.html"
    if kind == "text":
        shown.write_text("mine")
    elif kind == "changed page":
        shown.write_text(page(run).replace("<h1>", "<h1>My ", 1))
    elif kind.startswith("link"):
        other.write_text(page(run) if kind == "link to a page" else "mine")
        shown.unlink(missing_ok=True)
        shown.symlink_to(other)
    elif kind == "folder":
        shown.mkdir()
    else:
        shown.touch()
    before = [path.read_bytes() for path in (shown, other) if path.is_file()]
    assert command("view", run) == 2
    assert "view.html: not an unmodified page written by view" in capsys.readouterr().err
    assert [path.read_bytes() for path in (shown, other) if path.is_file()] == before


def test_a_page_of_its_own_is_replaced(run: Path):
    assert page(run) == page(run)
