"""What a run gives in Python: it prints in one line and shows pictures in a notebook."""

import re
from base64 import b64decode

import cv2
import numpy as np
import pytest

import fast_snow
from fast_snow.errors import InputError
from fast_snow.synthetic.render import as_recording
from fast_snow.synthetic.scene import SceneConfig
from tests.scenes import rendered


@pytest.fixture(scope="module")
def result() -> fast_snow.Result:
    return fast_snow.build_graph(as_recording(rendered(SceneConfig(size=(120, 160), frames=8))))


def test_a_result_prints_in_one_line(result):
    assert re.fullmatch(r"Result\(SceneGraph\(8 frames, .*\), 1 keyframe\)", repr(result))


def test_a_picture_shows_the_objects_of_a_keyframe(result):
    picture = result.picture()
    plain = cv2.imdecode(np.frombuffer(result.keyframes[0].jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert picture.shape == plain.shape == (120, 160, 3)
    changed = (picture != plain).any(axis=2)
    objects = result.labelled[0].masks.to_dense().any(axis=0)
    assert changed[objects].mean() > 0.9
    assert changed[~objects].mean() < 0.2
    with pytest.raises(InputError, match=r"picture: got t=3, expected a keyframe, one of \[0\]"):
        result.picture(3)


def test_a_notebook_shows_picture_and_tracks(result):
    page = result._repr_html_()
    data = b64decode(re.search('base64,([^"]*)', page)[1])
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (120, 160, 3)
    assert page.count("<tr>") == len(result.graph.tracks) + 1
