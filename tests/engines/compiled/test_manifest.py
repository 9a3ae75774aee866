import dataclasses
import json

import pytest

from fast_snow.engines.compiled import manifest as manifests
from fast_snow.engines.compiled.manifest import FileRecord, Tolerance
from fast_snow.errors import EngineError
from tests.engines.compiled.manifests import place


@pytest.mark.parametrize("target", ["onnx", "tensorrt"])
def test_reads_back_what_was_written(tmp_path, target):
    external = (FileRecord(name="da3-small.onnx.data", size_bytes=5, sha256="d" * 64),)
    path, manifest = place(tmp_path, target=target, external=external)
    assert manifests.read_manifest(manifests.path_beside(path)) == manifest
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, f"{path.name}.json"]


def test_records_content(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert manifests.record_of(path) == FileRecord(
        name="x", size_bytes=3, sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


_MISSING = object()
_WRONG = [
    (("format_version",), 0, "format version 0, this version of fast-snow reads 2"),
    (("format_version",), "1", 'format version "1", this version'),
    (("target",), "coreml", 'target: got "coreml", expected onnx or tensorrt'),
    (("target",), [], "target: got an array of 0, expected string"),
    (("precision",), "int8", "expected fp32 or fp16"),
    (("frame",), [280], "frame: got an array of 1, expected 2 entries"),
    (("frame",), [280, -1], r"frame\[1\]: got -1, expected 1 to"),
    (("frame",), [280, True], r"frame\[1\]: got true, expected integer"),
    (("opset",), 17.5, "opset: got 17.5"),
    (("model",), "da3\nrm", "expected one line of text"),
    (("weights_sha256",), "A" * 64, "expected 64 hexadecimal digits"),
    (("inputs",), {}, "inputs: got an object of 0, expected array"),
    (("inputs", 0), 3, r"inputs\[0\]: got 3, expected object"),
    (("inputs", 0, "shape"), ["n", 1.5], r"inputs\[0\]\.shape\[1\]: got 1.5"),
    (("profiles", "images"), [[1, 3], [1, 3]], "profiles.images: got .* expected 3 entries"),
    (("profiles", "images"), [[1, 3], [1, 3], [1]], "of one length"),
    (("packages",), {"to\nrch": "2"}, 'packages."to.*expected one line of text'),
    (("packages", "torch"), 2, "packages.torch: got 2"),
    (("tolerance", "depth", "absolute"), float("nan"), "holds NaN, expected finite numbers"),
    (("parity", "depth", "largest"), -1, "largest: got -1"),
    (("artefact", "name"), "../../etc/passwd", "expected a file name without a folder"),
    (("artefact", "size_bytes"), 10**30, "holds the integer 10"),
    (("artefact",), _MISSING, "has no 'artefact'"),
    (("origin", "onnx", "name"), "..", "expected a file name without a folder"),
    (("origin",), [], "origin: got an array of 0, expected object"),
]


@pytest.mark.parametrize(("keys", "value", "message"), _WRONG)
def test_refuses_every_field_that_is_not_what_it_must_be(tmp_path, keys, value, message):
    path, _ = place(tmp_path, target="tensorrt")
    beside = manifests.path_beside(path)
    content = json.loads(beside.read_text())
    _set(content, keys, value)
    beside.write_text(json.dumps(content))
    with pytest.raises(EngineError, match=message) as caught:
        manifests.read_manifest(beside)
    assert "\n" not in str(caught.value)
    assert beside.name in str(caught.value)


def _set(content, keys, value):
    *parents, last = keys
    for each in parents:
        content = content[each]
    content[last] = value
    if value is _MISSING:
        del content[last]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (1 << 21)])
def test_refuses_what_is_no_manifest(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=r"x\.json"):
        manifests.read_manifest(path)
    with pytest.raises(EngineError, match="No such file"):
        manifests.read_manifest(tmp_path / "none.json")


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path, manifest = place(tmp_path)
    beside = manifests.path_beside(path)
    before = beside.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        manifests.write_manifest(
            dataclasses.replace(manifest, tolerance={"depth": Tolerance(absolute=float("nan"))}), beside
        )
    assert beside.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2
