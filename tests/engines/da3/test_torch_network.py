"""The network in torch answers what upstream's own pipeline answers, and refuses weights that do not fit."""

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("depth_anything_3.registry")
pytestmark = pytest.mark.torch

from safetensors.torch import load_file, save_file  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from fast_snow.engines.da3.estimator import intrinsics, world_to_camera  # noqa: E402
from fast_snow.engines.da3.known_cameras import conditioning, known_cameras  # noqa: E402
from fast_snow.engines.da3.preprocessing import preprocess  # noqa: E402
from fast_snow.engines.da3.torch_network import FIRST, load_da3, open_network  # noqa: E402
from fast_snow.errors import ConfigError, EngineError, FastSnowWarning  # noqa: E402
from fast_snow.types import GeometryPrior  # noqa: E402
from tests.engines.da3.tiny import save_random, tiny_variants  # noqa: E402

NESTED = "da3nested-giant-large"
RESOLUTION = 84


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("da3")
    with tiny_variants(root):
        yield {name: save_random(root / name, name) for name in ("da3-small", NESTED)}


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (4, 60, 90, 3), dtype=np.uint8)


def _upstream(module, image):
    """Answer as upstream's `DepthAnything3.inference` does, whose heavy imports the test goes without."""
    from depth_anything_3.utils.io.input_processor import InputProcessor
    from depth_anything_3.utils.io.output_processor import OutputProcessor

    images, _, _ = InputProcessor()(list(image), process_res=RESOLUTION, num_workers=1)
    torch.manual_seed(0)
    with torch.inference_mode():
        return OutputProcessor()(module(images[None], ref_view_strategy="saddle_balanced"))


@pytest.mark.parametrize("name", ["da3-small", NESTED])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_known_cameras_condition_it_as_upstream_does(folders, image, name, count):
    from depth_anything_3.utils.geometry import affine_inverse
    from depth_anything_3.utils.io.input_processor import InputProcessor

    draw = np.random.default_rng(1)
    T_camera_world = np.tile(np.eye(4), (count, 1, 1))
    T_camera_world[:, :3, :3] = Rotation.random(count, random_state=1).as_matrix()
    T_camera_world[:, :3, 3] = 3 * draw.normal(size=(count, 3))
    K = np.tile(np.array([[70.0, 0, 44], [0, 65, 31], [0, 0, 1]]), (count, 1, 1))

    images, extrinsics, intrinsics_ = InputProcessor()(
        list(image[:count]), T_camera_world.copy(), K.copy(), process_res=RESOLUTION, num_workers=1
    )
    relative = extrinsics[None].float() @ affine_inverse(extrinsics[None, :1].float())
    distance = affine_inverse(relative)[..., :3, 3].norm(dim=-1)
    relative[..., :3, 3] /= torch.clamp(torch.median(distance), min=1e-1)
    torch.manual_seed(0)
    with torch.inference_mode():
        wanted = load_da3(folders[name])(images[None], relative, intrinsics_[None].float())

    known = known_cameras(GeometryPrior(T_camera_world=T_camera_world, intrinsics=K), image.shape[1:3], (56, 84))
    focal = [0, 1], [0, 1]  # the encoding holds no more; principal points differ by what integer pixel centres mean
    np.testing.assert_allclose(known.intrinsics[:, *focal], intrinsics_[:, *focal], rtol=1e-6)
    prepared = {"images": preprocess(image[:count], RESOLUTION)}
    with open_network(folders[name], device="cpu") as network:
        answer, unconditioned = network(prepared | conditioning(known)), network(prepared)
    np.testing.assert_allclose(answer["depth"], wanted.depth[0], rtol=1e-4)
    np.testing.assert_allclose(world_to_camera(answer["pose"])[:, :3], wanted.extrinsics[0][:, :3], atol=1e-4)
    assert np.abs(answer["depth"] / unconditioned["depth"] - 1).max() > 1e-3, "it is told"


@pytest.mark.parametrize("name", ["da3-small", NESTED])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_equals_upstream(folders, image, name, count):
    wanted = _upstream(load_da3(folders[name]), image[:count])
    with open_network(folders[name], device="cpu") as network:
        answer = network({"images": preprocess(image[:count], RESOLUTION)})
    np.testing.assert_array_equal(answer["depth"], wanted.depth)
    np.testing.assert_array_equal(answer["confidence"], wanted.conf)
    poses = world_to_camera(answer["pose"])
    np.testing.assert_allclose(poses[:, : wanted.extrinsics.shape[1]], wanted.extrinsics, atol=1e-6)
    np.testing.assert_allclose(intrinsics(answer["pose"], answer["depth"].shape[1:]), wanted.intrinsics, rtol=1e-6)
    assert answer["confidence"].min() >= 1


