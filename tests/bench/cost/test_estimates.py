"""Costs add up, speeds follow from them, and what is committed follows from its own counts."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cost.__main__ import held_against, windows
from bench.cost.composition import calls, cost, spread
from bench.cost.costs import KINDS, NOTHING, Cost, Network, network_from_json
from bench.cost.machine import PEAKS, SAM3_FPS, Machine, fitted, frame_s, machine_named, window_s

RESULTS = json.loads((Path(__file__).resolve().parents[3] / "bench/results/cost.json").read_text())
MACHINE = Machine(name="some", flop_per_s=100.0, bytes_per_s=10.0, dispatch_s=1.0)


def made(calls: float = 0.0, flops: float = 0.0, rest: float = 0.0) -> Cost:
    return Cost(calls=calls, flops=NOTHING.flops | {"product": flops}, bytes=NOTHING.bytes | {"rest": rest})


def network(unit: int = 1) -> Network:
    start, step = ({n: made(calls=k, flops=float(n)) for n in (16, 32)} for k in (2.0, 3.0))
    return Network(weight_bytes=0.0, encode=made(calls=1.0), detect=NOTHING, start=start, step=step, unit=unit)


def test_costs_add_and_multiply():
    total = made(calls=1, flops=2, rest=3) + made(calls=10, flops=20, rest=30) * 2
    assert (total.calls, total.total_flops, total.total_bytes) == (21, 42, 63)


def test_a_component_grows_in_a_straight_line_or_in_buckets():
    assert network().of("step", 24).total_flops == pytest.approx(24)
    assert network().of("step", 64).total_flops == pytest.approx(64)
    assert network(unit=16).of("step", 17).total_flops == 32
    assert network().of("step", 24).calls == pytest.approx(3)
    assert network().of("encode", 24).calls == 1


def test_the_slower_of_dispatch_and_gpu_counts():
    assert MACHINE.seconds(made(calls=3, flops=100)) == 3  # 1 s of arithmetic
    assert MACHINE.seconds(made(calls=3, flops=500)) == 5
    assert MACHINE.seconds(made(calls=3, flops=500), made(calls=3, rest=10)) == 6
    assert MACHINE.device_s(made(flops=500, rest=20)) == 7  # two kinds of operation, one after the other


@pytest.mark.parametrize("sweeps", ["apart", "together", "one by one"])
def test_every_object_passes_every_frame_once(sweeps: str):
    counted = calls(spread(7, 3, 10), 10, sweeps, batch=2)
    objects = {
        kind: sum(m * times for (name, m), times in counted.items() if name == kind) for kind in ("start", "step")
    }
    assert objects == {"start": 7, "step": 7 * 9}
    assert counted["encode", 1] == 10


def test_shared_sweeps_need_fewer_steps():
    prompted = spread(30, 10, 120)
    steps = {
        sweeps: sum(times for (name, _), times in calls(prompted, 120, sweeps).items() if name == "step")
        for sweeps in ("apart", "together", "one by one")
    }
    assert steps == {"apart": 10 * 119, "together": 119 + 108, "one by one": 30 * 119}


def test_prompt_frames_are_spread_evenly():
    assert spread(5, 2, 8) == [0, 4, 0, 4, 0]
    assert spread(3, 1, 8) == [0, 0, 0]


def test_cost_and_seconds_of_calls_are_those_of_their_components():
    counted = calls([0] * 32, 3, "apart")
    assert cost(network(), counted).calls == 3 * 1 + 2 + 2 * 3
    assert window_s(MACHINE, network(), counted) == pytest.approx(3 + 2 + 2 * 3)


def test_the_fit_finds_the_machine_that_speeds_come_from(monkeypatch: pytest.MonkeyPatch):
    counted = network_from_json(RESULTS["networks"]["sam3"])
    known = replace(PEAKS["h100"], flop_per_s=989e12 * 0.4)
    monkeypatch.setattr("bench.cost.machine.SAM3_FPS", {m: 1 / frame_s(known, counted, m) for m in SAM3_FPS})
    assert fitted(counted).flop_per_s == pytest.approx(known.flop_per_s, rel=0.01)


def test_other_machines_sustain_the_same_share():
    half = replace(PEAKS["h100"], flop_per_s=PEAKS["h100"].flop_per_s / 2)
    assert machine_named("a100", half).flop_per_s == PEAKS["a100"].flop_per_s / 2
    assert machine_named("h100", half).flop_per_s == pytest.approx(half.flop_per_s)


def test_committed_estimates_follow_from_committed_counts():
    networks = {name: network_from_json(each) for name, each in RESULTS["networks"].items()}
    machine = fitted(networks["sam3"])
    assert machine.flop_per_s == pytest.approx(RESULTS["machine"]["flop_per_s"])
    machine = Machine(**RESULTS["machine"])
    assert_same(held_against(machine, networks["sam3"]), RESULTS["fit"])
    assert_same(held_against(machine, networks["SAM 3.1"], sam31=True), RESULTS["prediction"])
    assert_same(list(windows(machine, networks)), RESULTS["windows"])


def assert_same(found: list[dict], committed: list[dict]) -> None:
    assert len(found) == len(committed)
    assert all(each == pytest.approx(known) for each, known in zip(found, committed, strict=True))


def test_what_the_published_speeds_are_of_is_what_fits_those_of_sam3_best():
    misfits = [sum(math.log1p(error) ** 2 for error in each["fit"]) for each in RESULTS["alternatives"]]
    assert misfits[0] == min(misfits)


def test_speeds_that_were_not_fitted_are_predicted_within_a_third():
    assert all(abs(math.log1p(each["error"])) < math.log(4 / 3) for each in RESULTS["prediction"])


def test_one_step_of_sam3_costs_what_is_known_of_it():
    """5184 queries on 36,288 keys and 64 pointer tokens, four layers of width 256, and self-attention."""
    step = network_from_json(RESULTS["networks"]["sam3"]).of("step", 1)
    memory, own = 4 * 5184 * (7 * 5184 + 16 * 4) * 256, 4 * 5184**2 * 256
    assert step.flops["attention"] == pytest.approx(4 * (memory + own), rel=0.01)
    assert step.calls == pytest.approx(1160, rel=0.1)
    assert set(step.flops) == set(KINDS)
