"""Each engine in torch keeps its protocol, with the real architecture and random weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
from fast_snow import testing  # noqa: E402
from fast_snow.config import Da3Config, EdgeTamConfig, FastSamConfig, Sam3Config  # noqa: E402
from fast_snow.protocols import Segmenter  # noqa: E402
from fast_snow.types import Detections, Frames, Geometry  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Kernels this small only wait for each other's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("imgsz", [64, 160])
def test_fastsam(imgsz: int, tmp_path: Path) -> None:
    pytest.importorskip("ultralytics")
    from fast_snow.engines.fastsam.segmenter import open_segmenter
    from fast_snow.engines.fastsam.torch_network import open_network
    from tests.engines.fastsam.networks import write_weights

    opener = partial(open_network, write_weights(tmp_path / "random.pt"), device="cpu")
    config = FastSamConfig(imgsz=imgsz, conf_threshold=0.3)
    testing.check_segmenter(partial(open_segmenter, config, open_network=opener, threads=1))


@pytest.mark.parametrize("name", ["da3-small", "da3nested-giant-large"])
def test_da3(name: str, tmp_path: Path) -> None:
    pytest.importorskip("depth_anything_3")
    from fast_snow.engines.da3.estimator import open_geometry
    from fast_snow.engines.da3.torch_network import open_network
    from fast_snow.engines.da3.variants import VARIANTS
    from tests.engines.da3.tiny import save_random, tiny_variants

    config = Da3Config(process_res=112, chunk_size=3, chunk_overlap=1)
    with tiny_variants(tmp_path):
        opener = partial(open_network, save_random(tmp_path / name, name), device="cpu")
        testing.check_geometry(partial(open_geometry, config, open_network=opener, variant=VARIANTS[name]))


@pytest.mark.parametrize("features", ["device", "recompute"])
def test_sam3_of_the_package(features: str) -> None:
    pytest.importorskip("sam3")
    from fast_snow.engines.sam3.package.tracker import serving
    from tests.engines.sam3.package.scenes import tiny_network

    config = Sam3Config(features=features, object_batch=2)  # type: ignore[arg-type]
    testing.check_tracker(lambda: serving(tiny_network(), config))


@pytest.mark.parametrize("features", ["device", "recompute"])
def test_sam3_of_transformers(features: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from fast_snow.engines.sam3.transformers.tracker import open_tracker
    from tests.engines.sam3.transformers.networks import network, save

    config = Sam3Config(model_path=str(save(network(), tmp_path)), features=features)  # type: ignore[arg-type]
    testing.check_tracker(partial(open_tracker, config, device="cpu"))


@pytest.mark.parametrize("features", ["device", "recompute"])
def test_edgetam(features: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("timm")
    from fast_snow.engines.edgetam.tracker import open_tracker
    from tests.engines.edgetam.networks import network, save

    config = EdgeTamConfig(model_path=str(save(network(), tmp_path)), features=features)  # type: ignore[arg-type]
    testing.check_tracker(partial(open_tracker, config, device="cpu"))


def test_sam2(tmp_path: Path) -> None:
    """The baseline asks it at points of its own: with those of a coarse grid it serves as a segmenter too."""
    pytest.importorskip("transformers")
    from fast_snow.engines.sam2.prompted_masks import open_masks
    from tests.engines.sam2.networks import network, save

    folder = save(network(), tmp_path)

    @contextmanager
    def open_segmenter() -> Iterator[Segmenter]:
        with open_masks(folder, device="cpu", precision="fp32", prompts_at_once=4) as look:

            def segment(frames: Frames, geometry: Geometry) -> Sequence[Detections]:
                height, width = geometry.grid
                points = np.float32([[(x, y)] for x in range(4, width, 16) for y in range(4, height, 16)])
                answers = [look(image, geometry.grid)(points) for image in frames.image]
                return [each[np.diff(each.masks.offset) > 0] for each in answers]

            yield segment

    testing.check_segmenter(open_segmenter)
