"""A folder in which the code of pages and docstrings runs: a tiny clip, the same as a recording, and a finished run."""

from pathlib import Path

import numpy as np
import pytest

import fast_snow
from fast_snow.synthetic.files import write_recording, write_video
from fast_snow.synthetic.scene import SceneConfig
from tests.scenes import rendered

SCENE = SceneConfig(size=(96, 128), frames=4)
CLIPS = ("video.mp4", "examples/scene.mp4")
"""Names that pages give to a clip."""


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the clip."""
    path = tmp_path_factory.mktemp("clip") / "video.mp4"
    write_video(rendered(SCENE), path)
    return path


@pytest.fixture(scope="session")
def _furnished(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    for name in CLIPS:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(clip.read_bytes())
    write_recording(rendered(SCENE), folder / "recording")
    result = fast_snow.build_graph(folder / "recording")
    result.save(folder / "out")
    result.save(folder / "out" / "scene")
    return folder


@pytest.fixture
def workplace(_furnished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into the folder."""
    monkeypatch.chdir(_furnished)
    return _furnished


@pytest.fixture
def given() -> dict[str, np.ndarray]:
    """Return what pages take as given: arrays of the reader's own."""
    scene = rendered(SCENE)
    return {"images": scene.image, "depth_m": scene.depth, "poses": scene.T_world_camera, "K": scene.intrinsics}
