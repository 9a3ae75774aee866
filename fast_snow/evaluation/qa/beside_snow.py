"""Arm S: the same questions about the graph that SNOW makes of the same video, and the verdict on ours beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fast_snow import keyframes, output
from fast_snow.config import Config
from fast_snow.evaluation.qa.grading import ScoreEstimate
from fast_snow.evaluation.qa.question import Arm
from fast_snow.inputs import open_input
from fast_snow.inputs.windows import windows

SNOW_RUNS: Final = "snow"
"""Folder below the runs in which SNOW's are, under the same names."""
ALLOWED_LOSS: Final = 0.03
"""The specification's criterion: no more than 3 points below SNOW."""


class Verdict(StrEnum):
    """Whether an arm is no more than `ALLOWED_LOSS` below SNOW."""

    PASS = "pass"
    FAIL = "fail"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideSnow:
    """An arm of ours beside SNOW's: ours less SNOW's in the overall score, with its paired 95 % interval.

    The difference is over the questions that both answered; None where there are none, or too few scenes for an
    interval.
    """

    arm: str
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict


def verdicts(names: Sequence[str], gaps: Mapping[tuple[str, str], Sequence[ScoreEstimate]]) -> tuple[BesideSnow, ...]:
    """Judge the arms that see our graph beside SNOW's, by how far the second of two columns is above the first.

    The overall score is last; without arm S nothing is judged.
    """
    if Arm.S.name not in names:
        return ()
    ours = [name for name in (Arm.A3.name, Arm.A4.name) if name in names]
    return tuple(_judged(name, gaps.get((name, Arm.S.name), ())) for name in ours)


def _judged(arm: str, gap: Sequence[ScoreEstimate]) -> BesideSnow:
    overall = gap[-1] if gap else None
    difference = None if overall is None else 0.0 - overall.value
    if overall is None or overall.low is None or overall.high is None:
        return BesideSnow(arm=arm, difference=difference, low=None, high=None, verdict=Verdict.NOT_MEASURED)
    low, high = 0.0 - overall.high, 0.0 - overall.low
    verdict = Verdict.PASS if low >= -ALLOWED_LOSS else Verdict.FAIL if high < -ALLOWED_LOSS else Verdict.NOT_MEASURED
    return BesideSnow(arm=arm, difference=difference, low=low, high=high, verdict=verdict)


def save_snow_run(video: Path, folder: Path, config: Config) -> None:
    """Run SNOW over a video and save its graph, masks and keyframes like a run of ours.

    Raises:
        UserError: the video or the configuration cannot be used, or the folder cannot be written.
        FastSnowError: an engine failed.
    """
    from fast_snow.baselines.snow import snow

    run = snow(open_input(video, config.sampling), config)
    every, quality = config.output.keyframe_every, config.output.jpeg_quality
    pictures = [
        picture
        for window in windows(open_input(video, config.sampling), config.window)
        for picture in keyframes.encode(window, every=every, jpeg_quality=quality)
    ]
    with output.create(folder, source=video) as writer:
        writer.add(run.labelled, pictures)
        engines = {use.slot: use.name for use in run.engines}
        writer.finish(
            run.graph, {"system": "SNOW", "engines": engines, "versions": {"fast-snow": version("fast-snow")}}
        )
