"""The verdict on our graph beside SNOW's, and the runs of SNOW that its arm shows."""

from pathlib import Path

import pytest

from fast_snow.api import load
from fast_snow.config import Config, SamplingConfig
from fast_snow.evaluation.qa.beside_snow import Verdict, save_snow_run, verdicts
from fast_snow.evaluation.qa.grading import ScoreEstimate
from fast_snow.reasoning.prompt.keyframe_images import keyframe_images


def gap(value, low, high):
    return (ScoreEstimate(name="overall", questions=9, points=0.0, value=value, low=low, high=high),)


@pytest.mark.parametrize(
    ("above", "low", "high", "verdict"),
    [
        (-0.02, -0.06, 0.02, Verdict.PASS),
        (0.02, 0.0, 0.03, Verdict.PASS),
        (0.1, 0.04, 0.16, Verdict.FAIL),
        (0.0, -0.1, 0.1, Verdict.NOT_MEASURED),
        (0.0, None, None, Verdict.NOT_MEASURED),
    ],
)
def test_ours_passes_where_the_whole_interval_is_at_most_three_points_below(above, low, high, verdict):
    """The gap is how far SNOW is above ours."""
    (judged,) = verdicts(["A1", "A3", "S"], {("A3", "S"): gap(above, low, high)})
    assert (judged.arm, judged.verdict, judged.difference) == ("A3", verdict, -above)
    if low is not None:
        assert (judged.low, judged.high) == (-high, -low)


def test_both_arms_with_our_graph_are_judged_and_nothing_without_snow():
    assert [each.arm for each in verdicts(["A3", "A4", "S"], {})] == ["A3", "A4"]
    assert {each.verdict for each in verdicts(["A3", "A4", "S"], {})} == {Verdict.NOT_MEASURED}
    assert verdicts(["A3", "A4"], {("A3", "A4"): gap(0.0, 0.0, 0.0)}) == ()


@pytest.mark.slow
def test_a_run_of_snow_is_shown_like_ours(clips: Path, tmp_path: Path):
    config = Config(sampling=SamplingConfig(max_frames=2, max_side=120))
    save_snow_run(clips / "davis" / "blackswan" / "video.mp4", tmp_path / "run", config)
    graph = load(tmp_path / "run")
    assert graph.num_frames == 2
    assert [each.name for each in keyframe_images(tmp_path / "run", graph, most=3)] == ["keyframe t=0"]
