"""Whether uncertainties are what they say, and whether static or moving is decided at the stated level, over seeds."""

import numpy as np
import pytest

from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.hypothesis_tests import LEVEL, LIKELY
from fast_snow.reasoning.tools.tool_answers import Grade
from tests.reasoning.tools.truth import centroids, example, made, noisy

STATIC_PLACES = {1: (-1.0, 0.2, 4.0), 2: (0.8, 0.1, 5.0), 3: (0.3, 0.4, 3.0), 4: (-0.4, 0.0, 6.0), 5: (1.2, 0.3, 4.5)}
NOISE = [(0.005, 0.02), *(pytest.param(*each, marks=pytest.mark.slow) for each in [(0.002, 0.005), (0.01, 0.05)])]
FRAMES = 40


def scene(*, speed=0.0):
    """Five boxes that rest and one that moves to the right at `speed` metres per frame."""
    still = {k: np.tile(place, (FRAMES, 1)) for k, place in STATIC_PLACES.items()}
    moving = np.array([-0.5, 0.3, 4.0]) + np.outer(np.arange(FRAMES) * speed, (1.0, 0.0, 0.0))
    return made({**still, 6: moving})


def shares(off_in_sigmas):
    off = np.abs(np.array(off_in_sigmas))
    return (off < 1).mean(), (off < 2).mean(), (off < 3).mean()


def asked(graph, across, along, seeds):
    return [noisy(graph, seed, across=across, along=along) for seed in range(seeds)]


@pytest.mark.parametrize(("across", "along"), NOISE)
def test_uncertainties_are_those_of_normal_errors(across, along):
    """One sigma holds in 68 %, two in 95 % and three in 99.7 % of cases; sigmas are themselves estimates."""
    graph = scene(speed=0.05)
    off = []
    for measured in asked(graph, across, along, 12):
        for k, t in ((1, 5), (3, 20), (6, 33)):
            truth = graph.tracks[k].observations[t].centroid
            answer = call_tool(measured, "position", {"object_id": k, "t": t})
            off += list((np.array(answer.value) - truth) / answer.sigma)
            distance = call_tool(measured, "distance", {"object_id": k, "other_id": 2, "t": t})
            between = np.linalg.norm(truth - graph.tracks[2].observations[t].centroid)
            off.append((distance.value - between) / distance.sigma)
        moved = call_tool(measured, "displacement", {"object_id": 6})
        off += list((np.array(moved.value) - (0.05 * (FRAMES - 1), 0, 0)) / moved.sigma)
    one, two, three = shares(off)
    assert 0.60 < one < 0.82
    assert 0.91 < two <= 1.0
    assert three > 0.98


@pytest.mark.slow
@pytest.mark.parametrize(("across", "along"), NOISE)
def test_speeds_do_not_miss_more_often_than_they_say(across, along):
    """Slow drift is allowed for, though there is none here: the uncertainty of a mean over time is on the safe side."""
    answers = [call_tool(each, "speed", {"object_id": 6}) for each in asked(scene(speed=0.05), across, along, 25)]
    velocity = np.array([each.figures[0].value for each in answers])
    sigma = np.array([each.figures[0].sigma for each in answers])
    _, two, three = shares((velocity - (0.5, 0, 0)) / sigma)
    assert two > 0.92
    assert three > 0.98
    assert np.median(sigma[:, 0]) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("across", "along"), NOISE)
def test_the_example_scenes_uncertainties_hold(across, along):
    """Real visible surfaces, of which another part shows from frame to frame: rather too careful than too bold."""
    truth_scene, graph = example()
    off = []
    for measured in asked(graph, across, along, 3):
        for k, track in graph.tracks.items():
            for t in {each.t for each in track.observations[::9]}:
                answer = call_tool(measured, "position", {"object_id": k, "t": t})
                off += list((np.array(answer.value) - centroids(truth_scene)[t, k - 1]) / answer.sigma)
    one, two, three = shares(off)
    assert 0.62 < one < 0.97
    assert two > 0.93
    assert three > 0.985


@pytest.mark.parametrize(("across", "along"), NOISE)
def test_what_rests_is_called_moving_about_as_seldom_as_the_level_says(across, along):
    answers = [
        call_tool(measured, "is_moving", {"object_id": k})
        for measured in asked(scene(), across, along, 15)
        for k in STATIC_PLACES
    ]
    moving = [each.grade for each in answers if each.value == "moving"]
    assert moving.count(Grade.STATED) <= 3 * LEVEL * len(answers)
    assert len(moving) <= 3 * LIKELY * len(answers)


@pytest.mark.parametrize(("across", "along"), NOISE)
def test_motion_is_found_once_it_is_well_beyond_the_noise(across, along):
    """Across the line of sight, over the whole clip by thirty times the noise of one frame."""
    speed = 30 * across * 4 / FRAMES
    answers = [
        call_tool(each, "is_moving", {"object_id": 6}).value for each in asked(scene(speed=speed), across, along, 10)
    ]
    assert answers == ["moving"] * 10


def test_motion_far_below_the_noise_is_not_claimed():
    answers = [
        call_tool(each, "is_moving", {"object_id": 6}).value
        for each in asked(scene(speed=0.01 / FRAMES), 0.01, 0.05, 10)
    ]
    assert answers.count("moving") <= 1


def test_slow_drift_that_resting_objects_share_is_no_motion():
    """Depth that grows by three per cent over the clip moves everything: nothing is called moving for it."""
    drift = 1 + 0.03 * np.linspace(-1, 1, FRAMES)[:, None]
    paths = {k: np.array(place) * drift for k, place in STATIC_PLACES.items()}
    paths[6] = np.array([-0.5, 0.3, 4.0]) * drift + np.outer(np.linspace(0, 2, FRAMES), (1, 0, 0))
    measured = noisy(made(paths), 0, across=0.001, along=0.003)
    answers = {k: call_tool(measured, "is_moving", {"object_id": k}).value for k in paths}
    assert answers == {**dict.fromkeys(STATIC_PLACES, "static"), 6: "moving"}
