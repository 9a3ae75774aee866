"""Each workaround for the package of 2026 does its work, and upstream still needs it."""

import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sam3.model.multiplex_utils", reason="needs the package sam3 built from its source: SAM 3.1")
pytestmark = pytest.mark.torch
from fast_snow.engines.sam3.package.workarounds import any_attention_kernel, import_builder, on_device  # noqa: E402
from tests.engines.sam3.multiplex.scenes import CPU, SIDE, TOKENS, WIDTH, tiny_tracker  # noqa: E402


def test_the_image_encoder_computes_in_fp32() -> None:
    image = torch.zeros(1, 3, SIDE, SIDE)
    trunk = tiny_tracker().backbone.vision_backbone.trunk
    with torch.inference_mode():
        with pytest.raises(RuntimeError, match="same dtype"):
            trunk(image)
        with on_device(CPU):
            assert trunk(image)[-1].dtype == torch.float32


def test_attention_takes_any_kernel() -> None:
    attention = tiny_tracker().transformer.encoder.layers[0].cross_attention_rope
    query, memory = torch.rand(2, TOKENS**2, WIDTH), torch.rand(2, 3 * TOKENS**2 + 5, WIDTH)
    with torch.inference_mode():
        expected = attention(query, memory.clone(), memory, num_k_exclude_rope=5)  # keys are turned in place
        for fused in (True, False):
            with any_attention_kernel(fused=fused):
                found = attention(query, memory.clone(), memory, num_k_exclude_rope=5)
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_no_stand_in_is_left_for_pkg_resources() -> None:
    import_builder()
    assert getattr(sys.modules.get("pkg_resources"), "__spec__", True) is not None
