"""Manifests: what they say, what they may not say, and whether it is true."""

import copy
import hashlib
import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from fast_snow.config import SamplingConfig
from fast_snow.errors import InputError
from fast_snow.evaluation import manifest as manifests
from fast_snow.evaluation.readers.clip_truth import UNKNOWN
from fast_snow.evaluation.readers.data_files import data_sha256
from fast_snow.inputs import InputKind

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "eval" / "fast_snow_eval_manifest.json"


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def root(tmp_path):
    """A data root with a recording of three frames, masks, poses, depth and boxes."""
    root = tmp_path / "data"
    for k in range(3):
        save(root / "room" / "color" / f"{k:06}.png", np.full((6, 8, 3), 40 * k, np.uint8))
        save(root / "room" / "depth" / f"{k:06}.png", np.full((6, 8), 1000 + k, np.uint16))
        save(root / "gt" / f"{k:05}.png", np.eye(6, 8, k, dtype=np.uint8))
    meta = {"fps": 5.0, "depth_scale": 1000.0, "intrinsics": {"fx": 5.0, "fy": 5.0, "cx": 4.0, "cy": 3.0}}
    (root / "room" / "meta.json").write_text(json.dumps(meta))
    (root / "poses_c2w.txt").write_text("\n".join([" ".join(map(str, np.eye(4).ravel()))] * 3))
    (root / "boxes.txt").write_text("1,1,1,1,4,4,1,1,1\n")
    (root / "questions.json").write_text("[]")
    return root


def content(root):
    return {
        "version": 1,
        "name": "small",
        "clips": [
            {
                "name": "room",
                "licence": "none",
                "note": "made up",
                "fps": 5,
                "static": True,
                "input": {"path": "room", "sha256": data_sha256(root / "room")},
                "truth": [
                    {
                        "kind": "masks",
                        "format": "davis",
                        "path": "gt",
                        "sha256": data_sha256(root / "gt"),
                        "exhaustive": True,
                    },
                    {"kind": "poses", "format": "poses-c2w", "path": "poses_c2w.txt"},
                    {
                        "kind": "depth",
                        "format": "png",
                        "path": "room/depth",
                        "depth_scale": 1000,
                        "intrinsics": {"fx": 5, "fy": 6.5, "cx": 4, "cy": 3},
                    },
                    {"kind": "questions", "format": "vlm4d", "path": "questions.json"},
                    {"kind": "questions", "format": "openeqa", "path": "questions.json"},
                ],
            },
            {
                "name": "boxes",
                "licence": "none",
                "size": [6, 8],
                "truth": [{"kind": "boxes", "format": "motchallenge", "path": "boxes.txt", "frames": 2.0}],
            },
        ],
    }


def load(root, changed):
    path = root.parent / "manifest.json"
    path.write_text(json.dumps(changed))
    return manifests.load_manifest(path, root)


def test_a_manifest_says_where_things_are_and_what_they_hold(root):
    manifest = load(root, content(root))
    room, boxes = manifest.clips
    assert (manifest.name, room.name, room.licence, room.note, room.fps) == ("small", "room", "none", "made up", 5.0)
    assert boxes.input is None
    assert manifests.check_manifest(manifest, root) == ()
    truth = manifests.read_clip_truth(room, root)
    assert truth.size == (6, 8)
    assert [each.frame for each in truth.objects] == [0, 1, 2]
    assert truth.trajectory.time_s.tolist() == [0.0, 0.2, 0.4]
    assert truth.read_depth(2)[0, 0] == np.float32(1.002)
    assert sorted(truth.read_depth.frames) == [0, 1, 2]
    np.testing.assert_array_equal(truth.intrinsics, [[5, 0, 4], [0, 6.5, 3], [0, 0, 1]])
    assert truth.exhaustive
    assert truth.static
    truth = manifests.read_clip_truth(boxes, root)
    assert (truth.size, len(truth.objects)) == ((6, 8), 2)
    assert not truth.exhaustive
    assert not truth.static
    source = manifests.open_clip(room, root, SamplingConfig(target_fps=5.0))
    assert (source.kind, source.size, len(list(source.read()))) == (InputKind.RECORDING, (6, 8), 3)
    with pytest.raises(InputError, match="boxes: has no images, only ground truth"):
        manifests.open_clip(boxes, root, SamplingConfig())


