"""YOLO26-depth is loaded from numbers alone and answers what ultralytics' own predictor answers."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ultralytics")
pytestmark = pytest.mark.torch

from fast_snow.engines.fastsam.quiet_import import ultralytics  # noqa: E402
from fast_snow.engines.fastsam.weights import random_weights  # noqa: E402
from fast_snow.engines.yolo26_depth import open_metric_depth  # noqa: E402
from fast_snow.errors import InputError  # noqa: E402
from tests.engines.da3.test_metric_depth import clip  # noqa: E402


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    ultralytics()
    from ultralytics.nn.tasks import DepthModel

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("yolo") / "yolo26n-depth.pt"
    network = DepthModel("yolo26n-depth.yaml", ch=3, verbose=False)
    network.args = {"imgsz": 768}
    network.model[-1].cal_b.fill_(0.5)
    torch.save({"model": network, "train_args": {"task": "depth"}}, path)
    return path


def test_it_answers_as_upstream_does(weights):
    from ultralytics.models.yolo.depth import DepthPredictor
    from ultralytics.nn.tasks import load_checkpoint

    frames, geometry = clip(1)
    with open_metric_depth(weights, device="cpu") as estimate:
        depth = estimate(frames, geometry)
    network, _ = load_checkpoint(weights, device="cpu")
    predictor = DepthPredictor(overrides={"imgsz": 768, "device": "cpu", "verbose": False, "save": False})
    predictor.setup_model(network, verbose=False)
    upstream = [each.depth.data.numpy() for each in predictor([image[..., ::-1] for image in frames.image])]
    assert depth.shape == (1, 192, 192)
    sampled = upstream[0][30, 45]
    assert sampled == pytest.approx(depth[0, 95:97, 95:97].mean(), rel=0.02)


def test_other_networks_are_refused(tmp_path):
    path = tmp_path / "FastSAM-s.pt"
    random_weights(path, variant="FastSAM-s", seed=0)
    with pytest.raises(InputError, match="got another network, expected YOLO26-depth"):
        open_metric_depth(path, device="cpu").__enter__()
    with pytest.raises(InputError, match="expected YOLO26-depth"):
        open_metric_depth(tmp_path / "none.pt", device="cpu").__enter__()
