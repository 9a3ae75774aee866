"""Peak memory and time per frame over the length of a clip.

Run from the root of the repository: `python -m bench.memory --json bench/results/memory.json`. Each run is a process of
its own, so that its peak is its own. Frames are made when they are read, on a small grid: the counts of
frames, objects and observations are those of a real clip, the pixels are not. *Recorded*: depth, poses and masks are
given; *classical*: the engines without weights do all, which takes long and is asked for by `--classical`. The hour is
written as `fast-snow infer` does and read again in a process of its own.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Annotated, Any

import numpy as np
import tyro

import fast_snow
from bench.timing import hardware
from fast_snow import output
from fast_snow.api import steps
from fast_snow.config import Config, DepthFilterConfig, EnginesConfig
from fast_snow.inputs import Input, open_input
from fast_snow.inputs.recording import Recording
from fast_snow.keyframes import KeyframeImage
from fast_snow.peak_memory import peak_bytes
from fast_snow.pipeline import Step
from fast_snow.protocols import silent
from fast_snow.run_record import RunSummary, record, summarize_run
from fast_snow.selection import Engines, EngineUse, select_engines
from fast_snow.types import LabelledMasks

SIZE = 96, 160
FPS = 10
HOUR = 36_000
COLUMNS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one process does.

    Attributes:
        engines: recorded or classical; `load` reads the graph in `folder`.
        frames: of the clip.
        objects: in every frame.
        folder: where the run is written, as by `fast-snow infer`; if empty, it is kept as by `fast_snow.build_graph`.
    """

    engines: str
    frames: int = 0
    objects: int = 0
    folder: str = ""


def clip(frames: int, objects: int) -> Recording:
    """Return a recording that makes its frames when they are read: boxes that sway before a textured wall."""
    height, width = SIZE
    texture = np.random.default_rng(0).integers(0, 255, (height, 2 * width, 3), dtype=np.uint8)
    paint = np.random.default_rng(1).integers(40, 240, (objects + 1, 3), dtype=np.uint8)
    rows = -(-objects // COLUMNS)
    tall, wide = height // rows, width // COLUMNS

    def corner(k: int, i: int) -> tuple[int, int]:
        sway = round(2 + 2 * np.sin(i / 15 + k))
        return (k // COLUMNS) * tall + 2, (k % COLUMNS) * wide + sway

    @lru_cache(maxsize=256)  # of the frames of a window
    def ids(i: int) -> np.ndarray:
        labels = np.zeros(SIZE, np.int32)
        for k in range(objects):
            v, u = corner(k, i)
            labels[v : v + tall - 4, u : u + wide - 4] = k + 1
        return labels

    def color(i: int) -> np.ndarray:
        image = texture[:, i % width : i % width + width].copy()
        labels = ids(i)
        return np.where(labels[..., None] > 0, paint[labels], image)

    def depth(i: int) -> np.ndarray:
        labels = ids(i)
        return np.where(labels > 0, 3 + 0.02 * labels, 6).astype(np.float32)

    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, 0, 3] = 0.01 * np.arange(frames) % 5
    return Recording(
        name=f"{frames} frames",
        time=tuple(Fraction(i, FPS) for i in range(frames)),
        color_size=SIZE,
        read_color=color,
        read_depth=depth,
        read_ids=ids,
        T_world_camera=poses,
        intrinsics=np.array([[150.0, 0, width / 2], [0, 150, height / 2], [0, 0, 1]]),
    )


def run(case: Case) -> dict[str, Any]:
    """Run a case in this process; returns its figures."""
    if case.engines == "load":
        graph, cpu = fast_snow.load(case.folder), process_time()
        seen = sum(len(track.observations) for track in graph.tracks.values())
        return {**asdict(case), "frames": graph.num_frames, "observations": seen, "cpu_s": cpu, **_peak()}
    slot = case.engines
    config = Config(
        engines=EnginesConfig(geometry=slot, segmenter=slot, tracker=slot),
        depth_filter=DepthFilterConfig(min_points=10),
    )
    source = open_input(clip(case.frames, case.objects), config.sampling)
    if slot == "classical":
        source = replace(source, recording=None)
    if not case.folder:
        return {**asdict(case), **_timed(source, config, output.Spill().add)[1], **_peak()}
    with output.create(Path(case.folder)) as writer:
        (used, summary), figures = _timed(source, config, writer.add)
        writer.finish(summary.graph, record(source, config, used, summary, warnings=[], origin=None))
    return {**asdict(case), **figures, **_peak()}


Add = Callable[[Sequence[LabelledMasks], Sequence[KeyframeImage]], None]


def _timed(source: Input, config: Config, add: Add) -> tuple[tuple[Sequence[EngineUse], RunSummary], dict[str, Any]]:
    """Run a clip and hand on its masks and pictures; returns also the CPU time of a frame, over all threads."""
    selection = select_engines(source, config, Engines(), progress=silent)
    ended: list[tuple[int, float]] = []

    def keep(step: Step) -> None:
        add(step.state.labelled, step.keyframes)
        ended.append((len(step.state.labelled), process_time()))

    summary = summarize_run(steps(source, selection, config), config, keep)
    frames, at = np.array(ended).T
    each = np.diff(at) / frames[1:]
    halves = [float(np.median(half)) for half in np.array_split(each, 2) if len(half)]
    return (selection.used, summary), {"observations": summary.observations, "frame_cpu_s": halves}


def _peak() -> dict[str, Any]:
    return {"cpu_s": process_time(), "peak_bytes": peak_bytes()}


def cases(classical: bool, hour: bool, folder: Path) -> tuple[Case, ...]:
    """Return what is run, in order."""
    pairs = {"recorded": (1_200, 12_000, 30), **({"classical": (240, 1_200, 8)} if classical else {})}
    chosen = [
        Case(engines=engines, frames=frames, objects=objects)
        for engines, (*lengths, objects) in pairs.items()
        for frames in lengths
    ]
    if hour:
        written = str(folder / "hour")
        chosen += [
            Case(engines="recorded", frames=HOUR, objects=50, folder=written),
            Case(engines="load", folder=written),
        ]
    return tuple(chosen)


def main(
    case: str = "",
    json_path: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    classical: bool = False,
    hour: bool = True,
) -> None:
    """Measure and print; write all results so far to `json_path`, if given.

    Args:
        case: one of the processes: a `Case` as JSON.
        json_path: where the results go.
        classical: whether the engines without weights are measured too.
        hour: whether the hour is.
    """
    if case:
        print(json.dumps(run(Case(**json.loads(case)))))
        return
    results = []
    with TemporaryDirectory() as folder:
        for each in cases(classical, hour, Path(folder)):
            command = [sys.executable, "-m", "bench.memory", "--case", json.dumps(asdict(each))]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            results.append(json.loads(done.stdout))
            results[-1]["folder"] = Path(each.folder).name
            print(results[-1], flush=True)
            if json_path is not None:  # after each, because all together take hours
                report = {"hardware": hardware("numpy", "numba"), "results": results}
                json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
