"""Documents of strangers, damaged a hundred ways each: every one is read or refused by the product's own errors."""

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from fast_snow import output, presets, weights
from fast_snow.cli.clip_images import clip_images
from fast_snow.engines.compiled import manifest as compiled
from fast_snow.engines.da3.variants import variant_of
from fast_snow.errors import FastSnowError, FastSnowWarning
from fast_snow.evaluation import manifest, results
from fast_snow.evaluation.ground_truth import TruthKind, TruthSource
from fast_snow.evaluation.qa import inference, question_files
from fast_snow.evaluation.readers import frame_images, kitti, motchallenge, trajectories, youtube_vis
from fast_snow.output import graph_json
from fast_snow.types import SceneGraph
from tests.engines.compiled.manifests import place
from tests.evaluation.cases import evaluation, result
from tests.evaluation.qa.files import nuscenes_row, pointing_row, robospatial_row, vlm4d_row, vsi_choice, vsi_row
from tests.mutations import damaged, documents

GOLDEN = json.loads((Path(__file__).parent / "golden" / "4dsg.json").read_text(encoding="utf-8"))
PAPER = {
    "metadata": {
        "grid": "16x16",
        "num_frames": 1,
        "num_tracks": 0,
        "visual_anchor": [{"frame_idx": 0, "path": "a.jpg"}],
    },
    "ego": [{"t": 0, "xyz": [0, 0, 0]}],
    "tracks": [],
}
KITTI = {
    "p2_offset_m": [0.06, 0, 0],
    "tracks": {
        "1": {
            "category": "Car",
            "obs": [{"frame": 0, "box2d": [1, 1, 4, 4], "centre_cam": [1, 1, 9], "size_lwh": [4, 2, 2], "yaw": 0.5}],
        }
    },
}
YOUTUBE_VIS = {
    "videos": [{"id": 7, "width": 4, "height": 3, "length": 2}],
    "annotations": [
        {
            "id": 1,
            "video_id": 7,
            "category_id": 1,
            "iscrowd": 0,
            "segmentations": [{"size": [3, 4], "counts": [2, 2, 8]}, {"size": [3, 4], "counts": "228"}],
        }
    ],
}
CLIPS = {
    "version": 1,
    "name": "small",
    "clips": [
        {
            "name": "room",
            "licence": "none",
            "fps": 5,
            "size": [3, 4],
            "input": {"path": "room"},
            "truth": [
                {"kind": "masks", "format": "youtube-vis", "path": "vis.json", "video": 7, "classes": ["1"]},
                {"kind": "poses", "format": "tum", "path": "tum.txt", "first_time_s": 1.5},
                {"kind": "boxes3d", "format": "kitti-tracks", "path": "kitti.json", "camera_offset_m": [0, 0, 1]},
                {"kind": "questions", "format": "vlm4d", "path": "questions.json"},
            ],
        }
    ],
}
RECORD = {
    "input": {"name": "x", "path": "/x.mp4", "kind": "video", "height": 3, "width": 4, "source_fps": 30.0, "bytes": 3},
    "frames": 3,
    "config": {"sampling": {"target_fps": 10.0, "max_frames": 0, "max_side": 1280}},
    "warnings": ["one"],
    "files": {"4dsg.json": {"sha256": "0" * 64, "bytes": 3}},
}
SOURCE = TruthSource(kind=TruthKind.MASKS, format="any", path="any")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return tmp_path / "document.json"


def survives(read: Callable[[Path], object], path: Path, contents: Iterator[str | bytes]) -> None:
    """Write and read each; only the product's own errors may come, in one line."""
    said = []
    for content in contents:
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FastSnowWarning)
                read(path)
        except FastSnowError as error:
            said.append(str(error))
    assert not [each for each in said if "\n" in each or len(each) > 2000]


@cache
def golden() -> SceneGraph:
    return graph_json.loads(json.dumps(GOLDEN))


def read_run_record(path: Path) -> None:
    record = output.read_record(path.parent)
    with suppress(FastSnowError):
        images, _ = clip_images(path.parent, golden(), record)
        list(images)


