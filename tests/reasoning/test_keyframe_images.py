"""Keyframes as a model sees them: numbered, few enough, and never from outside the run's folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import fast_snow
from fast_snow.errors import InputError
from fast_snow.reasoning.prompt.keyframe_images import keyframe_images
from fast_snow.types import Keyframe
from fast_snow.viewing.palette import rgb_of
from tests.reasoning.runs import small_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "out"
    small_run().save(folder)
    return folder


def decoded(picture):
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def keyframe(folder, t):
    return cv2.cvtColor(cv2.imread(str(folder / f"keyframes/{t:06d}.jpg")), cv2.COLOR_BGR2RGB)


def test_objects_of_the_graph_are_drawn_and_no_others(run):
    graph = fast_snow.load(run)
    drawn = keyframe_images(run, graph, most=9)
    assert [each.name for each in drawn] == ["keyframe t=0", "keyframe t=4"]

    def painted(picture, object_id):
        return (np.abs(decoded(picture).astype(int) - rgb_of(object_id)).max(axis=2) < 12).sum()

    seen = [k for k, track in graph.tracks.items() if track.observations[0].t == 0]
    one = seen[0]
    without = keyframe_images(run, replace(graph, tracks={k: v for k, v in graph.tracks.items() if k != one}), most=9)
    assert painted(drawn[0], one) > painted(without[0], one) + 20
    assert drawn[0].jpeg == keyframe_images(run, graph, most=9)[0].jpeg


def test_frames_as_they_were_taken(run):
    graph = fast_snow.load(run)
    plain = keyframe_images(run, graph, most=9, labelled=False)
    for picture, t in zip(plain, (0, 4), strict=True):
        assert np.abs(decoded(picture).astype(int) - keyframe(run, t)).mean() < 2


@pytest.mark.parametrize(("most", "expected"), [(0, []), (1, [0]), (2, [0, 19]), (3, [0, 10, 19]), (99, range(20))])
def test_at_most_so_many_evenly_chosen(run, tmp_path, most, expected):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    graph = fast_snow.load(run)
    many = tuple(Keyframe(t=t, source_frame=t, path="keyframes/000000.jpg") for t in range(20))
    images = keyframe_images(tmp_path, replace(graph, keyframes=many[::-1]), most=most, labelled=False)
    assert [each.name for each in images] == [f"keyframe t={t}" for t in expected]


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/hostname", "keyframes/../../secret.jpg", "link.jpg"])
def test_nothing_outside_the_folder_is_read(run, tmp_path, path):
    folder = tmp_path / "out"
    shutil.copytree(run, folder)
    shutil.copy(run / "keyframes/000000.jpg", tmp_path / "secret.jpg")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    graph = replace(fast_snow.load(run), keyframes=(Keyframe(t=0, source_frame=0, path=path),))
    for labelled in (True, False):
        with pytest.raises(InputError, match=r"keyframe t=0: .*(leads out of|cannot be read)"):
            keyframe_images(folder, graph, most=9, labelled=labelled)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: (folder / "keyframes/000004.jpg").unlink(), r"t=4: .*keyframes/000004.jpg: cannot be read"),
        (lambda folder: (folder / "keyframes/000004.jpg").write_bytes(b""), "t=4: .*: cannot be read as an image"),
        (lambda folder: (folder / "keyframes/000004.jpg").write_bytes(b"text"), "t=4: .*: cannot be read as an image"),
        (lambda folder: shutil.rmtree(folder / "masks"), "masks: nothing for keyframe t=0"),
        (lambda folder: next((folder / "masks").iterdir()).write_bytes(b"text"), "npz: damaged"),
    ],
)
def test_what_is_missing_or_damaged_is_one_line_that_says_what_to_do(run, tmp_path, damage, expected):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    damage(tmp_path)
    with pytest.raises(InputError, match=expected) as error:
        keyframe_images(tmp_path, fast_snow.load(run), most=9)
    assert "run infer again" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", ["keyframes/\0.jpg", "x" * 5000])
def test_a_path_that_cannot_be(run, path):
    graph = replace(fast_snow.load(run), keyframes=(Keyframe(t=0, source_frame=0, path=path),))
    with pytest.raises(InputError, match="cannot be read"):
        keyframe_images(run, graph, most=1)


def test_no_keyframes(run, tmp_path: Path):
    assert keyframe_images(tmp_path, replace(fast_snow.load(run), keyframes=()), most=9) == ()
