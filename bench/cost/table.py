"""The section on estimated cost in docs/benchmarks.md, made of `bench/results/cost.json`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.cost.costs import Cost, from_json, network_from_json
from bench.cost.machine import SAM3_FPS, SAM3_OPTIMISED_FPS, Machine
from bench.markdown import ms, table

AIM_FPS = 10
Results = Mapping[str, Any]


def cost_section(results: Results) -> list[str]:
    """Return the paragraphs and tables."""
    machine, peak = results["machine"], results["peak"]
    return [
        f"**Estimated, not measured: no GPU took part.** Three numbers stand for a GPU, here the {machine['name']}:"
        f" {machine['flop_per_s'] / 1e12:.0f} TFLOP/s that networks sustain in bf16 (fitted; the peak is"
        f" {peak['flop_per_s'] / 1e12:.0f}), {machine['bytes_per_s'] / 1e12:.2f} TB/s of memory (as NVIDIA states it)"
        f" and {1e6 * machine['dispatch_s']:.1f} µs to dispatch an aten call (the 1,160 of a tracking step take 6 ms)."
        " Work takes the longer of its dispatch and its time on the GPU; there, attention, products, convolutions and"
        " the rest each take the longer of arithmetic and memory. Counts are of the real networks at full size, on"
        " tensors without numbers, attention in one fused kernel; bytes are those that every call reads and writes,"
        " without a cache.",
        table(["component", "TFLOP", "GB", "aten calls", "estimated ms"], list(_components(results))),
        "Weights in bf16: "
        + ", ".join(f"{name} {each['weight_bytes'] / 1e9:.2f} GB" for name, each in results["networks"].items())
        + ". DA3 sees 120 frames of 280x504 at once, FastSAM frames of 576x1024.",
        table(["frames/s on one H100", "published", "estimated", "error"], list(_speeds(results))),
        "The sustained arithmetic is fitted on the three speeds of SAM3 alone (least squares of logarithms), those of"
        " SAM 3.1 are predicted. Both are taken to be of a whole system that finds objects by a text in every frame,"
        " with detection counted and association left out. " + _responsible(results),
        table(["if the published speeds are of", "TFLOP/s", "SAM3 off by", "SAM 3.1 off by"], list(_others(results))),
        "Errors with 1, 16 and 128 objects. The first row is used: SAM3's own speeds fit it best. Below, each component"
        " takes its own longer time, since trackers read a score back after each step; bringing masks to the grid and"
        " to the host is not counted.",
        table(
            ["work of a frame, one prompt frame", *(_objects_named(m) for m in _objects(results))],
            list(_work(results)),
        ),
        "TFLOP, GB and aten calls per frame.",
        table(
            [f"frames/s of tracking, window of {results['frames']}", *(_objects_named(m) for m in _objects(results))],
            list(_windows(results)),
        ),
        "Features of each frame are computed once, and every object passes through all frames. Prompt frames are spread"
        " evenly, and so are objects over them.",
        table(
            ["from end to end, 30 objects", "DA3 ms", "FastSAM ms", "tracking ms", "frames/s"], list(_whole(results))
        ),
        "One network after the other on one GPU; decoding and the graph run beside them."
        f" The aim is {AIM_FPS} frames/s.",
    ]


def _components(results: Results) -> Iterator[list[str]]:
    machine = Machine(**results["machine"])
    for name, content in results["networks"].items():
        network = network_from_json(content)
        yield _component(f"{name}: features of a frame", network.encode, machine)
        if name == "sam3":
            yield _component(f"{name}: detection by a text (not used here)", network.detect, machine)
        for what, counted in (("start", network.start), ("step", network.step)):
            for objects, cost in counted.items():
                yield _component(f"{name}: {what} of {_objects_named(objects)}", cost, machine)
    for name, content in results["others"].items():
        yield _component(f"{name}: a frame", from_json(content), machine)


def _component(name: str, cost: Cost, machine: Machine) -> list[str]:
    figures = f"{cost.total_flops / 1e12:.3f}", f"{cost.total_bytes / 1e9:.2f}", f"{cost.calls:.0f}"
    return [name, *figures, ms(machine.seconds(cost))]


def _speeds(results: Results) -> Iterator[list[str]]:
    for name, rows in (("SAM3, fitted", results["fit"]), ("SAM 3.1, predicted", results["prediction"])):
        for each in rows:
            figures = f"{each['published']:.1f}", f"{each['estimated']:.1f}", f"{each['error']:+.0%}"
            yield [f"{name}, {_objects_named(each['objects'])}", *figures]


def _others(results: Results) -> Iterator[list[str]]:
    for each in results["alternatives"]:
        errors = (", ".join(f"{error:+.0%}" for error in each[name]) for name in ("fit", "prediction"))
        yield [each["about"], f"{each['flop_per_s'] / 1e12:.0f}", *errors]


def _responsible(results: Results) -> str:
    """Name the part that takes longest where a prediction is furthest off."""
    worst = max(results["prediction"], key=lambda each: abs(each["error"]))
    machine, network = Machine(**results["machine"]), network_from_json(results["networks"]["SAM 3.1"])
    parts = {"features": network.encode, "detection": network.detect, "tracking": network.of("step", worst["objects"])}
    on_gpu = {name: machine.device_s(cost) for name, cost in parts.items()}
    dispatched = {name: cost.calls * machine.dispatch_s for name, cost in parts.items()}
    plain, optimised = SAM3_FPS[worst["objects"]], SAM3_OPTIMISED_FPS[worst["objects"]]
    listed = ", ".join(f"{name} {1e3 * on_gpu[name]:.1f} and {1e3 * dispatched[name]:.1f}" for name in parts)
    return (
        f"The furthest off, at {_objects_named(worst['objects'])}, is {worst['error']:+.0%}: ms on the"
        f" GPU and of dispatch are {listed}. SAM 3.1 is published with optimisations, compilation among them, that fuse"
        f" the calls counted here one by one: with them, its authors' SAM3 does {optimised:.1f} in place of {plain:.1f}"
        " frames/s with as many objects."
    )


def _objects_named(count: int) -> str:
    return f"{count} object{'s' * (count != 1)}"


def _objects(results: Results) -> list[int]:
    return sorted({each["objects"] for each in results["windows"]})


def _work(results: Results) -> Iterator[list[str]]:
    rows: dict[str, list[str]] = {}
    for each in results["windows"]:
        if each["prompt_frames"] == 1 and (each["tracker"], each["sweeps"]) != ("sam3", "together"):
            figures = f"{each['tflop']:.1f}, {each['gigabytes']:.0f}, {each['calls']:.0f}"
            rows.setdefault(each["tracker"], []).append(figures)
    return ([name, *cells] for name, cells in rows.items())


def _windows(results: Results) -> Iterator[list[str]]:
    rows: dict[tuple[str, str, int], dict[int, float]] = {}
    for each in results["windows"]:
        row = rows.setdefault((each["tracker"], each["about"], each["prompt_frames"]), {})
        row[each["objects"]] = 1 / each["frame_s"]
    for (tracker, about, starts), speeds in rows.items():
        cells = [f"{speeds[m]:.1f}" if m in speeds else "" for m in _objects(results)]
        yield [_row_name(tracker, about, starts), *cells]


def _row_name(tracker: str, about: str, starts: int) -> str:
    return f"{tracker}, {about}: {starts} prompt frame{'s' * (starts != 1)}"


def _whole(results: Results) -> Sequence[list[str]]:
    return [
        [
            _row_name(each["tracker"], each["about"], each["prompt_frames"]),
            *(ms(seconds) for seconds in each["stage_s"].values()),
            f"{1 / each['frame_s']:.1f}",
        ]
        for each in results["end_to_end"]
    ]
