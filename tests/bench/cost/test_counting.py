"""What is counted of known layers is what their formulas say, on tensors without numbers as on real ones."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sam3")
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from bench.cost.costs import network_from_json
from bench.cost.counting import Counting, counted, weight_bytes, without_numbers

pytestmark = pytest.mark.torch
RESULTS = Path(__file__).resolve().parents[3] / "bench/results/cost.json"
ROWS, WIDTH, OUT = 12, 32, 48


@pytest.mark.parametrize("inference", [False, True])
def test_a_linear_layer(inference: bool):
    with without_numbers(torch.float32):
        layer = torch.nn.Linear(WIDTH, OUT)
        x = torch.zeros(ROWS, WIDTH)
        with torch.inference_mode(inference):
            cost = counted(lambda: layer(x))
    assert cost.total_flops == 2 * ROWS * WIDTH * OUT
    assert cost.total_bytes == 4 * (ROWS * WIDTH + WIDTH * OUT + OUT + ROWS * OUT)
    assert cost.calls == 2  # the transposed weight and the product
    assert cost.flops["product"] == cost.total_flops


def test_attention_is_one_kernel_in_half_precision():
    heads, queries, keys, width = 2, 10, 30, 16
    with without_numbers():
        q, k, v = (torch.zeros(1, heads, n, width, dtype=torch.bfloat16) for n in (queries, keys, keys))
        cost = counted(lambda: functional.scaled_dot_product_attention(q, k, v))
    assert cost.flops["attention"] == 2 * heads * queries * keys * width * 2
    assert cost.bytes["attention"] < 4 * 2 * heads * (2 * queries + 2 * keys) * width  # no scores
    assert cost.total_flops == cost.flops["attention"]


def test_attention_inside_torch_is_one_kernel_too():
    with without_numbers():
        attention = torch.nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        x = torch.zeros(1, ROWS, WIDTH)
        cost = counted(lambda: attention(x, x, x, need_weights=False))
    assert cost.flops["attention"] == 4 * ROWS * ROWS * WIDTH


def test_a_convolution():
    with without_numbers(torch.float32):
        layer = torch.nn.Conv2d(3, 8, 3, padding=1)
        image = torch.zeros(1, 3, 10, 10)
        cost = counted(lambda: layer(image))
    assert cost.flops["convolution"] == cost.total_flops == 2 * 100 * 8 * 3 * 9


def test_counts_are_those_of_torchs_own_counter():
    network = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.Linear(16, 4))
    x = torch.zeros(5, 8)
    with torch.no_grad(), FlopCounterMode(display=False) as known:
        network(x)
    with torch.no_grad(), Counting() as counting:
        network(x)
    assert counting.cost.total_flops == known.get_total_flops()


def test_autocast_casts_weights_once():
    with without_numbers():
        layer = torch.nn.Linear(WIDTH, OUT)
        x = torch.zeros(ROWS, WIDTH, dtype=torch.bfloat16)
        assert counted(lambda: layer(x)).calls == 2


def test_views_and_expanded_rows_move_nothing():
    with torch.no_grad(), Counting() as counting:
        row = torch.zeros(1, 100)
        row.expand(1000, 100).transpose(0, 1)
        assert counting.cost.total_bytes <= 400  # the row itself
        row.expand(1000, 100).sum()
    assert counting.cost.total_bytes <= 400 + 404


def test_numbers_that_do_not_exist_are_answered():
    with without_numbers():
        some = torch.zeros(3)
        assert some.sum().item() == 1.0
        assert bool(some.any())


def test_bytes_of_weights():
    assert weight_bytes(torch.nn.Linear(8, 4)) == 2 * (8 * 4 + 4)


@pytest.mark.slow
def test_sam3_at_full_size_costs_what_is_committed():
    from bench.cost import sam3

    committed = network_from_json(json.loads(RESULTS.read_text())["networks"]["sam3"])
    found = sam3.count()
    assert found.weight_bytes == committed.weight_bytes
    for counts in ("start", "step"):
        for objects, cost in getattr(found, counts).items():
            assert cost.total_flops == pytest.approx(getattr(committed, counts)[objects].total_flops, rel=0.01)
            assert cost.total_bytes == pytest.approx(
                getattr(committed, counts)[objects].total_bytes, rel=0.2
            )  # torch varies
    assert found.encode.total_flops == pytest.approx(committed.encode.total_flops, rel=0.01)
