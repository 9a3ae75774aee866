"""Export of a small real network, to ONNX and to (strictly faked) TensorRT."""

import sys
from dataclasses import replace
from enum import IntEnum
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.torch

from fast_snow.engines.compiled import artefacts, onnx_runtime, tensorrt_runner  # noqa: E402
from fast_snow.engines.compiled import manifest as manifests  # noqa: E402
from fast_snow.errors import EngineError, OutputError  # noqa: E402
from fast_snow.export import tensorrt_engine  # noqa: E402
from fast_snow.export.exporting import export_engines  # noqa: E402
from fast_snow.export.tensorrt_engine import TensorRt  # noqa: E402
from tests.engines.compiled import fake_tensorrt, small_network  # noqa: E402
from tests.engines.compiled.fake_cuda import FakeCuda  # noqa: E402
from tests.engines.compiled.manifests import HERE  # noqa: E402


@pytest.fixture
def tensorrt(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt)
    return _tensorrt()


def _tensorrt(machine=HERE):
    return TensorRt(
        machine=machine,
        build=partial(tensorrt_engine.build, workspace_bytes=1 << 20),
        open_network=partial(tensorrt_runner.open_network, cuda=FakeCuda()),
    )


def _names(folder):
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def _found(folder, target="onnx"):
    frame = (small_network.HEIGHT, small_network.WIDTH)
    return artefacts.find_network(folder, "da3", "small", frame, target, "a" * 64, HERE)


def test_what_is_exported_is_found_checked_and_computes_the_same(tmp_path):
    told = []
    (exported,) = export_engines(
        [small_network.exportable()], tmp_path / "new", progress=lambda *what: told.append(what)
    )
    assert _names(tmp_path / "new") == ["small_8x12_fp32.onnx", "small_8x12_fp32.onnx.json"]
    found = _found(tmp_path / "new")
    artefacts.check_content(found)
    assert found.manifest == exported.manifest
    assert not exported.up_to_date
    assert [(each.name, each.dtype, each.shape) for each in exported.manifest.inputs] == [
        ("images", "float32", ("n", 3, 8, 12))
    ]
    assert [each.name for each in exported.manifest.outputs] == ["maps", "total"]
    assert 0 <= exported.manifest.parity["maps"].largest <= 1e-4
    assert told[0][0] == "writing small_8x12_fp32.onnx"
    assert told[-1] == ("wrote small_8x12_fp32.onnx", 3, 3)
    inputs = small_network.sample(3)
    with onnx_runtime.open_network(found.path) as network:
        np.testing.assert_allclose(network(inputs)["maps"], small_network.reference(inputs)["maps"], atol=1e-4)


def test_is_made_anew_only_where_something_changed(tmp_path):
    def up_to_date(**changes):
        force = changes.pop("force", False)
        (exported,) = export_engines([small_network.exportable(**changes)], tmp_path, force=force)
        return exported.up_to_date

    assert not up_to_date()
    assert up_to_date()
    assert not up_to_date(force=True)
    assert not up_to_date(weights="b" * 64)
    assert not up_to_date(tolerance=1e-3)
    path = tmp_path / "small_8x12_fp32.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert not up_to_date(tolerance=1e-3)
    assert up_to_date(tolerance=1e-3)