def test_the_nested_variant_scales_depth_and_poses_alike(folders, image):
    images = {"images": preprocess(image, RESOLUTION)}
    module = load_da3(folders[NESTED])
    with torch.inference_mode():
        alone = module.da3(torch.from_numpy(images["images"])[None])
    with open_network(folders[NESTED], device="cpu") as network:
        answer = network(images)
    in_sky = answer["confidence"] == 1
    factor = np.median((answer["depth"] / alone.depth[0].numpy())[~in_sky])
    assert abs(factor - 1) > 0.1
    poses = world_to_camera(answer["pose"])[:, :3, 3]
    np.testing.assert_allclose(poses, factor * alone.extrinsics[0, :, :3, 3].numpy(), rtol=1e-4, atol=1e-6)


def test_repeats_itself_and_leaves_the_random_state_alone(folders, image):
    images = {"images": preprocess(image, RESOLUTION)}
    with open_network(folders[NESTED], device="cpu") as network:
        torch.manual_seed(1)
        first, state = network(images), torch.random.get_rng_state()
        torch.manual_seed(1)
        assert torch.equal(torch.random.get_rng_state(), state)
        torch.manual_seed(2)
        for name, value in network(images).items():
            np.testing.assert_array_equal(value, first[name])


def test_the_frame_that_others_refer_to_can_be_the_first(folders, image):
    images = {"images": preprocess(image, RESOLUTION)}
    with open_network(folders["da3-small"], device="cpu", ref_view_strategy=FIRST) as network:
        module, first = network.module, network(images)
    with torch.inference_mode():
        wanted = load_da3(folders["da3-small"])(torch.from_numpy(images["images"])[None], ref_view_strategy="first")
    np.testing.assert_array_equal(first["depth"], wanted.depth[0])
    assert all(each.is_meta for each in module.parameters()), "leaving frees the weights"


def test_the_head_for_rays_is_left_out(folders):
    whole = sum(each.numel() for each in load_da3(folders["da3-small"]).head.parameters())
    with open_network(folders["da3-small"], device="cpu") as network:
        built = sum(each.numel() for each in network.module.head.parameters())
    assert built < 0.7 * whole


def test_prints_nothing(folders, image, capsys):
    with open_network(folders["da3-small"], device="cpu") as network:
        network({"images": preprocess(image, RESOLUTION)})
    assert capsys.readouterr() == ("", "")


def test_parts_that_are_not_built_may_be_left_over(folders, tmp_path):
    folder = _copy(folders["da3-small"], tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"model.gs_head.scratch.weight": torch.zeros(1)}, folder / "model.safetensors")
    load_da3(folder)


def test_tensors_too_many_are_named_and_ignored(folders, tmp_path):
    folder = _copy(folders["da3-small"], tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file(
        weights | {"model.added.a": torch.zeros(1), "model.added.b": torch.zeros(1)}, folder / "model.safetensors"
    )
    with pytest.warns(FastSnowWarning, match="2 tensors are not part of da3-small, like added.a: ignored"):
        load_da3(folder)


def test_weights_that_were_saved_in_half_precision_compute_in_fp32(folders, tmp_path):
    folder = _copy(folders["da3-small"], tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file({name: value.half() for name, value in weights.items()}, folder / "model.safetensors")
    assert {each.dtype for each in load_da3(folder).parameters()} == {torch.float32}


def test_missing_weights_say_where_they_are_to_be_had(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_name": "da3-large"}))
    with pytest.raises(ConfigError, match=r"holds no model\.safetensors; run fast-snow fetch-models da3-large.*BY-NC"):
        load_da3(tmp_path)


def test_truncated_weights_are_refused(folders, tmp_path):
    folder = _copy(folders["da3-small"], tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match="is truncated"):
        load_da3(folder)


def test_weights_of_another_variant_are_refused(folders, tmp_path):
    folder = _copy(folders[NESTED], tmp_path)
    (folder / "config.json").write_text(json.dumps({"model_name": "da3-small"}))
    with pytest.raises(ConfigError, match=r"does not fit da3-small: \d+ tensors are missing, \d+ unknown"):
        load_da3(folder)


def test_weights_of_another_width_are_refused(folders, tmp_path):
    folder = _copy(folders["da3-small"], tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["model.cam_dec.fc_t.weight"] = torch.zeros(3, 7)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ConfigError, match=r"1 of another shape, like cam_dec\.fc_t\.weight"):
        load_da3(folder)


def test_a_missing_tensor_is_refused(folders, tmp_path):
    folder = _copy(folders["da3-small"], tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["model.cam_dec.fc_t.weight"]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ConfigError, match=r"1 tensors are missing"):
        load_da3(folder)


def test_nothing_but_sky_is_an_error_of_the_engine(folders, tmp_path, image):
    folder = _copy(folders[NESTED], tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["model.da3_metric.head.scratch.sky_output_conv2.2.bias"] += 100
    save_file(weights, folder / "model.safetensors")
    with (
        open_network(folder, device="cpu") as network,
        pytest.raises(EngineError, match="Insufficient non-sky pixels"),
    ):
        network({"images": preprocess(image, RESOLUTION)})


def _copy(folder, target):
    return shutil.copytree(folder, target / folder.name)
