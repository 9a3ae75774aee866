"""Random rendered scenes through the engines without weights: no two tools contradict each other."""

import pytest

from bench.rendered_motion import outcomes, perceived, random_scene


@pytest.mark.slow
def test_tools_agree_on_what_the_engines_without_weights_make_of_a_video(tmp_path):
    scenes = [random_scene(seed) for seed in (1, 5, 17)]
    counted = [each for scene in scenes for each in outcomes(scene, *perceived(scene, tmp_path))]
    assert [each for each in counted if each.startswith("contradiction")] == []
    assert counted.count("resting") >= 4
    assert counted.count("resting: moving stated") == 0
    assert counted.count("moving: static stated") == 0
