"""The metric network answers each image alone, in metres of its camera's focal length, as upstream says."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("depth_anything_3.registry")
pytestmark = pytest.mark.torch

from fast_snow.engines.da3.metric_depth import open_metric_depth  # noqa: E402
from fast_snow.engines.da3.preprocessing import preprocess  # noqa: E402
from fast_snow.engines.da3.torch_network import load_da3  # noqa: E402
from fast_snow.engines.da3.variants import VARIANTS  # noqa: E402
from fast_snow.errors import ConfigError  # noqa: E402
from fast_snow.types import DepthOrigin, Frames, Geometry  # noqa: E402
from tests.engines.da3.tiny import save_random, tiny_variants  # noqa: E402

NAME = "da3metric-large"
RESOLUTION = 84
GRID = (30, 45)
FOCAL = 40.0
"""On the analysis grid, which is half as large as the images."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("da3")
    with tiny_variants(root):
        yield save_random(root / NAME, NAME)


def clip(count):
    image = np.random.default_rng(0).integers(0, 256, (count, 60, 90, 3), dtype=np.uint8)
    t = np.arange(count, dtype=np.int32)
    frames = Frames(image=image, t=t, time_s=t / 10.0, source_frame=t.astype(np.int64))
    K = np.array([[FOCAL, 0, 22.5], [0, 1.5 * FOCAL, 15], [0, 0, 1]])
    geometry = Geometry(
        depth=np.ones((count, *GRID), np.float32),
        confidence=np.ones((count, *GRID), np.float32),
        intrinsics=np.repeat(K[None], count, axis=0),
        T_camera_world=np.repeat(np.eye(4)[None], count, axis=0),
        metric=False,
        origin=DepthOrigin.NETWORK,
    )
    return frames, geometry


def test_depth_is_upstreams_times_the_focal_length(folder):
    frames, geometry = clip(2)
    with open_metric_depth(folder, process_res=RESOLUTION, device="cpu") as estimate:
        depth, first = estimate(frames, geometry), estimate(frames[:1], geometry[:1])
    images = preprocess(frames.image, RESOLUTION)
    with torch.inference_mode():
        answer = load_da3(folder, VARIANTS[NAME])(torch.from_numpy(images[1:])[None])
    focal = (FOCAL * images.shape[3] / GRID[1] + 1.5 * FOCAL * images.shape[2] / GRID[0]) / 2
    ground = answer.sky[0, 0].numpy() < 0.3
    expected = np.where(ground, focal / 300 * answer.depth[0, 0].numpy(), 0)
    assert depth.dtype == np.float32
    assert np.allclose(depth[1], expected, rtol=1e-5)
    assert np.array_equal(depth[0], first[0])
    assert 0 < np.count_nonzero(depth) <= np.count_nonzero(ground) + first.size


def test_other_weights_are_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"metric_depth.model_path: .* fetch-models da3metric-large"):
        open_metric_depth(tmp_path, process_res=RESOLUTION, device="cpu").__enter__()
    other = save_random(tmp_path / "da3-small", "da3-small")
    with pytest.raises(ConfigError, match="does not fit da3metric-large"):
        open_metric_depth(other, process_res=RESOLUTION, device="cpu").__enter__()
