"""The ONNX file answers what torch answers; exporting leaves upstream as it was."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("depth_anything_3.registry")
pytestmark = pytest.mark.torch

from fast_snow.config import Da3Config  # noqa: E402
from fast_snow.engines.compiled.onnx_runtime import open_network as open_compiled  # noqa: E402
from fast_snow.engines.da3.estimator import open_geometry, world_to_camera  # noqa: E402
from fast_snow.engines.da3.quiet_import import dpt, dualdpt, rope, vision_transformer  # noqa: E402
from fast_snow.engines.da3.torch_network import FIRST, load_da3, open_network  # noqa: E402
from fast_snow.engines.da3.variants import VARIANTS  # noqa: E402
from fast_snow.errors import ConfigError  # noqa: E402
from fast_snow.export.da3 import TENSOR_LIMIT, DepthAndPoses, most_frames, prepare_da3, write_onnx  # noqa: E402
from fast_snow.export.da3_patches import exportable  # noqa: E402
from tests.building import frames as black_frames  # noqa: E402
from tests.engines.da3.tiny import save_random, tiny_variants  # noqa: E402

FRAME = (56, 84)
NESTED = "da3nested-giant-large"
COUNTS = [1, 2, 5]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("da3")
    with tiny_variants(root):
        yield {name: save_random(root / name, name) for name in ("da3-small", NESTED)}


@pytest.fixture(scope="module")
def exported(folders, tmp_path_factory):
    """Each precision as it is prepared and the file that it wrote."""
    root = tmp_path_factory.mktemp("onnx")
    made = {}
    for precision in ("fp32", "fp16"):
        ready = prepare_da3(folders["da3-small"], precision=precision, config=Da3Config(), frame=FRAME)
        ready.write(root / f"{precision}.onnx")
        made[precision] = ready, root / f"{precision}.onnx"
    return made


@pytest.mark.parametrize("count", COUNTS)
def test_equals_torch(exported, count):
    ready, path = exported["fp32"]
    wanted, found = ready.reference(ready.sample(count)), _compiled(path, ready.sample(count))
    assert found["depth"].shape == (count, *FRAME)
    np.testing.assert_allclose(found["depth"], wanted["depth"], atol=1e-5)
    np.testing.assert_allclose(found["confidence"], wanted["confidence"], atol=1e-5)
    np.testing.assert_allclose(world_to_camera(found["pose"]), world_to_camera(wanted["pose"]), atol=1e-3)
    np.testing.assert_allclose(found["pose"], wanted["pose"], atol=1e-4)


@pytest.mark.parametrize("count", COUNTS)
def test_half_precision_is_near_torch(exported, count):
    ready, path = exported["fp16"]
    wanted, found = ready.reference(ready.sample(count)), _compiled(path, ready.sample(count))
    for name, tolerance in ready.spec.tolerance.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=tolerance.absolute)
    assert np.abs(found["pose"] - wanted["pose"]).max() > 1e-6, "it is computed in half precision"


def test_answers_what_the_engine_in_torch_answers(exported, folders):
    ready, path = exported["fp32"]
    with open_network(folders["da3-small"], device="cpu", ref_view_strategy=FIRST) as network:
        wanted = network(ready.sample(5))
    for name, value in _compiled(path, ready.sample(5)).items():
        np.testing.assert_allclose(value, wanted[name], atol=1e-5)


def test_the_engine_answers_alike_on_either_backend(exported, folders):
    image = np.random.default_rng(0).integers(0, 256, (5, 60, 90, 3), dtype=np.uint8)
    seen = replace(black_frames(5), image=image)
    answers = []
    for open_backend in (
        partial(open_network, folders["da3-small"], device="cpu", ref_view_strategy=FIRST),
        partial(open_compiled, exported["fp32"][1], device="cpu", threads=1),
    ):
        with open_geometry(
            Da3Config(process_res=max(FRAME), chunk_size=3, chunk_overlap=2),
            open_network=open_backend,
            variant=VARIANTS["da3-small"],
        ) as estimate:
            answers.append(estimate(seen))
    in_torch, compiled = answers
    assert compiled.grid == FRAME
    np.testing.assert_allclose(compiled.depth, in_torch.depth, atol=1e-4)
    np.testing.assert_allclose(compiled.confidence, in_torch.confidence, atol=1e-5)
    np.testing.assert_allclose(compiled.T_camera_world, in_torch.T_camera_world, atol=1e-3)
    np.testing.assert_allclose(compiled.intrinsics, in_torch.intrinsics, rtol=1e-4)


def test_half_precision_halves_the_weights_of_the_backbone(exported):
    graphs = {name: onnx.load(path) for name, (_, path) in exported.items()}
    sizes = {name: sum(len(each.raw_data) for each in graph.graph.initializer) for name, graph in graphs.items()}
    assert sizes["fp16"] < 0.7 * sizes["fp32"]


def test_the_position_embedding_is_a_constant(exported):
    for _, path in exported.values():
        resizes = [each for each in onnx.load(path).graph.node if each.op_type == "Resize"]
        modes = {attribute.s for node in resizes for attribute in node.attribute if attribute.name == "mode"}
        assert modes == {b"linear"}, "bicubic interpolation is upstream's of the position embedding"


def test_the_specification_says_what_was_exported(exported):
    spec = exported["fp16"][0].spec
    assert (spec.model, spec.variant, spec.precision, spec.frame, spec.opset) == ("da3", "da3-small", "fp16", FRAME, 18)
    profile = spec.profiles["images"]
    assert (profile.smallest, profile.usual, profile.largest) == tuple((n, 3, *FRAME) for n in (1, 60, 120))
    assert len(spec.weights_sha256) == 64
    graph = onnx.load(exported["fp16"][1])
    assert [each.version for each in graph.opset_import if each.domain in ("", "ai.onnx")] == [18]
    assert {
        each.name: [axis.dim_param or axis.dim_value for axis in each.type.tensor_type.shape.dim]
        for each in graph.graph.output
    } == {"depth": ["n", *FRAME], "confidence": ["n", *FRAME], "pose": ["n", 9]}


def test_chunks_are_what_an_engine_is_tuned_for(folders):
    ready = prepare_da3(folders["da3-small"], precision="fp32", config=Da3Config(chunk_size=16), frame=FRAME)
    assert ready.spec.profiles["images"].largest == (16, 3, *FRAME)


def test_attention_s_scores_bound_the_frames(folders, monkeypatch):
    """At 280 x 504 the small variant holds 6 * (26 * 721)² scores in one tensor, not those of 27 frames."""
    assert 6 * (26 * 721) ** 2 <= TENSOR_LIMIT < 6 * (27 * 721) ** 2
    module = load_da3(folders["da3-small"])
    monkeypatch.setattr(module.backbone.pretrained, "num_heads", 6)
    assert most_frames(module, (280, 504)) == 26


def test_samples_repeat_and_are_of_natural_range(exported):
    ready = exported["fp32"][0]
    images = ready.sample(3)["images"]
    np.testing.assert_array_equal(images, ready.sample(3)["images"])
    assert images.shape == (3, 3, *FRAME)
    assert images.dtype == np.float32
    assert -2.2 < images.min() < -0.5
    assert 0.5 < images.max() < 2.7


def test_large_weights_go_beside_the_graph(folders, exported, tmp_path):
    ready, whole = exported["fp32"]
    path = tmp_path / "large.onnx"
    write_onnx(load_da3(folders["da3-small"]), path, precision="fp32", frame=FRAME, external_from=0)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["large.onnx", "large.onnx.data"]
    assert path.stat().st_size < whole.stat().st_size / 2
    found, wanted = _compiled(path, ready.sample(2)), _compiled(whole, ready.sample(2))
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])


@pytest.mark.parametrize("count", [1, 5, 9])
def test_the_patches_change_no_answer(folders, count):
    module = load_da3(folders["da3-small"])
    network = DepthAndPoses(module, "fp32")
    images = torch.from_numpy(np.random.default_rng(count).normal(size=(count, 3, *FRAME)).astype(np.float32))
    with torch.inference_mode():
        unpatched, upstream = network(images), module(images[None], ref_view_strategy="first")
        with exportable(FRAME):
            patched = network(images)
    assert all(torch.equal(now, was) for now, was in zip(patched, unpatched, strict=True))
    in_pieces = 1e-6 if count > 8 else 0  # upstream's heads take eight frames at a time
    torch.testing.assert_close(patched[0], upstream.depth[0], atol=in_pieces, rtol=0)
    torch.testing.assert_close(patched[1], upstream.depth_conf[0], atol=in_pieces, rtol=0)


def test_upstream_is_as_it_was_also_after_an_error():
    def patched():
        return (
            rope.PositionGetter.__call__,
            rope.RotaryPositionEmbedding2D.__dict__["forward"],
            vision_transformer.DinoVisionTransformer.interpolate_pos_encoding,
            vision_transformer.THRESH_FOR_REF_SELECTION,
            dualdpt.custom_interpolate,
            dpt.custom_interpolate,
        )

    before = patched()
    within = []

    def interrupted():
        with exportable(FRAME):
            within.append(patched())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert all(now is not was for now, was in zip(within[0], before, strict=True))
    assert patched() == before


def test_the_nested_variant_is_for_torch_alone(folders):
    with pytest.raises(ConfigError, match=r"cannot be exported; use --engines\.geometry da3-torch"):
        prepare_da3(folders[NESTED], precision="fp32", config=Da3Config(), frame=FRAME)


def test_an_unknown_precision_is_refused(folders):
    with pytest.raises(ConfigError, match="precision: got 'bf16', expected one of fp32, fp16"):
        prepare_da3(folders["da3-small"], precision="bf16", config=Da3Config(), frame=FRAME)


@pytest.mark.parametrize("frame", [(720, 1280), (0, 84), (56, 90)])
def test_a_size_the_network_cannot_have_is_refused(folders, frame):
    with pytest.raises(ConfigError, match=rf"frame: got {frame[0]}x{frame[1]}, expected .* multiples of 14"):
        prepare_da3(folders["da3-small"], precision="fp32", config=Da3Config(), frame=frame)


def _compiled(path, inputs):
    with open_compiled(path, device="cpu", threads=1) as network:
        return network(inputs)
