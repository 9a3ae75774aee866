"""Results that were made up, for reports and comparisons."""

from fast_snow.evaluation.outcome import Evaluation, Outcome

ABOUT = {
    "manifest": {"name": "small & <odd>", "sha256": "0" * 64},
    "systems": ["fast-snow", "snow"],
    "repeat": 2,
    "seed": 0,
    "warm_up": "warmed up",
    "peak_memory": "of a run",
    "config": {"runtime": {"seed": 0}},
    "versions": {"python": "3.11"},
    "hardware": {"processor": "some", "cores": 2, "memory_gib": 8.0, "system": "some", "gpus": []},
    "git_commit": None,
    "written": "2026-01-01T00:00:00+00:00",
}


def result(
    clip: str, system: str, repeat: int = 0, *, seconds: float = 1.0, idf1: float | None = 0.5, **more
) -> Outcome:
    """Return a run over ten frames, the last of which took half the time."""
    values = {
        "clip": clip,
        "system": system,
        "repeat": repeat,
        "frames": 10,
        "tracks": 3,
        "observations": 20,
        "wall_s": seconds,
        "frame_s": (*[seconds / 18] * 9, seconds / 2),
        "stage_s": {"decode": seconds / 4, "track": seconds / 2},
        "peak_bytes": 2**20,
        "graph_sha256": "same",
        "engines": {"tracker": "classical"},
        "metrics": {} if idf1 is None else {"idf1": idf1, "duplicate_ids": 0.0},
    }
    return Outcome(**(values | more))


def evaluation(*outcomes: Outcome, **about) -> Evaluation:
    return Evaluation(about=ABOUT | about, outcomes=outcomes)
