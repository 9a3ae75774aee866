"""Masks in the formats of DAVIS, MOTS and YouTube-VIS."""

import json
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import TruthKind, TruthSource
from fast_snow.evaluation.readers.frame_images import read_davis, read_mots_png
from fast_snow.evaluation.readers.motchallenge import read_mots_text
from fast_snow.evaluation.readers.objects import from_coco
from fast_snow.evaluation.readers.youtube_vis import read_youtube_vis
from fast_snow.kernels.masks import decode, encode, validate
from tests.evaluation.coco import to_coco

RING = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0]], bool)
RING_COUNTS = [1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1]
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12))


def source(**more):
    return TruthSource(**({"kind": TruthKind.MASKS, "format": "", "path": ""} | more))


def write_png(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), ids)


def write_palette_png(path, ids, bits=8):
    """Write an image of palette indices; OpenCV itself cannot."""
    height, width = ids.shape
    padded = np.pad(ids, ((0, 0), (0, -width % (8 // bits)))).reshape(height, -1, 8 // bits)
    shifts = np.arange(8 - bits, -1, -bits)
    packed = (padded.astype(np.int64) << shifts).sum(axis=2).astype(np.uint8)
    lines = b"".join(b"\0" + line.tobytes() for line in packed)
    colours = np.random.default_rng(0).integers(0, 256, (2**bits, 3), dtype=np.uint8).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    )


# ------------------------------------------------------------------------------------------------ COCO's run lengths


def test_run_lengths_go_down_the_columns():
    mask = from_coco(RING_COUNTS, (3, 4), where="gt.txt")
    assert np.array_equal(decode(mask)[0], RING)
    assert np.array_equal(decode(from_coco([0, 3, 9], (3, 4), where="gt.txt"))[0, :, 0], [True] * 3)
    assert not np.array_equal(decode(from_coco([0, 3, 9], (3, 4), where="gt.txt"))[0, 0], [True] * 4)


@given(SHAPES.flatmap(lambda shape: arrays(bool, shape)))
def test_run_lengths_round_trip(dense):
    shape = dense.shape[1:]
    for mask, text in zip(dense, to_coco(encode(dense)), strict=True):
        found = from_coco(text, shape, where="gt.txt")
        validate(found)
        assert np.array_equal(decode(found)[0], mask)


@given(SHAPES.flatmap(lambda shape: arrays(bool, shape)))
def test_run_lengths_equal_pycocotools(dense):
    theirs = pytest.importorskip("pycocotools.mask")
    expected = theirs.encode(np.asfortranarray(dense.transpose(1, 2, 0).astype(np.uint8)))
    assert to_coco(encode(dense)) == tuple(each["counts"].decode() for each in expected)


def test_run_lengths_of_a_large_mask_equal_pycocotools():
    theirs = pytest.importorskip("pycocotools.mask")
    yy, xx = np.mgrid[:700, :1100]
    dense = ((xx - 500) ** 2 + 2 * (yy - 300) ** 2 < 80_000) & ((xx + yy) % 37 > 3)
    expected = theirs.encode(np.asfortranarray(dense.astype(np.uint8)))["counts"].decode()
    assert to_coco(encode(dense[None])) == (expected,)
    assert np.array_equal(decode(from_coco(expected, dense.shape, where="gt.txt"))[0], dense)


@pytest.mark.parametrize(
    ("counts", "shape", "message"),
    [
        ("04", (3, 4), "4 pixels in all, expected 12"),
        ([5, 8], (3, 4), "13 pixels in all, expected 12"),
        ([-1, 13], (3, 4), "other values than integers"),
        ([True, 11], (3, 4), "other values than integers"),
        ("P", (3, 4), "expected COCO's compressed ones"),  # says that more follows, and ends
        ("PPPPPPPPP0", (3, 4), "expected COCO's compressed ones"),
        ("0 4", (3, 4), "expected COCO's compressed ones"),
        ("ü", (3, 4), "beyond ASCII"),
        ("", (3, 4), "expected COCO's compressed ones"),
        ([12], (0, 4), "expected 1 to"),
        ([12], (10**6, 10**6), "expected 1 to"),
    ],
)
def test_run_lengths_that_are_none_are_refused(counts, shape, message):
    with pytest.raises(InputError, match=message):
        from_coco(counts, shape, where="gt.txt")


# ------------------------------------------------------------------------------------------------ id maps


def test_davis_binary_is_one_object_and_an_empty_frame_has_none(tmp_path):
    write_png(tmp_path / "00000.png", np.array([[0, 255], [255, 255]], np.uint8))
    write_png(tmp_path / "00001.png", np.zeros((2, 2), np.uint8))
    first, second = read_davis(tmp_path, source())
    assert first.object_id.tolist() == [1]
    assert first.ignore is None
    assert first.box_xyxy.tolist() == [[0, 0, 2, 2]]
    assert decode(first.masks)[0].tolist() == [[False, True], [True, True]]
    assert (second.frame, len(second), second.masks.shape) == (1, 0, (2, 2))


def test_davis_ids_make_255_ignored_even_in_frames_that_have_nothing_else(tmp_path):
    write_png(tmp_path / "00000.png", np.array([[0, 255], [255, 255]], np.uint8))
    write_png(tmp_path / "00001.png", np.array([[0, 3], [1, 255]], np.uint8))
    first, second = read_davis(tmp_path, source())
    assert len(first) == 0
    assert decode(first.ignore)[0].tolist() == [[False, True], [True, True]]
    assert second.object_id.tolist() == [1, 3]
    assert decode(second.ignore)[0].tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_indices_are_ids_whatever_their_colours(tmp_path, bits):
    ids = np.arange(35, dtype=np.uint8).reshape(5, 7) % min(2**bits, 5)
    write_palette_png(tmp_path / "00000.png", ids, bits)
    (frame,) = read_davis(tmp_path, source())
    assert frame.object_id.tolist() == list(range(1, min(2**bits, 5)))
    assert np.array_equal(decode(frame.masks), ids == frame.object_id[:, None, None])


def test_palette_indices_equal_pillows(tmp_path):
    ids = np.random.default_rng(0).integers(0, 12, (30, 41), dtype=np.uint8)
    image = PIL.Image.frombytes("P", (41, 30), ids.tobytes())
    image.putpalette(list(range(36)))
    image.save(tmp_path / "00000.png")
    (frame,) = read_davis(tmp_path, source())
    assert np.array_equal(decode(frame.masks), ids == frame.object_id[:, None, None])
    assert frame.object_id.tolist() == list(range(1, 12))


def test_one_bit_is_one_object(tmp_path):
    dense = np.array([[0, 1, 1], [1, 0, 0]], bool)
    PIL.Image.fromarray(dense).save(tmp_path / "00000.png")
    (frame,) = read_davis(tmp_path, source())
    assert frame.object_id.tolist() == [1]
    assert np.array_equal(decode(frame.masks)[0], dense)


def test_id_maps_of_other_numbers_are_refused(tmp_path):
    PIL.Image.fromarray(np.zeros((2, 3), np.float32)).save(tmp_path / "0.tiff")
    (tmp_path / "0.tiff").rename(tmp_path / "0.png")
    with pytest.raises(InputError, match="one channel of float32, expected object numbers"):
        read_mots_png(tmp_path, source())


def test_mots_png_of_16_bits_has_classes_and_of_8_bits_has_not(tmp_path):
    write_png(tmp_path / "a" / "000001.png", np.array([[1001, 2001, 0], [10_000, 2002, 2002]], np.uint16))
    (frame,) = read_mots_png(tmp_path / "a", source(first_frame=1))
    assert (frame.frame, frame.object_id.tolist()) == (0, [1001, 2001, 2002])
    assert decode(frame.ignore)[0].tolist() == [[False] * 3, [True, False, False]]
    (frame,) = read_mots_png(tmp_path / "a", source(first_frame=1, classes=("2",)))
    assert frame.object_id.tolist() == [2001, 2002]
    assert frame.ignore is not None
    write_png(tmp_path / "b" / "0.png", np.array([[1, 2, 255]], np.uint8))
    (frame,) = read_mots_png(tmp_path / "b", source())
    assert (frame.object_id.tolist(), decode(frame.ignore)[0].tolist()) == ([1, 2], [[False, False, True]])
    with pytest.raises(InputError, match="8 bits tell no classes"):
        read_mots_png(tmp_path / "b", source(classes=("2",)))


def test_id_maps_follow_the_numbers_in_their_names(tmp_path):
    for number in (8, 10, 12):
        write_png(tmp_path / f"frame{number:03}.png", np.array([[0, number]], np.uint8))
    found = read_mots_png(tmp_path, source(first_frame=10))
    assert [(each.frame, each.object_id.tolist()) for each in found] == [(0, [10]), (2, [12])]
    assert [each.frame for each in read_mots_png(tmp_path, source(first_frame=8, frames=3))] == [0, 2]


def test_id_maps_that_cannot_be_are_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        read_davis(tmp_path / "none", source())
    with pytest.raises(InputError, match="no file of the clip's frames"):
        read_davis(tmp_path, source())
    write_png(tmp_path / "size" / "0.png", np.zeros((2, 3), np.uint8))
    write_png(tmp_path / "size" / "1.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(InputError, match=r"1\.png: 3x3 pixels, expected 3x2"):
        read_davis(tmp_path / "size", source())
    write_png(tmp_path / "colour" / "0.png", np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(InputError, match=r"3 channels \(RGB\); expected one"):
        read_davis(tmp_path / "colour", source())
    write_png(tmp_path / "twice" / "1.png", np.zeros((2, 3), np.uint8))
    write_png(tmp_path / "twice" / "01.png", np.zeros((2, 3), np.uint8))
    with pytest.raises(InputError, match="the same frame number as 01"):
        read_davis(tmp_path / "twice", source())
    write_png(tmp_path / "unnumbered" / "mask.png", np.zeros((2, 3), np.uint8))
    with pytest.raises(InputError, match="no frame number"):
        read_davis(tmp_path / "unnumbered", source())


@pytest.mark.parametrize("keep", [0, 7, 20, 40, -40])
def test_damaged_png_files_are_refused(tmp_path, keep):
    write_png(tmp_path / "0.png", np.random.default_rng(0).integers(0, 9, (20, 30), dtype=np.uint8))
    path = tmp_path / "0.png"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"0\.png: (cannot be read as an image|damaged)"):
        read_davis(tmp_path, source())


def test_a_flipped_bit_of_a_png_file_is_noticed(tmp_path):
    path = tmp_path / "0.png"
    write_png(path, np.random.default_rng(0).integers(0, 9, (20, 30), dtype=np.uint8))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read_davis(tmp_path, source())


# ------------------------------------------------------------------------------------------------ MOTS text


def mots_line(frame, object_id, dense, category=2):
    (runs,) = to_coco(encode(dense[None]))
    return f"{frame} {object_id} {category} {dense.shape[0]} {dense.shape[1]} {runs}\n"


def test_mots_text_counts_from_1_and_keeps_empty_frames(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text(
        mots_line(1, 2005, RING)
        + mots_line(3, 2004, ~RING)
        + mots_line(3, 1001, RING, 1)
        + mots_line(3, 10000, RING, 10)
    )
    found = read_mots_text(path, source())
    assert [(each.frame, each.object_id.tolist()) for each in found] == [(0, [2005]), (1, []), (2, [1001, 2004])]
    assert np.array_equal(decode(found[2].masks), [RING, ~RING])
    assert np.array_equal(decode(found[2].ignore)[0], RING)
    assert found[0].ignore is None
    assert found[1].masks.shape == RING.shape
    only = read_mots_text(path, source(classes=("2",), frames=5))
    assert [each.object_id.tolist() for each in only] == [[2005], [], [2004], [], []]
    assert only[2].ignore is not None
    kitti = read_mots_text(path, source(first_frame=0))
    assert [len(each) for each in kitti] == [0, 1, 0, 2]
    assert [each.object_id.tolist() for each in read_mots_text(path, source(first_frame=3))] == [[1001, 2004]]


def test_an_empty_mask_is_no_object(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text(mots_line(1, 1, RING) + mots_line(1, 2, np.zeros_like(RING)))
    assert read_mots_text(path, source())[0].object_id.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (mots_line(1, 1, RING) * 2, "line 2: id 1 comes a second time"),
        (mots_line(1, 1, RING) + mots_line(2, 1, RING.T), r"line 2: a mask of \(4, 3\), expected \(3, 4\)"),
        ("1 1 2 3 4\n", "line 1: got 5 words, expected at least 6"),
        ("1 1 2 3 x 04\n", "line 1: width is 'x', expected a finite number"),
        ("1.5 1 2 3 4 04\n", "line 1: frame is '1.5', expected a whole number"),
        ("1 1 2 3 4 04\n", "line 1: run lengths of 4 pixels"),
        (mots_line(10**9, 1, RING), "1000000000 frames, expected at most 36000"),
        ("1 1 2 100000 100000 04", "expected 1 to"),
        ("# nothing\n\n", "no object in the clip's frames"),
        (mots_line(0, 1, RING), "no object in the clip's frames"),
    ],
)
def test_mots_text_that_cannot_be_is_refused_by_line(tmp_path, text, message):
    path = tmp_path / "gt.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_mots_text(path, source())
    with pytest.raises(InputError, match="cannot be read"):
        read_mots_text(tmp_path / "none.txt", source())


def test_mots_text_equals_the_id_maps_it_was_written_from(clips, tmp_path):
    maps = read_mots_png(clips / "mots20_05_dev" / "gt", source())[:8]
    lines = ""
    for each in maps:
        for object_id, dense in zip(each.object_id, decode(each.masks), strict=True):
            lines += mots_line(each.frame + 1, object_id, dense)
        if each.ignore is not None:
            lines += mots_line(each.frame + 1, 10_000, decode(each.ignore)[0], 10)
    (tmp_path / "gt.txt").write_text(lines)
    for ours, theirs in zip(read_mots_text(tmp_path / "gt.txt", source()), maps, strict=True):
        assert np.array_equal(ours.object_id, theirs.object_id)
        assert np.array_equal(ours.box_xyxy, theirs.box_xyxy)
        assert np.array_equal(ours.masks.start, theirs.masks.start)
        assert np.array_equal(ours.masks.stop, theirs.masks.stop)
        assert (ours.ignore is None) == (theirs.ignore is None)


def test_real_id_maps_are_as_their_index_says(clips):
    index = json.loads((clips / "mots20_05_dev" / "objects.json").read_text())
    found = read_mots_png(clips / "mots20_05_dev" / "gt", source())
    assert len(found) == index["frames"]
    for object_id, about in index["objects"].items():
        frames = [each.frame for each in found if int(object_id) in each.object_id]
        assert (len(frames), frames[0], frames[-1]) == (about["frames"], about["first"], about["last"])
    about = json.loads((clips / "davis" / "index.json").read_text())["libby"]
    libby = read_davis(clips / "davis" / "libby" / "gt", source())
    share = np.mean([(each.masks.stop - each.masks.start).sum() / (480 * 854) for each in libby])
    assert len(libby) == about["frames"]
    assert share == pytest.approx(about["gt_area_fraction_mean"], abs=1e-4)


# ------------------------------------------------------------------------------------------------ YouTube-VIS


def video_json(**more):
    runs = to_coco(encode(np.stack([RING, ~RING])))
    return {
        "videos": [{"id": 7, "width": 4, "height": 3, "length": 3}, {"id": 8, "width": 1, "height": 1, "length": 1}],
        "annotations": [
            {
                "id": 20,
                "video_id": 7,
                "category_id": 1,
                "iscrowd": 0,
                "segmentations": [{"size": [3, 4], "counts": runs[0]}, None, {"size": [3, 4], "counts": RING_COUNTS}],
            },
            {
                "id": 10,
                "video_id": 7,
                "category_id": 2,
                "segmentations": [{"size": [3, 4], "counts": runs[1]}, None, None],
            },
            {
                "id": 30,
                "video_id": 7,
                "category_id": 2,
                "iscrowd": 1,
                "segmentations": [None, None, {"size": [3, 4], "counts": runs[1]}],
            },
            {"id": 40, "video_id": 8, "category_id": 1, "segmentations": [None]},
        ],
    } | more


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


def test_youtube_vis_masks_of_one_video(tmp_path):
    path = write_json(tmp_path / "videos.json", video_json())
    found = read_youtube_vis(path, source(video=7))
    assert [(each.frame, each.object_id.tolist()) for each in found] == [(0, [10, 20]), (1, []), (2, [20])]
    assert np.array_equal(decode(found[0].masks), [~RING, RING])
    assert np.array_equal(decode(found[2].ignore)[0], ~RING)
    assert [len(each) for each in read_youtube_vis(path, source(video=7, classes=("1",)))] == [1, 0, 1]
    assert [each.object_id.tolist() for each in read_youtube_vis(path, source(video=7, first_frame=2))] == [[20]]


def damaged(change):
    content = video_json()
    change(content)
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "got an array of 0, expected object"),
        ({}, "has no 'videos'"),
        (video_json(videos=[]), "holds videos an array of 0, not one of id 7"),
        (video_json(annotations={}), "annotations: got an object of 0, expected array"),
        (damaged(lambda c: c["annotations"][0].pop("id")), r"annotations\[0\]: has no 'id'"),
        (damaged(lambda c: c["annotations"][1].update(id=20)), "id 20 comes a second time"),
        (damaged(lambda c: c["annotations"][0]["segmentations"].pop()), "got 2 entries, expected 3, one per frame"),
        (damaged(lambda c: c["annotations"][0].update(segmentations=[[[0, 1, 2]], None, None])), "got polygons"),
        (
            damaged(lambda c: c["annotations"][0]["segmentations"][0].update(size=[4, 3])),
            r"segmentations\[0\]\.size: got \[4, 3\], expected \[3, 4\]",
        ),
        (
            damaged(lambda c: c["annotations"][0]["segmentations"][0].update(counts="04")),
            r"segmentations\[0\]\.counts: run lengths of 4 pixels",
        ),
        (video_json(videos=[{"id": 7, "width": 4, "height": 3, "length": 10**12}], annotations=[]), "at most 36000"),
        (damaged(lambda c: c["videos"][0].update(width=-4)), "width: got -4, expected at least 1"),
    ],
)
def test_youtube_vis_json_that_cannot_be_is_refused_by_place(tmp_path, content, message):
    path = write_json(tmp_path / "videos.json", content)
    with pytest.raises(InputError, match=message) as caught:
        read_youtube_vis(path, source(video=7))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