def read_clips(path: Path) -> None:
    loaded = manifest.load_manifest(path, path.parent)
    for clip in loaded.clips:
        manifest.read_clip_truth(clip, path.parent)


def read_answer(path: Path) -> None:
    inference.cached_answer(path.parents[2], path.stem)


READERS: dict[str, tuple[str, Callable[[Path], object], object]] = {
    "4dsg.json": ("4dsg.json", graph_json.read_graph, GOLDEN),
    "the paper's": ("4dsg.json", graph_json.read_graph, PAPER),
    "run.json": ("run.json", read_run_record, RECORD),
    "kitti": ("kitti.json", lambda path: kitti.boxes_of(kitti.read_kitti_tracks(path, SOURCE)), KITTI),
    "youtube-vis": ("vis.json", lambda path: youtube_vis.read_youtube_vis(path, SOURCE), YOUTUBE_VIS),
    "manifest": ("manifest.json", read_clips, CLIPS),
    "vlm4d": (
        "real_mc.json",
        lambda path: question_files.read_questions((path,), path.parent),
        [vlm4d_row(1), vlm4d_row(2)],
    ),
    "vsi": ("vsi.json", lambda path: question_files.read_questions((path,), path.parent), [vsi_row(0), vsi_choice(1)]),
    "nuscenes": (
        "nuscenes.json",
        lambda path: question_files.read_questions((path,), path.parent),
        {"questions": [nuscenes_row()] * 2},
    ),
    "robospatial": (
        "annotations.json",
        lambda path: question_files.read_questions((path,), path.parent),
        [robospatial_row(), pointing_row()],
    ),
    "da3": (
        "config.json",
        lambda path: variant_of(str(path.parent)),
        {"model_name": "da3-small", "config": {"a": [1]}},
    ),
    "SHA256SUMS.json": (
        "SHA256SUMS.json",
        lambda path: weights.read(path.parent),
        {
            "format": 1,
            "files": {"a": {"sha256": "0", "size": 1, "source": "s", "revision": "r", "verified": True}},
        },
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_documents_are_read_or_refused(tmp_path, name):
    file, read, sound = READERS[name]
    path = tmp_path / file
    (tmp_path / "room").mkdir()
    (tmp_path / "tum.txt").write_text("1.5 0 0 0 0 0 0 1\n")
    (tmp_path / "kitti.json").write_text(json.dumps(KITTI))
    (tmp_path / "vis.json").write_text(json.dumps(YOUTUBE_VIS))
    (tmp_path / "questions.json").write_text("[]")
    survives(read, path, documents(sound, 200))
    survives(read, path, damaged(json.dumps(sound).encode(), 60))


def test_results_of_evaluations(tmp_path):
    path = tmp_path / "evaluation.json"
    results.write_evaluation(evaluation(result("x", "fast-snow", 0), result("y", "snow", 0)), path)
    survives(results.read_evaluation, path, documents(json.loads(path.read_bytes()), 150))


def test_manifests_of_compiled_networks(tmp_path):
    path, _ = place(tmp_path, target="tensorrt")
    beside = compiled.path_beside(path)
    sound = json.loads(beside.read_bytes())
    survives(compiled.read_manifest, beside, documents(sound, 200))
    survives(compiled.read_manifest, beside, damaged(json.dumps(sound).encode(), 60))


def test_presets(small):
    sound = b"[sampling]\ntarget_fps = 5.0\nmax_frames = 3\n[vlm]\nmodel = 'm'\nbase_url = 'http://localhost'\n"
    survives(presets.load_preset, small, damaged(sound, 300))
    values = ("1" + "0" * 400, "1e999", "-1", "[[[]]]", "{a = {}}", "1979-05-27T07:32:00Z", '"\\u0000"', "true", "nan")
    texts = (f"[{section}]\n{key} = {value}\n" for section, key in _settings() for value in values)
    survives(presets.load_preset, small, texts)


def _settings() -> Iterator[tuple[str, str]]:
    yield from (("sampling", "target_fps"), ("sampling", "max_frames"), ("step", "iou_threshold"), ("vlm", "model"))
    yield from (("step", "mask_margin"), ("engines", "geometry"), ("sam3", "offload_state_to_cpu"))


TABLES: dict[str, tuple[Callable[[Path], object], bytes]] = {
    "tum": (lambda path: trajectories.read_tum(path, SOURCE), b"# t\n1.5 0 0 0 0 0 0 1\n2.5 1 0 0 0 0 0 1\n"),
    "poses": (lambda path: trajectories.read_poses_c2w(path, SOURCE, 5.0), b"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n" * 2),
    "boxes": (lambda path: motchallenge.read_boxes(path, SOURCE), b"1,1,1,1,4,4,1,1,1\n2,1,1,1,4,4,1,1,1\n"),
    "mots": (lambda path: motchallenge.read_mots_text(path, SOURCE), b"1 1001 1 3 4 228\n2 1001 1 3 4 228\n"),
    "kitti": (
        lambda path: kitti.objects_of(kitti.read_kitti_text(path, SOURCE), (9, 9)),
        b"0 1 Car 0 0 0 1 1 4 4 2 2 4 1 1 9 0\n0 -1 DontCare 0 0 0 1 1 4 4 2 2 4 1 1 9 0\n",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(small, name):
    read, sound = TABLES[name]
    survives(read, small, damaged(sound, 150))


def test_id_maps(small):
    import cv2
    import numpy as np

    _, data = cv2.imencode(".png", np.eye(6, 8, dtype=np.uint8))
    read = frame_images.read_davis
    survives(lambda path: read(path.parent, SOURCE), small.with_name("0.png"), damaged(data.tobytes(), 150))


def test_headers_of_weights(tmp_path):
    header = {"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    path = tmp_path / "model.safetensors"

    def file(text: str) -> bytes:
        encoded = text.encode("utf-8", "surrogatepass")
        return len(encoded).to_bytes(8, "little") + encoded + bytes(24)

    path.write_bytes(file(json.dumps(header)))
    assert weights.damage(path) is None
    survives(weights.damage, path, map(file, documents(header, 200)))
    survives(weights.damage, path, damaged(file(json.dumps(header)), 100))


@pytest.mark.parametrize(
    ("entry", "size"),
    [
        ({"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 20]}, 20),
        ({"dtype": "F32", "shape": [2, 3], "data_offsets": [4, 28]}, 28),
        ({"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 24]}, 24),
        ({"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]}, 24),
        ({"dtype": "F32", "shape": [2, 3], "data_offsets": [24, 0]}, 0),
        ({"dtype": "F33", "shape": [2, 3], "data_offsets": [0, 24]}, 24),
        ({"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24.0]}, 24),
    ],
)
def test_headers_that_do_not_fit_their_file(tmp_path, entry, size):
    text = json.dumps({"w": entry}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    assert weights.damage(tmp_path / "a.safetensors") == "is not a safetensors file"


def test_a_header_that_is_longer_than_its_file_is_not_read(tmp_path):
    with (tmp_path / "a.safetensors").open("wb") as file:
        file.write((99_000_000).to_bytes(8, "little") + b"{}")
        file.truncate(2**40)
    assert weights.damage(tmp_path / "a.safetensors") == "is not a safetensors file"


@pytest.mark.skipif(os.name != "posix", reason="FIFOs of POSIX")
@pytest.mark.parametrize("name", READERS)
def test_nothing_waits_for_a_fifo(tmp_path, name):
    file, read, _ = READERS[name]
    os.mkfifo(tmp_path / file)
    with suppress(FastSnowError):
        read(tmp_path / file)


def test_a_kept_answer(tmp_path):
    digest = "ab" * 32
    path = tmp_path / inference.FOLDER / digest[:2] / f"{digest}.json"
    path.parent.mkdir(parents=True)
    sound = {
        "text": "words",
        "ending": "ANSWERED",
        "usage": {"requests": 1, "retries": 0},
        "tools": [],
        "left_out": [],
        "unread": "",
    }
    survives(read_answer, path, documents(sound, 100))
