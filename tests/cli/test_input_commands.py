"""`convert`, and `doctor INPUT`."""

import pytest

from fast_snow.cli.main import main
from fast_snow.synthetic.files import write_recording, write_video
from fast_snow.synthetic.scene import SceneConfig
from tests.inputs import layout_files
from tests.scenes import rendered

SCENE = SceneConfig(size=(96, 128), frames=4)


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(each) for each in arguments])
    return 0 if end.value.code is None else end.value.code


def test_a_video_becomes_a_recording_folder(tmp_path, capsys):
    write_video(rendered(SCENE), tmp_path / "scene.mp4")
    assert command("convert", tmp_path / "scene.mp4", tmp_path / "folder", "--quiet") == 0
    assert "4 frames in" in capsys.readouterr().out
    assert command("doctor", tmp_path / "folder") == 0
    said = capsys.readouterr().out
    assert "recording folder" in said
    assert "colour images alone" in said


def test_nothing_that_is_there_is_written_over(tmp_path, capsys):
    write_recording(rendered(SCENE), tmp_path / "one")
    assert command("convert", tmp_path / "one", tmp_path / "one" / "color", "--quiet") == 2
    assert "not empty; expected a new folder" in capsys.readouterr().err


def test_doctor_says_what_a_recording_brings(tmp_path, capsys):
    write_recording(rendered(SCENE), tmp_path / "one")
    assert command("doctor", tmp_path / "one") == 0
    said = capsys.readouterr().out
    assert "depth, poses, intrinsics, masks" in said
    assert "metres" in said


def test_doctor_lists_the_topics_of_a_bag_that_cannot_be_used(tmp_path, capsys):
    pytest.importorskip("rosbags.image")
    layout_files.write_bag(rendered(SCENE), tmp_path / "drive.bag", "bag")
    assert command("doctor", tmp_path / "drive.bag") == 0
    said = capsys.readouterr().out
    assert "topic /cam/color/image_raw" in said
    assert "depth, poses, intrinsics" in said


def test_doctor_refuses_what_is_not_there(tmp_path, capsys):
    assert command("doctor", tmp_path / "nothing") == 2
    assert "no such file" in capsys.readouterr().err