def test_a_clip_of_which_nothing_is_known_has_no_size(root):
    manifest = load(root, {"version": 1, "name": "x", "clips": [{"name": "x", "licence": "none"}]})
    assert manifests.read_clip_truth(manifest.clips[0], root).size == UNKNOWN
    assert manifests.check_manifest(manifest, root) == ()


def at(changed, *steps):
    for step in steps:
        changed = changed[step]
    return changed


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("version",), 2, "version: got 2, expected one of 1"),
        (("clips",), [], "clips: got an array of 0, expected 1 to 100000 entries"),
        (("clips", 0, "name"), 7, r"clips\[0\].name: got 7, expected string"),
        (("clips", 0, "name"), "boxes", "comes 2 times, expected each name once"),
        (("clips", 0, "name"), "a\nb", "expected one line of 1 to 1000 characters"),
        (("clips", 0, "licenses"), "x", 'has "licenses"; did you mean licence?'),
        (("clips", 0, "fps"), 0, "fps: got 0, expected more than 0"),
        (("clips", 0, "fps"), None, "fps: got null, expected number"),
        (("clips", 0, "size"), [6], "size: got an array of 1, expected 2 entries"),
        (("clips", 0, "size"), [0, 8], r"size\[0\]: got 0, expected 1 to 32768"),
        (("clips", 0, "input", "sha256"), "abc", "sha256: got .*expected 64 hexadecimal digits"),
        (("clips", 0, "input", "path"), "../data/room", r"clips\[0\].input.path: got the path '../data/room'"),
        (("clips", 0, "input", "path"), "/etc", r"input.path: got the path '/etc', expected one below the data root"),
        (("clips", 0, "input", "path"), "C:/x", "expected one below the data root"),
        (("clips", 0, "input", "path"), "a\\..\\b", "expected one below the data root"),
        (("clips", 0, "input", "path"), ".", "expected one below the data root"),
        (("clips", 0, "truth", 1, "path"), "a/../../b", r"truth\[1\].path: got the path"),
        (("clips", 0, "truth", 0, "kind"), "mask", 'kind: got "mask", expected one of'),
        (("clips", 0, "truth", 0, "format"), "tum", 'got "tum", expected one of davis, mots-png'),
        (("clips", 0, "truth", 0, "first_frame"), 1.5, "first_frame: got 1.5, expected integer"),
        (("clips", 0, "truth", 0, "frames"), 10**400, "expected at most 64 bits"),
        (("clips", 0, "static"), 1, r"clips\[0\].static: got 1, expected boolean"),
        (("clips", 0, "truth", 0, "exhaustive"), "yes", r'exhaustive: got "yes", expected boolean'),
        (("clips", 0, "truth", 1, "exhaustive"), True, "exhaustive: got it for poses, expected it for masks or boxes"),
        (("clips", 0, "truth", 0, "intrinsics"), {"fx": 5}, "intrinsics: has no 'fy', expected one"),
        (
            ("clips", 0, "truth", 1, "intrinsics"),
            {"fx": 5, "fy": 5, "cx": 4, "cy": 3},
            "intrinsics: got it for poses, expected it for depth alone",
        ),
        (("clips", 0, "truth", 2, "intrinsics", "fx"), 0, "intrinsics.fx: got 0, expected more than 0"),
        (("clips", 0, "truth", 2, "intrinsics", "skew"), 0, 'has "skew"'),
        (("clips", 0, "truth", 2, "depth_scale"), 0, "depth_scale: got 0, expected more than 0"),
        (("clips", 0, "truth", 4, "kind"), "masks", 'masks twice|got "openeqa"'),
        (("clips", 1, "truth", 0, "kind"), "poses", 'got "motchallenge", expected one of tum'),
    ],
)
def test_a_manifest_that_cannot_be_is_refused_in_one_line(root, where, value, message):
    changed = content(root)
    at(changed, *where[:-1])[where[-1]] = value
    with pytest.raises(InputError, match=message) as caught:
        load(root, changed)
    assert str(caught.value).startswith(str(root.parent / "manifest.json"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (("clips", 0, "licence"), "has no 'licence'"),
        (("clips", 0, "fps"), 'poses-c2w poses without "fps"'),
        (("clips", 1, "size"), 'boxes without "size"'),
        (("name",), "has no 'name'"),
    ],
)
def test_what_a_manifest_needs(root, where, message):
    changed = content(root)
    del at(changed, *where[:-1])[where[-1]]
    with pytest.raises(InputError, match=message):
        load(root, changed)


