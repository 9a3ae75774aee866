"""The masks of a run that a stranger wrote: one error, whatever they are, and bounded memory."""

import os
import struct
import tracemalloc
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from fast_snow import output
from fast_snow.errors import InputError
from fast_snow.kernels.masks import decode
from fast_snow.limits import MASKS_UNPACKED

SOUND = {
    "frame_t": [0, 1, 3],
    "t": [0, 0, 3],
    "object_id": [4, 7, 4],
    "start": [0, 4, 8],
    "stop": [2, 6, 9],
    "offset": [0, 1, 2, 3],
    "shape": [4, 4],
}


def placed(folder, packed=True, **changes):
    """Write the masks of a run: those that are sound, with some arrays changed."""
    arrays = {name: np.array(each, np.int32) for name, each in SOUND.items()} | changes
    (folder / "masks").mkdir(exist_ok=True)
    path = folder / "masks" / "000000.npz"
    save = np.savez_compressed if packed else np.savez
    save(path, **{name: each for name, each in arrays.items() if each is not None})
    return path


def refusal(folder) -> str:
    with pytest.raises(InputError) as error:
        list(output.read_masks(folder))
    assert "\n" not in str(error.value)
    assert "run infer again" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("packed", [True, False])
def test_sound_masks_are_read(tmp_path, packed):
    placed(tmp_path, packed)
    found = list(output.read_masks(tmp_path))
    assert [(each.t, each.object_id.tolist(), int(decode(each.masks).sum())) for each in found] == [
        (0, [4, 7], 4),
        (1, [], 0),
        (3, [4], 1),
    ]


i4 = np.int32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t": np.array([0, 0, 3], np.int64)}, "t.npy is no whole row of 32-bit integers"),
        ({"start": np.array([0.0, 4, 8])}, "start.npy is no whole row"),
        ({"shape": np.array([4, 4], np.uint8)}, "shape.npy is no whole row"),
        ({"offset": np.array([[0, 1], [2, 3]], i4)}, "offset.npy is no whole row"),
        ({"frame_t": np.array(3, i4)}, "frame_t.npy is no whole row"),
        ({"t": np.array(["a"] * 3)}, "t.npy is no whole row"),
        ({"t": np.array([0, 0, 3], ">i4")}, "t.npy is no whole row"),
        ({"t": None}, "arrays of other names"),
        ({"more": np.zeros(1, i4)}, "arrays of other names"),
        ({"t": np.array([0, 3], i4)}, "2 times and 3 ids of 3 masks"),
        ({"object_id": np.array([4, 7, 4, 9], i4)}, "3 times and 4 ids"),
        ({"t": np.array([0, 3, 0], i4)}, "out of order"),
        ({"t": np.array([0, 0, 2], i4)}, "of no frame"),
        ({"frame_t": np.array([0, 0, 3], i4)}, "frames that repeat"),
        ({"frame_t": np.array([-1, 0, 3], i4)}, "frames that repeat or are out of order"),
        ({"object_id": np.array([4, 4, 4], i4)}, "come twice"),
        ({"object_id": np.array([4, -7, 4], i4)}, "no number"),
        ({"offset": np.array([0, 2, 1, 3], i4)}, "offsets that do not rise"),
        ({"offset": np.array([], i4)}, "offsets|ids of"),
        ({"stop": np.array([2, 6, 99], i4)}, "leaves the 4 x 4 grid"),
        ({"start": np.array([-1, 4, 8], i4)}, "leaves the 4 x 4 grid"),
        ({"shape": np.array([4], i4)}, "expected height and width"),
        ({"shape": np.array([-4, -4], i4)}, "expected height and width"),
        ({"shape": np.array([2**31 - 1] * 2, i4)}, "expected height and width of an image"),
    ],
)
def test_arrays_that_a_run_cannot_have_written(tmp_path, changes, message):
    placed(tmp_path, **changes)
    assert message.split("|")[0] in refusal(tmp_path) or message.split("|")[-1] in refusal(tmp_path)


def test_objects_are_never_unpickled(tmp_path):
    placed(tmp_path, t=np.array([{}, {}, {}], object))
    assert "t.npy is no whole row" in refusal(tmp_path)


def test_archives_that_grow_are_refused_before_they_are_unpacked(tmp_path):
    placed(tmp_path, start=np.zeros(MASKS_UNPACKED.largest // 4, i4))
    tracemalloc.start()
    assert "unpacked, expected at most" in refusal(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_a_member_that_holds_more_than_it_says_is_cut(tmp_path):
    path = placed(tmp_path)
    large = placed(tmp_path, start=np.zeros(10**7, i4)).read_bytes()
    claimed = large.replace(struct.pack("<I", 4 * 10**7 + 128), struct.pack("<I", 4 * 3 + 128))
    assert claimed != large
    path.write_bytes(claimed)
    tracemalloc.start()
    refusal(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**21


def rewritten(path, **options):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, each in content.items():
            archive.writestr(name, each)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_packings_are_refused(tmp_path, method):
    rewritten(placed(tmp_path), compression=method)
    assert "packed in a rare way" in refusal(tmp_path)


def test_encrypted_members_are_refused(tmp_path):
    path = placed(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    assert "encrypted" in refusal(tmp_path)


def test_a_directory_of_thousands_of_members_is_not_read(tmp_path):
    path = placed(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        for i in range(1000):
            archive.writestr(f"{i}.npy", b"")
    assert "no .npz archive of a few arrays" in refusal(tmp_path)


def test_frames_go_on_from_file_to_file(tmp_path):
    first = placed(tmp_path)
    first.with_name("000001.npz").write_bytes(first.read_bytes())
    assert "000001.npz: damaged: frames that repeat" in refusal(tmp_path)


def test_mutated_archives_end_in_one_error(tmp_path):
    path = placed(tmp_path)
    sound, rng = path.read_bytes(), np.random.default_rng(0)
    for case in range(300):
        data = bytearray(sound)
        for _ in range(rng.integers(1, 5)):
            data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data if case % 3 else data[: rng.integers(len(data))])
        with suppress(InputError):
            list(output.read_masks(tmp_path))


@pytest.mark.skipif(os.name != "posix", reason="links and FIFOs of POSIX")
def test_nothing_outside_the_run_is_opened_and_nothing_waits(tmp_path):
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    outside.mkdir()
    path = placed(outside)
    (run / "masks").symlink_to(path.parent)
    with pytest.raises(InputError, match="leads out of"):
        list(output.read_masks(run))
    (run / "masks").unlink()
    (run / "masks").mkdir()
    (run / "masks" / "000000.npz").symlink_to(path)
    assert "leads out of" in refusal(run)
    (run / "masks" / "000000.npz").unlink()
    os.mkfifo(run / "masks" / "000000.npz")
    assert "is a FIFO" in refusal(run)
    for name in ("run.json",):
        os.mkfifo(run / name)
        with pytest.raises(InputError, match="is a FIFO"):
            output.read_record(run)
