"""Frames become the network's input as upstream makes it; features are computed once and wait where they fit."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")
pytestmark = pytest.mark.torch
from fast_snow.engines.sam3 import features as module  # noqa: E402
from fast_snow.engines.sam3.features import Features, KeptFeatures  # noqa: E402
from fast_snow.engines.sam3.images import network_images  # noqa: E402

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(3).integers(0, 256, (4, 30, 50, 3), dtype=np.uint8)


def features_of(store, encode, *, frames_on_host=True, images=IMAGES):
    prepared = network_images(images, side=16, device=CPU, on_host=frames_on_host)
    return Features(prepared, encode, KeptFeatures(store, frames=len(images), device=CPU))


@pytest.mark.parametrize("frames_on_host", [True, False])
def test_input_is_that_of_upstreams_image_processor(frames_on_host):
    pytest.importorskip("sam3")
    from fast_snow.engines.sam3.package.workarounds import import_builder

    import_builder()
    from sam3.model.sam3_image_processor import Sam3Processor
    from torchvision.transforms.v2.functional import to_image

    processor = Sam3Processor(model=None, resolution=16, device="cpu")
    features = features_of("recompute", lambda image: [image], frames_on_host=frames_on_host)
    for t, image in enumerate(IMAGES):
        torch.testing.assert_close(features.of(t)[0][0], processor.transform(to_image(image)), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("store", "runs"), [("device", 4), ("host", 4), ("auto", 4), ("recompute", 8)])
def test_the_network_runs_as_seldom_as_the_store_allows(store, runs):
    features = features_of(store, lambda image: [image.mean(1), image.amax(1)])
    answers = [[features.of(t) for t in (0, 0, 1, 2, 3)] for _ in range(2)]
    assert features.computed == runs
    for first, second in zip(*answers, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("gpu", "host", "expected"),
    [
        (None, 2000, "device"),
        (None, 1999, "recompute"),
        (2000, 0, "device"),
        (1999, 2000, "host"),
        (1999, 1999, "recompute"),
    ],
)
def test_waits_where_half_of_the_memory_is_enough(gpu, host, expected, monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda _: gpu)
    monkeypatch.setattr(module, "_free_host_bytes", lambda: host)
    kept = KeptFeatures("auto", frames=4, device=CPU)
    kept.keep(0, [torch.zeros(250, dtype=torch.uint8)])
    assert kept.store == expected


def test_the_machine_says_how_much_is_free():
    assert module._free_host_bytes() > 1 << 20


def test_closing_forgets_everything():
    features = features_of("device", lambda image: [image])
    features.of(0)
    features.close()
    assert len(features) == 0
    with pytest.raises(IndexError):
        features.of(0)
