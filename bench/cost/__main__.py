"""What a window costs on a GPU, estimated without one: arithmetic, bytes and calls of the real networks, and seconds.

`python -m bench.cost --json bench/results/cost.json` counts SAM3 (of both packages), SAM 3.1, Depth Anything 3 and
FastSAM at full size on tensors without numbers (a minute), composes them over frames, objects and prompt frames, and
turns them into seconds with a machine of three parameters: arithmetic that networks sustain, memory bandwidth, and the
time to dispatch one aten call. The first is fitted on the published speeds of SAM3 on one H100; those of SAM 3.1 are
predicted with it and held against the published ones. Then `python -m bench.report` writes docs/benchmarks.md.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.cost import multiplex
from bench.cost.composition import Sweeps, calls, cost, spread
from bench.cost.costs import Cost, Network
from bench.cost.machine import (
    ALTERNATIVES,
    ASSUMED,
    PEAKS,
    SAM3_FPS,
    SAM31_FPS,
    Machine,
    errors,
    fitted,
    machine_named,
    window_s,
)
from bench.cost.table import cost_section
from bench.timing import hardware
from fast_snow.atomic_files import store

FRAMES = 120
OBJECTS = (1, 16, 30, 64, 128)
STARTS = (1, 4, 10, 20)
END_TO_END_OBJECTS = 30
END_TO_END_STARTS = (1, 10)


class Tracker(NamedTuple):
    """A tracker and a way in which it carries objects of several prompt frames."""

    name: str
    sweeps: Sweeps
    batch: int
    about: str


TRACKERS = (
    Tracker("sam3", "apart", 64, "one sweep per prompt frame"),
    Tracker("sam3", "together", 64, "one sweep for all prompt frames"),
    Tracker("sam3-hf", "one by one", 1, "object by object"),
    Tracker("SAM 3.1", "together", 10**6, "buckets of 16 objects"),
)


def count() -> tuple[dict[str, Network], dict[str, Cost]]:
    """Count all networks: trackers, and what a frame of the others costs."""
    from bench.cost import others, sam3, sam3_hf

    upstream = sam3.count()
    trackers = {"sam3": upstream, "sam3-hf": sam3_hf.count(), "SAM 3.1": multiplex.network(upstream.detect)}
    frames = {"da3-small": others.da3("da3-small"), "da3-large": others.da3("da3-large")}
    return trackers, frames | {"FastSAM-s": others.fastsam("FastSAM-s")}


def held_against(machine: Machine, network: Network, *, sam31: bool = False) -> list[dict[str, float]]:
    """Return estimated speeds beside published ones."""
    published = SAM31_FPS if sam31 else SAM3_FPS
    return [
        {"objects": objects, "published": fps, "estimated": fps * (1 + error), "error": error}
        for (objects, fps), error in zip(published.items(), errors(machine, network, sam31=sam31), strict=True)
    ]


def alternatives(networks: Mapping[str, Network]) -> Iterator[dict[str, Any]]:
    """Yield how fit and prediction come out where the published speeds are taken to be of something else."""
    for assumed in (ASSUMED, *ALTERNATIVES):
        machine = fitted(networks["sam3"], assumed)
        yield {
            "about": assumed.about,
            "flop_per_s": machine.flop_per_s,
            "fit": errors(machine, networks["sam3"], assumed),
            "prediction": errors(machine, networks["SAM 3.1"], assumed, sam31=True),
        }


def windows(machine: Machine, networks: Mapping[str, Network]) -> Iterator[dict[str, Any]]:
    """Yield what a frame costs in every setting."""
    for tracker in TRACKERS:
        for starts in STARTS:
            for objects in OBJECTS:
                if starts <= objects:
                    yield _window(machine, networks[tracker.name], tracker, objects, starts)


def _window(machine: Machine, network: Network, tracker: Tracker, objects: int, starts: int) -> dict[str, Any]:
    made = calls(spread(objects, starts, FRAMES), FRAMES, tracker.sweeps, tracker.batch)
    total = cost(network, made) * (1 / FRAMES)
    return {
        "tracker": tracker.name,
        "sweeps": tracker.sweeps,
        "about": tracker.about,
        "objects": objects,
        "prompt_frames": starts,
        "tflop": total.total_flops / 1e12,
        "gigabytes": total.total_bytes / 1e9,
        "calls": total.calls,
        "frame_s": window_s(machine, network, made) / FRAMES,
    }


def end_to_end(machine: Machine, others: Mapping[str, Cost], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the frames per second of the three networks one after the other on one GPU, without decoding and graph."""
    beside = {name: machine.seconds(others[name]) for name in ("da3-small", "FastSAM-s")}
    rows = []
    for each in found:
        if each["objects"] == END_TO_END_OBJECTS and each["prompt_frames"] in END_TO_END_STARTS:
            frame_s = each["frame_s"] + sum(beside.values())
            named = {name: each[name] for name in ("tracker", "about", "prompt_frames")}
            rows.append({**named, "frame_s": frame_s, "stage_s": {**beside, "tracking": each["frame_s"]}})
    return rows


def estimate(machine_name: str) -> dict[str, Any]:
    """Count, fit, predict and compose; returns what goes into JSON."""
    networks, others = count()
    on_h100 = fitted(networks["sam3"])
    machine = machine_named(machine_name, on_h100)
    found = list(windows(machine, networks))
    return {
        "estimate": "nothing of this was measured on a GPU",
        "hardware": hardware("torch", "sam3", "transformers", "depth-anything-3", "ultralytics"),
        "frames": FRAMES,
        "machine": _as_json(machine),
        "peak": _as_json(PEAKS[machine_name]),
        "fit": held_against(on_h100, networks["sam3"]),
        "prediction": held_against(on_h100, networks["SAM 3.1"], sam31=True),
        "alternatives": list(alternatives(networks)),
        "networks": {name: each.as_json() for name, each in networks.items()},
        "others": {name: each.as_json() for name, each in others.items()},
        "windows": found,
        "end_to_end": end_to_end(machine, others, found),
    }


def _as_json(machine: Machine) -> dict[str, Any]:
    return {name: getattr(machine, name) for name in Machine.__slots__}


def main() -> None:
    """Print the tables, and write the counts and estimates where asked to."""
    parser = argparse.ArgumentParser(
        prog="bench.cost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="where counts and estimates go")
    parser.add_argument("--machine", choices=PEAKS, default="h100", help="GPU that times are estimated for")
    asked = parser.parse_args()
    results = estimate(asked.machine)
    print("\n\n".join(cost_section(results)))
    if asked.json is not None:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        store(asked.json, f"{json.dumps(results, indent=1)}\n".encode())


if __name__ == "__main__":
    main()
