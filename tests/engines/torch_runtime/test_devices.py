"""The device that a setting names."""

import pytest

from fast_snow.errors import ConfigError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
from fast_snow.engines.torch_runtime import devices  # noqa: E402


def test_the_cpu_computes_in_fp32():
    assert devices.choose_device("cpu") == torch.device("cpu")
    assert devices.precision("auto", torch.device("cpu")) == torch.float32
    assert devices.precision("bf16", torch.device("cpu")) == torch.bfloat16


@pytest.mark.parametrize("name", ["gpu", "mps", "cuda:x", ""])
def test_a_device_of_another_kind_is_refused(name: str):
    with pytest.raises(ConfigError, match="expected auto, cpu, cuda or cuda:N"):
        devices.choose_device(name)


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"runtime\.device: got 'cuda:99', but torch .* sees \d+ CUDA devices"):
        devices.choose_device("cuda:99")
