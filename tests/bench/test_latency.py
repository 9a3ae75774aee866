"""The latency bench measures what it says, on a scene of a few frames."""

import numpy as np

from bench.latency import CONFIGS, Setting, clip, crowd, measured, settings
from fast_snow.synthetic.render import render
from fast_snow.synthetic.scene import SceneConfig


def test_settings_vary_one_thing_at_a_time():
    chosen = settings((30, 60), (2, 8), ("recorded",))
    assert [(each.frames, each.objects) for each in chosen] == [(30, 8), (60, 8), (60, 2)]


def test_every_object_of_a_crowd_is_seen_and_none_touches():
    crowded = crowd(9)
    scene = render(SceneConfig(size=(96, 128), frames=1, objects=crowded))
    assert (scene.visible[0] > 0).sum() >= 8  # one may hide behind another
    centre = np.array([each.path[0][1:3] for each in crowded])
    between = np.linalg.norm(centre[:, None] - centre[None], axis=-1) + np.eye(9) * 9
    assert between.min() > 2 * np.sqrt(2) * crowded[0].half_size[0]  # boxes are turned


def test_figures_of_given_masks():
    (found,) = measured([Setting(engines="recorded", frames=4, objects=2)], runs=2)
    assert found["tracks"] == 2
    assert len(found["wall"]["runs_s"]) == 2
    assert found["frames_per_second"] > 0
    assert set(found["stage_s"]) == {"decode", "geometry", "segment", "track", "fold"}
    assert sum(found["stage_s"].values()) > 0


def test_engines_that_find_everything_are_given_images_alone():
    assert clip(Setting(engines="classical", frames=1, objects=2), CONFIGS["classical"]).recording is None
    assert clip(Setting(engines="recorded", frames=1, objects=2), CONFIGS["recorded"]).recording is not None
