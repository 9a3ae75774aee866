"""Boxes in the formats of MOTChallenge and KITTI."""

import json

import numpy as np
import pytest

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import TruthKind, TruthSource
from fast_snow.evaluation.readers import kitti
from fast_snow.evaluation.readers.motchallenge import read_boxes, read_results
from fast_snow.kernels.masks import decode


def source(**more):
    return TruthSource(**({"kind": TruthKind.BOXES, "format": "", "path": ""} | more))


def write(path, text):
    path.write_text(text)
    return path


# ------------------------------------------------------------------------------------------------ MOTChallenge

GROUND_TRUTH = """\
1,7,1,1,10,20,1,1,1.0
3,7,11.5,21,10,20,1,1,0.5
3,2,1,1,5,5,0,1,1
3,4,1,1,5,5,1,8,1
"""


def test_motchallenge_counts_frames_and_pixels_from_1(tmp_path):
    found = read_boxes(write(tmp_path / "gt.txt", GROUND_TRUTH), source())
    assert [(each.frame, each.object_id.tolist()) for each in found] == [(0, [7]), (1, []), (2, [4, 7])]
    assert found[0].box_xyxy.tolist() == [[0, 0, 10, 20]]
    assert found[2].box_xyxy[1].tolist() == [10.5, 20, 20.5, 40]
    assert found[1].box_xyxy.shape == (0, 4)
    assert found[0].masks is None


def test_motchallenge_filters(tmp_path):
    path = write(tmp_path / "gt.txt", GROUND_TRUTH)
    assert [each.object_id.tolist() for each in read_boxes(path, source(classes=("1",)))] == [[7], [], [7]]
    assert [len(each) for each in read_boxes(path, source(frames=5))] == [1, 0, 2, 0, 0]
    assert [len(each) for each in read_boxes(path, source(first_frame=3))] == [2]
    assert [len(each) for each in read_boxes(path, source(frames=1))] == [1]
    assert [each.object_id.tolist() for each in read_results(path, source())][2] == [2, 4, 7]
    assert [each.object_id.tolist() for each in read_results(path, source(), min_confidence=0.5)][2] == [4, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no box in the clip's frames"),
        ("1,1,1,1,10,20\n", "line 1: got 6 words, expected at least 7"),
        ("1,1,1,1,10,20,1\n1,1,1,1,10,20,1\n", "line 2: id 1 comes a second time"),
        ("1,1,1,1,-10,20,1\n", "line 1: a box of -10 by 20"),
        ("1,1,nan,1,10,20,1\n", "line 1: box is 'nan'"),
        ("1,1,1e999,1,10,20,1\n", "line 1: box is '1e999'"),
        ("x,1,1,1,10,20,1\n", "line 1: frame is 'x'"),
        ("1,1,1,1,10,20,1,-1,-1,-1\n", "line 1: 10 columns tell no class"),
    ],
)
def test_motchallenge_text_that_cannot_be_is_refused_by_line(tmp_path, text, message):
    path = write(tmp_path / "gt.txt", text)
    with pytest.raises(InputError, match=message):
        read_boxes(path, source(classes=("1",) if "10 columns" in message else ()))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "gt.txt").write_bytes(b"1,1\xff")
    with pytest.raises(InputError, match="byte 3 is not UTF-8"):
        read_boxes(tmp_path / "gt.txt", source())


