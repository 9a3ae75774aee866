"""Pages of runs that a stranger made: nothing outside is embedded, nothing waits or crashes."""

import json
import os
import shutil
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

import fast_snow
from fast_snow import output
from fast_snow.cli.clip_images import clip_images, keyframe_depths
from fast_snow.errors import FastSnowError, InputError
from fast_snow.limits import IMAGE_PIXELS
from fast_snow.types import Keyframe
from tests.reasoning.runs import small_run


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "out"
    small_run().save(folder)
    return folder


@pytest.fixture
def run(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "out")
    return tmp_path / "out"


def images(folder):
    found, _ = clip_images(folder, fast_snow.load(folder), {})
    return list(found)


def depths(folder):
    return list(keyframe_depths(folder, fast_snow.load(folder)))


BESIDE = pytest.mark.parametrize(("read", "suffix"), [(images, ".jpg"), (depths, ".png")])


def first_of(folder, suffix):
    return min((folder / "keyframes").glob(f"*{suffix}"))


def test_keyframes_are_shown(run):
    assert len(images(run)) == len(depths(run)) == len(fast_snow.load(run).keyframes)
    first_of(run, ".png").unlink()  # an older run has none
    assert len(depths(run)) == len(images(run)) - 1


@pytest.mark.skipif(os.name != "posix", reason="links and FIFOs of POSIX")
@BESIDE
def test_links_out_of_the_run_and_fifos_are_refused(run, tmp_path, read, suffix):
    first = first_of(run, suffix)
    secret = tmp_path / "secret"
    shutil.move(first, secret)
    first.symlink_to(secret)
    with pytest.raises(InputError, match="leads out of"):
        read(run)
    first.unlink()
    os.mkfifo(first)
    with pytest.raises(InputError, match="is a FIFO"):
        read(run)
    shutil.move(run / "keyframes", tmp_path / "elsewhere")
    (run / "keyframes").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of"):
        read(run)


@pytest.mark.skipif(os.name != "posix", reason="links and FIFOs of POSIX")
@pytest.mark.parametrize("name", ["4dsg.json", "run.json"])
def test_documents_that_wait_or_never_end(run, name):
    read = fast_snow.load if name == "4dsg.json" else output.read_record
    (run / name).unlink()
    os.mkfifo(run / name)
    with pytest.raises(InputError, match="is a FIFO"):
        read(run)
    (run / name).unlink()
    (run / name).symlink_to("/dev/zero")
    with pytest.raises(InputError, match="leads out of"):
        read(run)


@pytest.mark.parametrize(
    "path", ["\ud800.jpg", "a\nb.jpg", "a\0b.jpg", "x" * 1025, "../x.jpg", "/x.jpg", "C:/x.jpg", ".", ""]
)
def test_paths_of_keyframes_are_one_line_inside_the_run(run, path):
    document = json.loads((run / "4dsg.json").read_text(encoding="utf-8"))
    document["metadata"]["visual_anchor"][0]["path"] = path
    (run / "4dsg.json").write_text(json.dumps(document))
    with pytest.raises(InputError):
        fast_snow.load(run)
    graph = replace(small_run().graph, keyframes=(Keyframe(t=0, source_frame=0, path=path),))
    with pytest.raises(FastSnowError, match="expected a path inside"):
        fast_snow.output.graph_json.dumps(graph)


def test_a_keyframe_of_any_size_is_not_decoded(run):
    _, data = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))
    jpeg = bytearray(data.tobytes())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = b"\x75\x30\x75\x30"  # 30,000 x 30,000
    first_of(run, ".jpg").write_bytes(jpeg)
    with pytest.raises(InputError, match=str(IMAGE_PIXELS.largest)):
        images(run)


def test_a_depth_image_of_colours_or_of_any_size_is_refused(run):
    first = first_of(run, ".png")
    first.write_bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    with pytest.raises(InputError, match="3 channels"):
        depths(run)
    png = bytearray(cv2.imencode(".png", np.zeros((4, 4), np.uint16))[1].tobytes())
    png[16:24] = b"\0\0\x75\x30" * 2  # 30,000 x 30,000
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    first.write_bytes(png)
    with pytest.raises(InputError, match=str(IMAGE_PIXELS.largest)):
        depths(run)
