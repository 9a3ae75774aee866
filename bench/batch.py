"""Throughput of a batch with one and with two workers, each with one thread; the graphs must be the same.

Run from the root of the repository: `python -m bench.batch --json bench/results/batch.json`. *Clips*: rendered scenes
of which only the images are given, so that the classical engines do all. *Long*: one recording whose depth, poses and
masks are given, so that reading and folding, which one process does, weigh most. `--ray` runs actors of a Ray cluster
on this machine in place of processes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import tyro

import fast_snow
from bench.memory import FPS, clip
from bench.timing import hardware
from fast_snow.config import Config
from fast_snow.inputs import open_input, recording_writer
from fast_snow.synthetic.files import write_video
from fast_snow.synthetic.render import render
from fast_snow.synthetic.scene import SceneConfig

_CONFIG = Config()
ONE_THREAD = replace(
    _CONFIG,
    runtime=replace(_CONFIG.runtime, device="cpu", threads=1),
    window=replace(_CONFIG.window, length=60, overlap=6),
    depth_filter=replace(_CONFIG.depth_filter, min_points=10),
)


def clips(folder: Path, count: int, frames: int) -> list[Path]:
    """Write videos of scenes that differ."""
    paths = [folder / f"scene-{seed:02d}.mp4" for seed in range(count)]
    for seed, path in enumerate(paths):
        write_video(render(SceneConfig(size=(180, 240), frames=frames, seed=seed)), path)
    return paths


def long_recording(folder: Path, frames: int) -> Path:
    """Write a recording of 30 objects."""
    every_frame = replace(_CONFIG.sampling, target_fps=FPS)
    recording_writer.write_recording(open_input(clip(frames, 30), every_frame), folder, depth_scale=5000.0)
    return folder


def compared(name: str, inputs: Sequence[Path], folder: Path, ray: bool) -> dict[str, Any]:
    """Run the same inputs with one and with two workers.

    Args:
        name: of the case.
        inputs: its videos.
        folder: where the runs go.
        ray: whether the workers are actors of Ray.

    Raises:
        SystemExit: a video failed, or the graphs differ.
    """
    runs: list[dict[str, Any]] = []
    files = []
    for workers in (1, 2):
        out = folder / f"{name}-{workers}"
        resources = fast_snow.Resources(workers=workers, ray="local" if ray else None)
        result = fast_snow.batch(list(inputs), out, config=ONE_THREAD, resources=resources)
        if failed := [f"{row.video}: {row.error}" for row in result.rows if row.status != "done"]:
            raise SystemExit("\n".join(failed))
        frames = sum(row.frames for row in result.rows)
        runs.append(
            {
                "workers": workers,
                "frames": frames,
                "wall_s": result.wall_s,
                "frames_per_second": frames / result.wall_s,
                "busy_share": result.busy_s / (workers * result.wall_s),
                "peak_bytes": result.peak_bytes,
            }
        )
        files.append({path.relative_to(out): path.read_bytes() for path in sorted(out.glob("*/4dsg.json"))})
    if files[0] != files[1] or len(files[0]) != len(inputs):
        raise SystemExit(f"{name}: the graphs of one and of two workers differ")
    ratio = runs[0]["wall_s"] / runs[1]["wall_s"]
    return {"case": name, "videos": len(inputs), "ratio": ratio, "lost": 1 - ratio / 2, "runs": runs}


def main(
    json_path: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    videos: int = 12,
    frames: int = 40,
    minutes: float = 20.0,
    ray: bool = False,
) -> None:
    """Measure and print.

    Args:
        json_path: where the results go.
        videos: number of clips.
        frames: of each clip.
        minutes: length of the long recording.
        ray: whether the workers are actors of Ray.
    """
    results = []
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        results.append(compared("clips", clips(folder, videos, frames), folder, ray))
        print(json.dumps(results[-1], indent=2), flush=True)
        recording = long_recording(folder / "recording", round(60 * FPS * minutes))
        results.append(compared("long", [recording], folder, ray))
        print(json.dumps(results[-1], indent=2), flush=True)
    if json_path is not None:
        about = {"config": asdict(ONE_THREAD.window), "workers": "actors of Ray" if ray else "processes"}
        report = {"hardware": hardware("numpy", "numba"), **about, "results": results}
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