def test_real_boxes_are_all_read(clips):
    for name, read in (("gt.txt", read_boxes), ("test.txt", read_results)):
        lines = [line.split(",") for line in (clips / "tud_campus" / name).read_text().splitlines()]
        found = read(clips / "tud_campus" / name, source(frames=71))
        assert len(found) == 71
        assert sum(map(len, found)) == len(lines)
        frame, object_id, left, top, width, height = map(float, lines[-1][:6])
        last = found[int(frame) - 1]
        (box,) = last.box_xyxy[last.object_id == int(object_id)]
        assert box == pytest.approx([left - 1, top - 1, left - 1 + width, top - 1 + height], abs=1e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_real_boxes_equal_those_of_py_motmetrics(clips):
    motmetrics = pytest.importorskip("motmetrics")
    table = motmetrics.io.loadtxt(str(clips / "tud_campus" / "gt.txt"), fmt="mot15-2D").sort_index()
    for each in read_boxes(clips / "tud_campus" / "gt.txt", source()):
        theirs = table.loc[each.frame + 1]
        assert each.object_id.tolist() == theirs.index.tolist()
        corners = theirs[["X", "Y", "Width", "Height"]].to_numpy(float)
        corners[:, 2:] += corners[:, :2]
        assert each.box_xyxy == pytest.approx(corners, abs=1e-3)


# ------------------------------------------------------------------------------------------------ KITTI

LABELS = """\
0 -1 DontCare -1 -1 -10 2.5 1 5 3 -1000 -1000 -1000 -10 -1 -1 -1
0 -1 DontCare -1 -1 -10 0 0 1 1 -1000 -1000 -1000 -10 -1 -1 -1
0 3 Car 0 0 1.5 10 20 30 60 2 1.6 4 1 1.5 20 0.25
2 5 Pedestrian 0 0 1.5 1 2 3 6 1.8 0.5 0.6 -1 1.5 9 -1.5 0.9
2 3 Car 0 0 1.5 11 20 31 60 2 1.6 4 1 1.5 19 0.25
"""


def test_kitti_boxes_in_the_image_and_what_is_ignored(tmp_path):
    labels = kitti.read_kitti_text(write(tmp_path / "0000.txt", LABELS), source())
    found = kitti.objects_of(labels, (6, 8))
    assert [(each.frame, each.object_id.tolist()) for each in found] == [(0, [3]), (1, []), (2, [3, 5])]
    assert found[0].box_xyxy.tolist() == [[10, 20, 30, 60]]
    assert found[1].ignore is None
    expected = np.zeros((6, 8), bool)
    expected[1:3, 3:5] = expected[0, 0] = True
    assert np.array_equal(decode(found[0].ignore)[0], expected)


def test_kitti_boxes_in_space_are_placed_by_their_middle(tmp_path):
    path = write(tmp_path / "0000.txt", LABELS)
    found = kitti.boxes_of(kitti.read_kitti_text(path, source()))
    assert [each.object_id.tolist() for each in found] == [[3], [], [3, 5]]
    assert found[0].centre.tolist() == [[1, 0.5, 20]]
    assert found[0].size.tolist() == [[4, 2, 1.6]]
    assert found[0].yaw.tolist() == [0.25]
    shifted = kitti.boxes_of(kitti.read_kitti_text(path, source(camera_offset_m=(0.5, 0.0, -1.0))))
    assert shifted[0].centre.tolist() == [[1.5, 0.5, 19]]
    only = kitti.boxes_of(kitti.read_kitti_text(path, source(classes=("Pedestrian",), frames=4)))
    assert [each.object_id.tolist() for each in only] == [[], [], [5], []]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 3 Car 0 0 1.5 10 20 30 60 2 1.6 4 1 1.5 20\n", "line 1: got 16 words, expected at least 17"),
        (LABELS + LABELS.splitlines()[2], "line 6: id 3 comes a second time"),
        ("0 3 Car 0 0 1.5 30 20 10 60 2 1.6 4 1 1.5 20 0\n", "line 1: a box from 30, 20 to 10, 60"),
        ("0 3 Car 0 0 1.5 10 20 30 60 2 1.6 4 1 inf 20 0\n", "line 1: box in space is 'inf'"),
        ("0 3 Van 0 0 1.5 10 20 30 60 2 1.6 4 1 1.5 20 0\n", "no object of the clip's frames and classes"),
    ],
)
def test_kitti_text_that_cannot_be_is_refused_by_line(tmp_path, text, message):
    path = write(tmp_path / "0000.txt", text)
    with pytest.raises(InputError, match=message):
        kitti.objects_of(kitti.read_kitti_text(path, source(classes=("Car",))), (100, 100))


def as_text(content):
    """Return tracks as the benchmark's text: positions at the bottom and of the reference camera."""
    for name, track in content["tracks"].items():
        for each in track["obs"]:
            (x, y, z), (length, width, height) = each["centre_cam"], each["size_lwh"]
            middle = (0, 0, 0, *each["box2d"], height, width, length, x, y + height / 2, z, each["yaw"])
            yield each["frame"], name, track["category"], *middle