def test_masks_and_boxes_of_one_clip_are_refused(root):
    changed = content(root)
    changed["clips"][1]["truth"].append({"kind": "masks", "format": "davis", "path": "gt"})
    with pytest.raises(InputError, match="masks and boxes, expected masks alone"):
        load(root, changed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1"),
        ("{]", "line 1, column 2"),
        ('{"a": NaN}', "holds NaN"),
        ('{"a": 1, "a": 2}', 'two members "a"'),
        ("[" * 200_000, "nested too deeply"),
        ("1" * 5000, "expected at most 64 bits"),
        ("[]", "got an array of 0, expected object"),
    ],
)
def test_text_that_is_no_manifest(root, text, message):
    path = root.parent / "manifest.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        manifests.load_manifest(path, root)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there(root, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        manifests.load_manifest(tmp_path / "none.json", root)
    with pytest.raises(InputError, match="no such folder; expected the data root"):
        manifests.load_manifest(tmp_path / "manifest.json", tmp_path / "nowhere")
    manifest = load(root, content(root))
    (root / "boxes.txt").unlink()
    (problem,) = manifests.check_manifest(manifest, root)
    assert problem.clip == "boxes"
    assert str(problem).startswith(f"boxes: {root / 'boxes.txt'}: no such file or folder")
    with pytest.raises(InputError, match="no such file or folder"):
        manifests.read_clip_truth(manifest.clips[1], root)


def test_files_that_differ_are_told_with_both_sums(root):
    manifest = load(root, content(root))
    save(root / "gt" / "00001.png", np.zeros((6, 8), np.uint8))
    (problem,) = manifests.check_manifest(manifest, root)
    assert data_sha256(root / "gt") in problem.what
    assert manifest.clips[0].truth[0].sha256 in problem.what


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("clips", 0, "fps"), 10, "5 frames per second, expected 10"),
        (("clips", 0, "size"), [8, 6], "annotations of 8x6 pixels, expected 6x8"),
        (("clips", 0, "truth", 0, "format"), "mots-text", "is a folder"),
        (("clips", 0, "truth", 2, "intrinsics", "cx"), 9, "principal point outside the 8x6 images"),
        (("clips", 0, "truth", 0, "first_frame"), 3, "no file of the clip's frames"),
        (("clips", 1, "truth", 0, "classes"), ["x"], "no box in the clip's frames"),
    ],
)
def test_what_is_there_but_not_as_the_manifest_says(root, where, value, message):
    changed = content(root)
    at(changed, *where[:-1])[where[-1]] = value
    (problem,) = manifests.check_manifest(load(root, changed), root)
    assert message in problem.what
    assert "\n" not in problem.what


def test_masks_and_depth_of_different_size_are_refused(root):
    for k in range(3):
        save(root / "gt" / f"{k:05}.png", np.eye(5, 8, k, dtype=np.uint8))
    changed = content(root)
    with pytest.raises(InputError, match="annotations of 8x6 pixels, expected 8x5"):
        manifests.read_clip_truth(load(root, changed).clips[0], root)


