"""Values as files: what is written is read again, and nothing else is."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from jaxtyping import Float32, Int32

from fast_snow import packed_values
from fast_snow.errors import InputError
from fast_snow.types import Masks, ReadOnlyArrays
from tests.building import boxes


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inner(ReadOnlyArrays):
    masks: Masks
    depth: Float32[np.ndarray, "n h w"]
    rank: Int32[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outer:
    name: str
    scale: float
    colour: Colour
    inner: Inner | None
    several: tuple[Inner, ...]
    pair: tuple[int, bool]
    ids: frozenset[int]
    bound: Mapping[tuple[int, int], float]


def inner(n: int = 3) -> Inner:
    rng = np.random.default_rng(n)
    depth = rng.normal(size=(n, 40, 50)).astype(np.float32)
    return Inner(masks=boxes((1, 2, 5, 6), (0, 0, 9, 3)), depth=depth, rank=np.arange(n, dtype=np.int32))


def outer(**changes: object) -> Outer:
    values = {
        "name": "ä\n",
        "scale": float("nan"),
        "colour": Colour.BLUE,
        "inner": None,
        "several": (inner(), inner(0)),
        "pair": (2**40, True),
        "ids": frozenset({3, 1}),
        "bound": MappingProxyType({(5, 1): 0.1, (2, 2): float("inf")}),
    }
    return Outer(**{**values, **changes})


def stored(value: object, folder: Path, **options: bool) -> bytes:
    packed_values.write(folder / "value.npz", value, **options)
    return (folder / "value.npz").read_bytes()


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("value", [outer(), outer(inner=inner(), several=(), name="", scale=-0.0, colour=Colour.RED)])
def test_a_value_is_read_as_it_was_written(value: Outer, compressed: bool, tmp_path: Path):
    content = stored(value, tmp_path, compressed=compressed)
    again = packed_values.read(tmp_path / "value.npz", Outer, within=tmp_path)
    assert (again.name, again.pair, again.ids, again.colour) == (value.name, value.pair, value.ids, value.colour)
    assert list(again.bound.items()) == list(value.bound.items())
    for one, other in zip(again.several, value.several, strict=True):
        np.testing.assert_array_equal(one.depth, other.depth)
        np.testing.assert_array_equal(one.masks.start, other.masks.start)
    assert stored(again, tmp_path, compressed=compressed) == content


def test_files_are_archives_of_numpy(tmp_path: Path):
    stored(outer(), tmp_path)
    with np.load(tmp_path / "value.npz") as arrays:
        assert sorted(arrays) == ["data", "sha256", "tree"]
        assert json.loads(bytes(arrays["tree"]))[0] == "ä\n"
        assert len(arrays["data"]) == packed_values.array_bytes(outer())


def test_another_value_than_expected_is_refused(tmp_path: Path):
    sha256 = packed_values.write(tmp_path / "value.npz", outer())
    packed_values.read(tmp_path / "value.npz", Outer, within=tmp_path, sha256=sha256)
    with pytest.raises(InputError, match="its content does not have its digest"):
        packed_values.read(tmp_path / "value.npz", Outer, within=tmp_path, sha256="0" * 64)
    with pytest.raises(InputError, match="damaged: Inner of 8 fields, expected 3"):
        packed_values.read(tmp_path / "value.npz", Inner, within=tmp_path)
    with pytest.raises(InputError, match="No such file"):
        packed_values.read(tmp_path / "none.npz", Outer, within=tmp_path)


def test_flipped_bytes_are_noticed_or_mean_nothing(tmp_path: Path):
    content = stored(outer(), tmp_path)
    rng, value, refused = np.random.default_rng(0), tmp_path / "value.npz", 0
    for at in rng.integers(0, len(content), 150).tolist():
        value.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        try:
            again = packed_values.read(value, Outer, within=tmp_path)
        except InputError:
            refused += 1
        else:
            assert stored(again, tmp_path) == content
    assert refused > 140


def forged(folder: Path, tree: object, data: bytes) -> Path:
    """Return a file whose digest is right, as a stranger could write it."""
    import hashlib

    text, path = json.dumps(tree).encode(), folder / "forged.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("tree", text), ("data", data), ("sha256", hashlib.sha256(text + data).digest())):
            row = io.BytesIO()
            np.save(row, np.frombuffer(content, np.uint8))
            archive.writestr(f"{name}.npy", row.getvalue())
    return path


_MASKS = [[1], [1], [2], [4, 4]]
_RUN = np.array([1, 3, 0, 1], "<i4").tobytes()


@pytest.mark.parametrize(
    ("tree", "data", "message"),
    [
        ([_MASKS, [2, 1, 1], [2]], _RUN + bytes(16), ""),
        ([_MASKS, [2, 1, 1], [1]], _RUN + bytes(12), "Inner.rank of 1 n, expected 2"),
        ([_MASKS, [2, 1, 1], [2]], _RUN + bytes(12), "cut short"),
        ([_MASKS, [2, 1, 1], [2]], _RUN + bytes(20), "does not have its digest"),
        ([_MASKS, [2**40, 2**40, 1], [2]], _RUN, "cut short"),
        ([_MASKS, [2, -1, 1], [2]], _RUN, "an array without shape"),
        ([_MASKS, [2, 2], [2]], _RUN + bytes(24), "expected (n h w)"),
        ([_MASKS, "x", [2]], _RUN, "an array without shape"),
        ([_MASKS, [2, 1, 1]], _RUN, "of 2 fields, expected 3"),
        ([[[1], [1], [2], [4, True]], [2, 1, 1], [2]], _RUN, "got a bool, expected int"),
        ([_MASKS, [2, 1, 1], [2]], np.array([1, 2**30, 0, 1], "<i4").tobytes() + bytes(16), "run"),
        ("x", b"", "got a str, expected an array"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_strangers_values_are_refused(tree: object, data: bytes, message: str, tmp_path: Path):
    path = forged(tmp_path, tree, data)
    if not message:
        assert packed_values.read(path, Inner, within=tmp_path).depth.shape == (2, 1, 1)
        return
    with pytest.raises(InputError) as error:
        packed_values.read(path, Inner, within=tmp_path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