@pytest.mark.parametrize("old", [False, True])
def test_too_large_a_difference_fails_and_leaves_what_was_there(tmp_path, old):
    if old:
        export_engines([small_network.exportable()], tmp_path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    other = small_network.exportable(writer=lambda path: small_network.write(path, small_network.Small(seed=1)))
    with pytest.raises(EngineError, match=r"small_8x12_fp32\.onnx: output maps differs from torch by .* allowed is"):
        export_engines([other], tmp_path, force=True)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_an_interruption_leaves_nothing(tmp_path):
    def interrupted(path):
        path.write_bytes(b"half a file")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_engines([small_network.exportable(writer=interrupted)], tmp_path)
    assert _names(tmp_path) == []

    def while_recording(what, done, total):
        if what.startswith("recording"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_engines([small_network.exportable()], tmp_path, progress=while_recording)
    assert _names(tmp_path) == []


def test_an_interruption_while_files_are_moved_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(manifest, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(manifests, "write_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_engines([small_network.exportable()], tmp_path)
    assert _names(tmp_path) == []


def test_weights_beside_the_graph_are_part_of_the_artefact(tmp_path):
    def write(path):
        small_network.write(path)
        model = onnx.load(path)
        path.unlink()
        onnx.save_model(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)

    (exported,) = export_engines([small_network.exportable(writer=write)], tmp_path)
    assert [each.name for each in exported.manifest.external] == ["small_8x12_fp32.onnx.data"]
    inputs = small_network.sample(2)
    with onnx_runtime.open_network(exported.path) as network:
        np.testing.assert_allclose(network(inputs)["maps"], small_network.reference(inputs)["maps"], atol=1e-4)
    (tmp_path / "small_8x12_fp32.onnx.data").write_bytes(b"")
    assert "damaged, 0 bytes" in _found(tmp_path)


@pytest.mark.parametrize(
    ("write", "message"),
    [(lambda _: None, "wrote no file"), (lambda path: path.write_bytes(b"\x08\x01"), "invalid ONNX|cannot load")],
)
def test_exporters_that_write_nothing_useful_are_told(tmp_path, write, message):
    with pytest.raises(EngineError, match=message):
        export_engines([small_network.exportable(writer=write)], tmp_path)
    assert _names(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"engines\.compiled_path: .* cannot be written"):
        export_engines([small_network.exportable()], tmp_path / "file")


def test_models_are_taken_one_after_the_other(tmp_path):
    order = []

    def models():
        for variant in ("first", "second"):
            order.append(f"load {variant}")
            yield small_network.exportable(variant=variant)

    export_engines(models(), tmp_path, progress=lambda *what: order.append(what[0]))
    assert order.index("wrote first_8x12_fp32.onnx") < order.index("load second")


def test_an_engine_is_built_checked_and_found(tmp_path, tensorrt):
    told = []
    graph, engine = export_engines(
        [small_network.exportable()], tmp_path, tensorrt=tensorrt, progress=lambda *what: told.append(what)
    )
    assert (graph.path.suffix, engine.path.suffix) == (".onnx", ".engine")
    assert ("building small_8x12_fp32.engine", 2, 2) in told
    assert engine.manifest.origin.onnx == graph.manifest.artefact
    assert engine.manifest.profiles == {"images": ((1, 3, 8, 12), (2, 3, 8, 12), (4, 3, 8, 12))}
    found = _found(tmp_path, "tensorrt")
    artefacts.check_content(found)
    inputs = small_network.sample(4)
    with tensorrt_runner.open_network(found.path, cuda=FakeCuda()) as network:
        np.testing.assert_allclose(network(inputs)["total"], small_network.reference(inputs)["total"], atol=1e-3)
    assert (tmp_path / "tensorrt_timing.cache").read_bytes().startswith(b"timing")


def test_engines_are_compared_also_for_as_many_frames_as_they_take(tmp_path, tensorrt):
    asked = []

    def reference(inputs):
        asked.append(len(inputs["images"]))
        return small_network.reference(inputs)

    export_engines([replace(small_network.exportable(), reference=reference)], tmp_path, tensorrt=tensorrt)
    assert asked == [1, 2, 1, 2, 4]


def test_tensorrt_10_is_told_to_take_types_from_the_graph(tmp_path, tensorrt, monkeypatch):
    monkeypatch.setattr(fake_tensorrt, "NetworkDefinitionCreationFlag", IntEnum("Flag", {"STRONGLY_TYPED": 1}))
    _, engine = export_engines([small_network.exportable()], tmp_path, tensorrt=tensorrt)
    assert engine.path.is_file()


def test_an_engine_is_built_anew_only_for_another_graph_or_machine(tmp_path, tensorrt):
    def up_to_date(backend=tensorrt, **changes):
        return [
            each.up_to_date
            for each in export_engines([small_network.exportable(**changes)], tmp_path, tensorrt=backend)
        ]

    assert up_to_date() == [False, False]
    assert up_to_date() == [True, True]
    other = artefacts.Machine(gpu="NVIDIA T4", compute_capability="7.5", tensorrt=HERE.tensorrt)
    assert up_to_date(_tensorrt(other)) == [True, False]
    assert up_to_date(weights="b" * 64) == [False, False]


def test_a_timing_cache_of_another_machine_is_not_in_the_way(tmp_path, tensorrt):
    (tmp_path / "tensorrt_timing.cache").write_bytes(b"another GPU's")
    export_engines([small_network.exportable()], tmp_path, tensorrt=tensorrt)
    assert (tmp_path / "tensorrt_timing.cache").read_bytes().startswith(b"timing")


def test_an_engine_that_computes_something_else_leaves_only_the_graph(tmp_path, tensorrt):
    (graph,) = export_engines([small_network.exportable()], tmp_path)

    def build(source, engine, profiles, timing_cache, progress):
        other = tmp_path / "other.onnx"
        small_network.write(other, small_network.Small(seed=1))
        tensorrt.build(other, engine, profiles, timing_cache, progress)
        other.unlink()

    wrong = TensorRt(machine=HERE, build=build, open_network=tensorrt.open_network)
    with pytest.raises(EngineError, match=r"small_8x12_fp32\.engine: output maps differs"):
        export_engines([small_network.exportable()], tmp_path, tensorrt=wrong)
    assert [each for each in _names(tmp_path) if "timing" not in each] == [graph.path.name, f"{graph.path.name}.json"]


def test_interrupting_a_build_stops_it(tmp_path, tensorrt):
    def progress(what, done, total):
        if what.startswith("building") and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_engines([small_network.exportable()], tmp_path, tensorrt=tensorrt, progress=progress)
    assert _names(tmp_path) == ["small_8x12_fp32.onnx", "small_8x12_fp32.onnx.json"]


def test_what_tensorrt_refuses_is_told_in_one_line(tmp_path, tensorrt):
    graph = tmp_path / "small.onnx"
    small_network.write(graph)
    arguments = (tmp_path / "x.engine", small_network.PROFILES, tmp_path / "timing.cache")
    with pytest.raises(EngineError, match="input images has axes of free size, but the export spec has no profile"):
        tensorrt_engine.build(graph, arguments[0], {}, arguments[2])
    model = onnx.load(graph)
    model.graph.node[0].op_type = "NonZero"
    onnx.save(model, graph)
    with pytest.raises(EngineError, match=r"cannot parse the graph .*no importer for NonZero") as caught:
        tensorrt_engine.build(graph, *arguments)
    assert "\n" not in str(caught.value)
    graph.write_bytes(b"?")
    with pytest.raises(EngineError, match="cannot parse the graph"):
        tensorrt_engine.build(graph, *arguments)
    assert not arguments[0].exists()