def test_real_tracks_equal_the_same_as_text(clips, tmp_path):
    file = clips / "kitti_tracking_0016" / "tracks.json"
    content = json.loads(file.read_text())
    rows = sorted(as_text(content), key=lambda row: (row[0], int(row[1])))
    path = write(tmp_path / "0016.txt", "\n".join(" ".join(map(str, row)) for row in rows))
    tracks = kitti.read_kitti_tracks(file, source(frames=209))
    text = kitti.read_kitti_text(path, source(frames=209, camera_offset_m=tuple(content["p2_offset_m"])))
    assert len(tracks) == len(text) == content["frames"]
    boxes = kitti.boxes_of(tracks)
    for ours, theirs in zip(boxes, kitti.boxes_of(text), strict=True):
        assert np.array_equal(ours.object_id, theirs.object_id)
        assert ours.centre == pytest.approx(theirs.centre, abs=1e-9)
        assert np.array_equal(ours.size, theirs.size)
    assert len({i for each in boxes for i in each.object_id.tolist()}) == 28
    for ours, theirs in zip(kitti.objects_of(tracks, (370, 1224)), kitti.objects_of(text, (370, 1224)), strict=True):
        assert np.array_equal(ours.box_xyxy, theirs.box_xyxy)


def test_real_boxes_in_space_project_onto_those_in_the_image(clips):
    """The clips' description names a mean IoU of 0.767, which is that without the offset between the cameras."""
    file = clips / "kitti_tracking_0016" / "tracks.json"
    content = json.loads(file.read_text())
    back = tuple(-number for number in content["p2_offset_m"])
    assert mean_overlap(content["intrinsics"], kitti.read_kitti_tracks(file, source())) == pytest.approx(
        0.777, abs=1e-3
    )
    unmoved = kitti.read_kitti_tracks(file, source(camera_offset_m=back))
    assert mean_overlap(content["intrinsics"], unmoved) == pytest.approx(0.767, abs=1e-3)


def mean_overlap(camera, labels):
    overlaps = []
    for boxes, objects in zip(kitti.boxes_of(labels), kitti.objects_of(labels, (370, 1224)), strict=True):
        for centre, size, yaw, box in zip(boxes.centre, boxes.size, boxes.yaw, objects.box_xyxy, strict=True):
            corners = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3), axis=-1).reshape(8, 3) * size
            turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
            x, y, z = (corners @ turn.T + centre).T
            u, v = camera["fx"] * x / z + camera["cx"], camera["fy"] * y / z + camera["cy"]
            seen = np.clip([u.min(), v.min(), u.max(), v.max()], 0, [1224, 370, 1224, 370])
            overlaps.append(iou(seen, box))
    return np.mean(overlaps)


def iou(a, b):
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("tracks"), "has no 'tracks'"),
        (lambda c: c.update(p2_offset_m=[0, 0]), "p2_offset_m: got an array of 2, expected 3 entries"),
        (lambda c: c["tracks"].update(x={}), "tracks.x: got .*expected a track's number"),
        (lambda c: c["tracks"]["1"]["obs"][0].pop("yaw"), r"tracks\.1\.obs\[0\]: has no 'yaw'"),
        (lambda c: c["tracks"]["1"]["obs"][0].update(frame="0"), 'frame: got "0", expected integer'),
        (
            lambda c: c["tracks"]["1"]["obs"][0].update(size_lwh=[1, 0, 1]),
            "a size of 1 x 1 x 0 m|a size of 1 x 0 x 1 m",
        ),
        (lambda c: c["tracks"]["1"]["obs"][0].update(centre_cam=[1, None, 1]), r"centre_cam\[1\]: got null"),
        (lambda c: c["tracks"]["1"]["obs"][0].update(centre_cam=[1, 10**400, 1]), "holds the integer 10"),
        (lambda c: c["tracks"]["1"]["obs"].append(c["tracks"]["1"]["obs"][0]), "id 1 comes a second time"),
    ],
)
def test_tracks_that_cannot_be_are_refused_by_place(tmp_path, change, message):
    entry = {"frame": 0, "box2d": [1, 1, 2, 2], "centre_cam": [0, 0, 5], "size_lwh": [1, 1, 1], "yaw": 0}
    content = {"p2_offset_m": [0, 0, 0], "tracks": {"1": {"category": "Car", "obs": [entry]}}}
    change(content)
    path = write(tmp_path / "tracks.json", json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        kitti.read_kitti_tracks(path, source())
    assert str(caught.value).startswith(str(path))
