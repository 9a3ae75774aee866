"""Each workaround does its work, and upstream still needs it: a test that fails here says which one can go."""

import importlib
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sam3")
pytestmark = pytest.mark.torch
from fast_snow.engines.sam3.package.workarounds import (  # noqa: E402
    built,
    chunked_attention,
    import_builder,
    on_device,
    parameters_without_values,
    stand_in_for_triton,
)
from tests.engines.sam3.package.scenes import (  # noqa: E402
    CPU,
    MEMORY_WIDTH,
    WIDTH,
    memory_attention,
    memory_encoder,
    one_thread,  # noqa: F401 -- a fixture
    tiny_tracker,
)

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="shows what goes wrong where there is no GPU")


def _attend_to_memory():
    plain = [torch.zeros(64, 1, WIDTH)]
    spatial = torch.zeros(1, MEMORY_WIDTH, 8, 8)
    prompted = {"maskmem_features": spatial, "maskmem_pos_enc": [spatial], "obj_ptr": torch.zeros(1, WIDTH)}
    memory = {"cond_frame_outputs": {0: prompted}, "non_cond_frame_outputs": {}}
    tiny_tracker()._prepare_memory_conditioned_features(1, False, plain, plain, [(8, 8)], memory, 2)


@without_gpu
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda builder: builder.PositionEmbeddingSine(64, precompute_resolution=64), id="device=cuda"),
        pytest.param(lambda _: tiny_tracker()._get_tpos_enc([1, 2], CPU, max_abs_pos=4), id="pin_memory"),
        pytest.param(lambda _: _attend_to_memory(), id="cuda()"),
    ],
)
def test_code_that_names_a_gpu_runs_on_a_cpu(call):
    builder = import_builder()
    with pytest.raises((AssertionError, RuntimeError)):
        call(builder)
    with on_device(CPU):
        call(builder)


def test_other_devices_stay_as_asked():
    with on_device(CPU):
        assert torch.zeros(1, device="meta").device.type == "meta"
        assert torch.zeros(1, device=None).device == CPU


class _Autocast(torch.autocast):
    """Counts how many autocasts are on."""

    entered = 0

    def __enter__(self):
        _Autocast.entered += 1
        return super().__enter__()

    def __exit__(self, *error):
        _Autocast.entered -= 1
        return super().__exit__(*error)


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'", "ignore:CUDA is not available")
def test_the_process_is_left_without_autocast(monkeypatch):
    builder = import_builder()
    monkeypatch.setattr(torch, "autocast", _Autocast)

    def build():
        return builder.Sam3TrackerPredictor(
            backbone=None,
            transformer=memory_attention(builder),
            maskmem_backbone=memory_encoder(builder),
            image_size=28,
        )

    with on_device(CPU):
        left_on = build()
    assert _Autocast.entered == 1
    left_on.bf16_context.__exit__(None, None, None)
    tracker = built(build, CPU)
    assert _Autocast.entered == 0
    assert not tracker.training


def test_parameters_without_values_come_with_buffers_that_have_them():
    original = torch.nn.Module.register_parameter
    with parameters_without_values():
        module = torch.nn.BatchNorm1d(3)
        module.frozen = torch.nn.Parameter(torch.zeros(2), requires_grad=False)
    assert {each.device.type for each in module.parameters()} == {"meta"}
    assert not module.frozen.requires_grad
    assert torch.equal(module.running_var, torch.ones(3))
    assert torch.nn.Module.register_parameter is original


def test_tracking_needs_no_triton(monkeypatch):
    import_builder()
    names = "sam3.model.edt", "sam3.model.sam3_tracker_utils"
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(ImportError, match="triton"):
        importlib.import_module(names[1])
    stand_in_for_triton()
    assert importlib.import_module(names[1]).get_1d_sine_pe
    monkeypatch.delitem(sys.modules, names[0])  # the stand-in; monkeypatch brings the original back


def test_import_keeps_the_precision_of_others():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    import_builder()
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


def test_upstream_switches_kernels_on_by_itself():
    from torch.nn.attention import SDPBackend, sdpa_kernel

    attention = import_builder().RoPEAttention(embedding_dim=8, num_heads=1, feat_sizes=(2, 2))
    with torch.inference_mode(), sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        attention.eval()(*torch.zeros(3, 1, 4, 8))
        assert torch.backends.cuda.math_sdp_enabled()


@pytest.mark.parametrize("scores", [1, 300, 1 << 20])
def test_attention_in_pieces_is_upstreams(scores):
    torch.manual_seed(1)
    attention = (
        import_builder()
        .RoPEAttention(embedding_dim=32, num_heads=1, kv_in_dim=16, rope_k_repeat=True, feat_sizes=(4, 4))
        .eval()
    )
    query, memory = torch.randn(2, 16, 32), torch.randn(2, 50, 16)
    with torch.inference_mode():
        expected = attention(query, memory, memory, num_k_exclude_rope=2)
        with chunked_attention(scores):
            found = attention(query, memory, memory, num_k_exclude_rope=2)
        again = attention(query, memory, memory, num_k_exclude_rope=2)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(again, expected)
