"""Weights of SAM 3.1 under the names of the official checkpoint; that of the other network is refused by name."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
from fast_snow.engines.sam3.multiplex import model  # noqa: E402
from fast_snow.engines.sam3.package.checkpoint import SAM3_1, read, weights_file  # noqa: E402
from fast_snow.errors import ConfigError, EngineError, InputError  # noqa: E402
from fast_snow.selection.requirements import has_sam3_1  # noqa: E402

CPU = torch.device("cpu")
FILE = "sam3.1_multiplex.pt"


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"expected a folder with {FILE}; run fast-snow fetch-models sam3\.1, or"):
        weights_file(tmp_path, SAM3_1)


def test_only_those_of_sam3(tmp_path: Path) -> None:
    (tmp_path / "sam3.pt").touch()
    with pytest.raises(ConfigError, match=r"weights of SAM3 .*expected those of SAM 3\.1.*--engines\.tracker sam3$"):
        weights_file(tmp_path, SAM3_1)


def test_another_network_under_its_name(tmp_path: Path) -> None:
    torch.save({"tracker.no_mem_embed": torch.zeros(1, 1, 4)}, tmp_path / FILE)
    with pytest.raises(InputError, match=r"weights of SAM3 .*expected those of SAM 3\.1.*--engines\.tracker sam3$"):
        read(tmp_path / FILE, SAM3_1)


def test_the_trackers_weights_are_read(tmp_path: Path) -> None:
    shared = "detector.backbone.vision_backbone.convs.0.weight"
    names = ("tracker.model.maskmem_tpos_enc", shared, "detector.transformer.decoder.weight")
    torch.save({"model": {name: torch.zeros(2) for name in names}}, tmp_path / FILE)
    assert set(read(tmp_path / FILE, SAM3_1)) == {"maskmem_tpos_enc", "backbone.vision_backbone.convs.0.weight"}


@pytest.mark.skipif(not has_sam3_1(), reason="the package sam3 has SAM 3.1")
def test_the_package_of_pypi_is_refused() -> None:
    pytest.importorskip("sam3")
    with pytest.raises(EngineError, match=r"one without SAM 3\.1; install it from its source \(docs/models\.md\)$"):
        model.untrained(CPU)


def test_loads_the_official_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sam3.model.multiplex_utils", reason="needs the package sam3 built from its source: SAM 3.1")
    from tests.engines.sam3.multiplex.scenes import fresh_tracker, tiny_tracker

    def official(tracker: Any) -> dict[str, Any]:
        return {
            ("detector." if name.startswith("backbone.") else "tracker.model.") + name: tensor.contiguous()
            for name, tensor in tracker.state_dict().items()
        }

    monkeypatch.setattr(model, "untrained", lambda _: fresh_tracker(seed=5))
    torch.save({"model": official(tiny_tracker())}, tmp_path / FILE)
    loaded, expected = model.load(str(tmp_path), CPU).state_dict(), tiny_tracker().state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)
    assert any(not torch.equal(each, expected[name]) for name, each in fresh_tracker(5).state_dict().items())
