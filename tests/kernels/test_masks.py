import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.errors import InputError
from fast_snow.kernels import masks, threads
from fast_snow.types import Masks
from tests.kernels.drawing import dense_masks, random_masks
from tests.reference import masks as reference


def same(a: Masks, b: Masks) -> bool:
    arrays = ("start", "stop", "offset")
    return a.shape == b.shape and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)


@settings(deadline=None)
@given(dense_masks())
def test_decoding_undoes_encoding(dense):
    encoded = masks.encode(dense)
    masks.validate(encoded)
    np.testing.assert_array_equal(masks.decode(encoded), dense)


@pytest.mark.parametrize("shape", [(0, 4, 4), (1, 1, 1), (3, 5, 8), (4, 7, 13), (5, 3, 257), (2, 0, 4), (2, 4, 0)])
def test_runs_equal_the_reference(shape):
    dense = random_masks(1, *shape)
    encoded = masks.encode(dense)
    for ours, theirs in zip((encoded.start, encoded.stop, encoded.offset), reference.runs(dense), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_full_rows_stay_apart():
    encoded = masks.encode(np.ones((1, 3, 200), np.bool_))
    np.testing.assert_array_equal(encoded.start, [0, 200, 400])
    np.testing.assert_array_equal(encoded.stop, [200, 400, 600])


def test_more_runs_than_the_first_buffers_hold():
    dense = np.zeros((2, 70, 150), np.bool_)
    dense[:, :, ::2] = True
    np.testing.assert_array_equal(masks.decode(masks.encode(dense)), dense)


def test_any_byte_but_zero_is_inside():
    dense = np.array([[[0, 255, 1, 2, 0, 0, 255, 255, 255, 0]]], np.uint8)
    np.testing.assert_array_equal(masks.decode(masks.encode(dense.view(np.bool_)))[0, 0], dense[0, 0] != 0)


def test_slices_that_are_not_aligned_or_not_contiguous():
    dense = random_masks(2, 6, 7, 9)
    for part in (dense[1:], dense[:, :, ::2], dense.transpose(0, 2, 1)):
        np.testing.assert_array_equal(masks.decode(masks.encode(part)), part)


def test_the_number_of_threads_does_not_matter(monkeypatch):
    dense = random_masks(3, 11, 9, 31)
    expected = masks.encode(dense)
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1)
    for count in (1, 2, 5):
        threads.limit(count)
        assert same(masks.encode(dense), expected)
    threads.limit(0)


@settings(deadline=None)
@given(dense_masks(), st.data())
def test_selecting_is_indexing(dense, data):
    encoded = masks.encode(dense)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(dense), max_size=len(dense))), np.bool_)
    order = np.array(data.draw(st.permutations(range(len(dense)))), np.int64)
    for index in (keep, order, np.flatnonzero(keep), order.astype(np.int32)):
        picked = encoded[index]
        masks.validate(picked)
        np.testing.assert_array_equal(masks.decode(picked), dense[index])


@settings(deadline=None)
@given(dense_masks())
def test_concatenating_parts_gives_the_whole(dense):
    encoded = masks.encode(dense)
    parts = [encoded[np.array([index])] for index in range(len(dense))]
    assert same(Masks.concatenate(parts, encoded.shape), encoded)
    assert same(Masks.concatenate([Masks.empty(encoded.shape), encoded], encoded.shape), encoded)


def test_no_masks():
    assert len(Masks.empty((3, 4))) == 0
    assert same(Masks.concatenate([], (3, 4)), Masks.empty((3, 4)))
    assert masks.decode(Masks.empty((3, 4))).shape == (0, 3, 4)


def test_parts_on_another_grid_are_refused():
    with pytest.raises(InputError, match=r"got a grid of \(3, 4\), expected \(3, 5\)"):
        Masks.concatenate([Masks.empty((3, 4))], (3, 5))


@pytest.mark.parametrize("ids", [[0, 1, 2, 3], [3, 7, 0], [-5, 2], [], [9]])
def test_id_maps(ids):
    labels = np.repeat(np.random.default_rng(0).integers(0, 4, (11, 13), np.int32), 2, axis=1)
    encoded = masks.encode_labels(labels, np.array(ids, np.int32))
    masks.validate(encoded)
    expected = np.array([labels == each for each in ids], np.bool_).reshape(-1, *labels.shape)
    np.testing.assert_array_equal(masks.decode(encoded), expected)


def test_id_maps_with_many_runs():
    labels = (np.arange(100 * 101, dtype=np.int32) % 2).reshape(100, 101)
    np.testing.assert_array_equal(masks.decode(masks.encode_labels(labels, np.array([1], np.int32)))[0], labels == 1)


def test_repeated_ids_are_refused():
    with pytest.raises(InputError, match="each id at most once"):
        masks.encode_labels(np.zeros((2, 2), np.int32), np.array([1, 1], np.int32))


def test_grids_beyond_32_bits_are_refused():
    with pytest.raises(InputError, match="expected at most 2147483647 pixels"):
        Masks.empty((2**16, 2**15))


BROKEN = {
    "as many of both": ([0, 5], [2], [0, 2]),
    "rise from 0 to 1": ([0], [2], [0, 1, 0, 1]),
    "rise from 0 to 2": ([0, 5], [2, 6], [0, 1]),
    "rise from 0 to 0": ([], [], []),
    "empty or leaves": ([3], [3], [0, 1]),
    "empty or leaves the 2 x 10 grid": ([-1], [3], [0, 1]),
    "leaves the 2 x 10 grid": ([15], [21], [0, 1]),
    "crosses a row": ([8], [12], [0, 1]),
    "overlap, touch": ([0, 2], [2, 4], [0, 2]),
    "out of order": ([5, 0], [6, 1], [0, 2]),
}


@pytest.mark.parametrize("message", BROKEN)
def test_broken_masks_are_refused(message):
    start, stop, offset = (np.array(each, np.int32) for each in BROKEN[message])
    broken = object.__new__(Masks)  # as a damaged file would give them, past the shape checks of the constructor
    for name, value in {"start": start, "stop": stop, "offset": offset, "shape": (2, 10)}.items():
        object.__setattr__(broken, name, value)
    with pytest.raises(InputError, match=message):
        masks.validate(broken)


def test_runs_may_touch_across_rows_and_masks():
    def of(start, stop, offset):
        arrays = (np.array(each, np.int32) for each in (start, stop, offset))
        return Masks(**dict(zip(("start", "stop", "offset"), arrays, strict=True)), shape=(2, 10))

    masks.validate(of([5, 10], [10, 12], [0, 2]))
    masks.validate(of([5, 5, 0], [10, 6, 3], [0, 1, 1, 2, 3]))