@pytest.mark.parametrize("inside", [False, True])
def test_links_that_lead_out_of_the_root_are_refused(root, tmp_path, inside):
    outside = tmp_path / "secret.png"
    save(outside, np.zeros((6, 8), np.uint8))
    target = root / "gt" / "00000.png" if inside else outside
    (root / "gt" / "00007.png").symlink_to(target)
    changed = content(root)
    clip = load(root, changed).clips[0]
    if inside:
        assert len(manifests.read_clip_truth(clip, root).objects) == 4
        return
    with pytest.raises(InputError, match=r"00007\.png: a link that leads out of the data root"):
        manifests.read_clip_truth(clip, root)
    (root / "room" / "masks").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(InputError, match="masks: a link that leads out"):
        manifests.open_clip(clip, root, SamplingConfig())


def test_a_link_to_a_folder_below_the_root_has_no_sum(root):
    (root / "room" / "masks").symlink_to(root / "gt", target_is_directory=True)
    with pytest.raises(InputError, match="is a folder"):
        data_sha256(root / "room")


def test_sums_of_folders_are_those_of_a_shell(tmp_path):
    for name, text in (("b.txt", "1"), ("a/z.txt", "2"), ("a.txt", "3"), ("é", "4"), ("A", ""), ("a b", "5")):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert data_sha256(tmp_path / "folder" / "A") == hashlib.sha256().hexdigest()
    command = r"find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    told = subprocess.run(["bash", "-c", command], cwd=tmp_path / "folder", capture_output=True, text=True, check=True)
    assert told.stdout.split()[0] == data_sha256(tmp_path / "folder")


# ------------------------------------------------------------------------------------------------ as shipped


@pytest.mark.slow
def test_the_shipped_manifest_is_true_of_the_clips(clips):
    manifest = manifests.load_manifest(SHIPPED, clips)
    assert manifests.check_manifest(manifest, clips) == ()
    assert {clip.name for clip in manifest.clips if clip.static} == {"redkitchen_dev", "icl_livingroom5"}
    for clip in manifest.clips:
        assert all(each.sha256 for each in (*clip.truth, *([clip.input] if clip.input else [])))
    named = {path for clip in manifest.clips for path in files_of(clip)}
    for path in clips.rglob("*"):
        if path.suffix == ".mp4" or path.name in ("gt.txt", "tracks.json", "poses_c2w.txt"):
            assert path.relative_to(clips).as_posix() in named, path


def files_of(clip):
    yield from (each.path for each in clip.truth)
    if clip.input:
        yield clip.input.path


@pytest.mark.slow
def test_the_shipped_clips_hold_what_their_description_says(clips):
    by_name = {clip.name: clip for clip in manifests.load_manifest(SHIPPED, clips).clips}
    mots = manifests.read_clip_truth(by_name["mots20_05_dev"], clips)
    assert (len(mots.objects), mots.size) == (60, (480, 640))
    assert len({i for each in mots.objects for i in each.object_id.tolist()}) == 13
    kitti = manifests.read_clip_truth(by_name["kitti_tracking_0016"], clips)
    assert len(kitti.boxes) == len(kitti.objects) == 209
    assert len(manifests.read_clip_truth(by_name["tud_campus"], clips).objects) == 71
    assert len(manifests.read_clip_truth(by_name["trajectories/fr1_xyz"], clips).trajectory) == 3000
    for name, frames in (("blackswan", 50), ("car-shadow", 40), ("horsejump-high", 50), ("libby", 49)):
        clip = by_name[f"davis/{name}"]
        truth = manifests.read_clip_truth(clip, clips)
        source = manifests.open_clip(clip, clips, SamplingConfig())
        assert (len(truth.objects), truth.size, source.source_fps) == (frames, source.size, 24.0)


def test_a_change_of_the_manifest_changes_nothing_that_was_read(root):
    first = content(root)
    assert load(root, first) == load(root, copy.deepcopy(first))
