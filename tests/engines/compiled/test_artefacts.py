import dataclasses
import subprocess
import sys

import pytest

from fast_snow.engines import hardware
from fast_snow.engines.compiled import artefacts
from fast_snow.engines.compiled import manifest as manifests
from fast_snow.engines.compiled.artefacts import Found
from fast_snow.errors import EngineError
from tests.engines.compiled.manifests import FRAME, HERE, place


def _find(folder, target="onnx", *, weights="a" * 64, here=None, frame=FRAME):
    return artefacts.find_network(folder, "da3", "da3-small", frame, target, weights, here)


def test_names_say_what_they_hold(tmp_path):
    names = [
        artefacts.path_of(tmp_path, variant, FRAME, precision, target).name
        for variant, precision, target in (
            ("da3-small", "fp16", "onnx"),
            ("FastSAM-s", "fp32", "tensorrt"),
            ("../my weights", "fp32", "onnx"),
        )
    ]
    assert names == [
        "da3-small_280x504_fp16.onnx",
        "FastSAM-s_280x504_fp32.engine",
        "..-my-weights_280x504_fp32.onnx",
    ]


def test_takes_half_precision_on_a_gpu_and_full_precision_on_a_cpu(tmp_path):
    half, _ = place(tmp_path, precision="fp16")
    full, _ = place(tmp_path, precision="fp32")
    assert _find(tmp_path, here=HERE).path == half
    assert _find(tmp_path, here=None).path == full
    full.unlink()
    manifests.path_beside(full).unlink()
    assert _find(tmp_path, here=None).path == half


def test_nothing_there_says_the_command_that_makes_it(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        refused = _find(folder, "tensorrt", here=HERE)
        assert isinstance(refused, str)
        assert refused.endswith("fast-snow export-engines --model da3 --target tensorrt --shape 280x504")
    place(tmp_path)
    assert isinstance(_find(tmp_path, frame=(504, 280)), str)


def test_takes_what_fits_and_checks_it(tmp_path):
    for target in ("onnx", "tensorrt"):
        path, manifest = place(tmp_path, target=target)
        found = _find(tmp_path, target, here=HERE)
        assert found == Found(path=path, manifest=manifest)
        artefacts.check_content(found)
    assert isinstance(_find(tmp_path, weights=None), Found)


_OTHER_GPU = dataclasses.replace(HERE, gpu="NVIDIA T4", compute_capability="7.5")
_OTHER_VERSION = dataclasses.replace(HERE, tensorrt="11.5.0")


@pytest.mark.parametrize(
    ("here", "weights", "message"),
    [
        (HERE, "b" * 64, "made from other weights (aaaaaaaaaaaa, these are bbbbbbbbbbbb)"),
        (_OTHER_GPU, "a" * 64, "built for NVIDIA H200 (compute capability 9.0), this is NVIDIA T4 (7.5)"),
        (_OTHER_VERSION, "a" * 64, "built by TensorRT 11.4.0.1, installed is 11.5.0"),
        (None, "a" * 64, "no NVIDIA GPU found"),
        (dataclasses.replace(HERE, tensorrt=None), "a" * 64, 'uv pip install -e ".[gpu]"'),
    ],
)
def test_refuses_stale_and_foreign_engines(tmp_path, here, weights, message):
    place(tmp_path, target="tensorrt")
    refused = _find(tmp_path, "tensorrt", here=here, weights=weights)
    assert isinstance(refused, str)
    assert message in refused
    if here is not None and here.tensorrt:
        assert "--model da3 --target tensorrt --shape 280x504 --precision fp32 --force" in refused


def test_another_gpu_or_version_is_no_matter_for_onnx(tmp_path):
    place(tmp_path)
    assert isinstance(_find(tmp_path, here=_OTHER_GPU), Found)
    assert isinstance(_find(tmp_path, here=_OTHER_VERSION), Found)


def test_refuses_what_is_damaged_or_half_there(tmp_path):
    path, manifest = place(tmp_path)
    beside = manifests.path_beside(path)
    whole = beside.read_bytes()
    for damage, message in (
        (lambda: path.write_bytes(b"net"), "damaged, 3 bytes where its manifest records 7"),
        (path.unlink, "No such file"),
        (lambda: beside.write_bytes(whole[:50]), "not a readable manifest"),
        (beside.unlink, "not a readable manifest"),
    ):
        damage()
        refused = _find(tmp_path)
        assert isinstance(refused, str)
        assert message in refused
        assert "rebuild it: fast-snow export-engines --model da3 --target onnx --shape 280x504" in refused
        path.write_bytes(b"network")
        beside.write_bytes(whole)
    assert isinstance(_find(tmp_path), Found)
    assert manifest.artefact.size_bytes == 7


def test_goes_on_to_the_other_precision_where_one_is_refused(tmp_path):
    full, _ = place(tmp_path, precision="fp32")
    half, _ = place(tmp_path, precision="fp16", weights_sha256="f" * 64)
    assert _find(tmp_path, here=HERE).path == full
    full.write_bytes(b"")
    refused = _find(tmp_path, here=HERE)
    assert half.name in refused
    assert full.name in refused


def test_refuses_a_manifest_of_another_network(tmp_path):
    path, _ = place(tmp_path)
    other = artefacts.path_of(tmp_path, "da3-small", (14, 14), "fp32", "onnx")
    path.rename(other)
    manifests.path_beside(path).rename(manifests.path_beside(other))
    assert "its manifest is of another network" in _find(tmp_path, frame=(14, 14))


def test_content_is_checked_to_the_bit_weights_beside_it_too(tmp_path):
    (tmp_path / "w.data").write_bytes(b"12345")
    path, _ = place(tmp_path, external=(manifests.record_of(tmp_path / "w.data"),))
    found = _find(tmp_path)
    artefacts.check_content(found)
    (tmp_path / "w.data").write_bytes(b"12346")
    found = _find(tmp_path)
    with pytest.raises(EngineError, match=r"w\.data: damaged, its SHA-256"):
        artefacts.check_content(found)
    (tmp_path / "w.data").unlink()
    assert "w.data: No such file" in _find(tmp_path)
    assert path.exists()


def test_tells_of_this_machine_without_loading_torch_or_tensorrt():
    here = artefacts.this_machine()
    assert (here is None) == (hardware.gpu_count() == 0)
    assert artefacts.this_machine(99) is None


def test_looking_for_artefacts_imports_nothing_heavy():
    code = (
        "import sys, fast_snow.engines.compiled.artefacts as a; a.this_machine();"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'tensorrt', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
