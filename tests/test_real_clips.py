"""Real videos through the whole pipeline, from colour alone: what the graph's tracks are worth."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.occlusions import mots
from fast_snow.api import Result, build_graph
from fast_snow.config import Config, DepthFilterConfig, SamplingConfig, WindowConfig
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.kernels.masks import decode

# Mean IoU of the best track with the truth; measured 0.89, 0.75, 0.64 and 0.29.
CLIPS = ("blackswan", "car-shadow", "horsejump-high", "libby")
LEAST_MEAN, LEAST = 0.45, 0.2


def best_track(result: Result, truth: Path) -> float:
    """Return the mean IoU of the best track over the frames in which the object is visible; a missing mask counts 0."""
    source_frame = dict(zip(result.graph.ego.t.tolist(), result.graph.ego.source_frame.tolist(), strict=True))
    overlap: dict[int, float] = {}
    frames = 0
    for labelled in result.labelled:
        image = cv2.imread(str(truth / f"{source_frame[labelled.t]:05d}.png"), cv2.IMREAD_GRAYSCALE)
        true = cv2.resize(image, labelled.masks.shape[::-1], interpolation=cv2.INTER_NEAREST) > 127
        if not true.any():
            continue
        frames += 1
        for track, mask in zip(labelled.object_id.tolist(), decode(labelled.masks), strict=True):
            iou = np.count_nonzero(mask & true) / np.count_nonzero(mask | true)
            overlap[track] = overlap.get(track, 0.0) + iou
    return max(overlap.values()) / frames


@pytest.mark.parametrize(
    ("names", "frames"),
    [(CLIPS[:1], 10), pytest.param(CLIPS, None, marks=pytest.mark.slow)],
    ids=["the beginning of one", "all"],
)
def test_the_main_objects_of_real_clips_are_tracks(clips: Path, names: tuple[str, ...], frames: int | None):
    config = Config(sampling=SamplingConfig(max_frames=frames))
    folders = {name: clips / "davis" / name for name in names}
    found = {
        name: best_track(build_graph(folder / "video.mp4", config=config), folder / "gt")
        for name, folder in folders.items()
    }
    assert np.mean(list(found.values())) >= LEAST_MEAN, found
    assert min(found.values()) >= LEAST, found


@pytest.mark.slow
@pytest.mark.parametrize("held", ["depth and poses", "depth alone", "poses alone"])
def test_a_real_recording_with_part_of_its_truth_is_metric(clips: Path, tmp_path: Path, held: str):
    """The first and the last camera are as far apart as the recording says: to a tenth, however the rest is found."""
    source = clips / "redkitchen_dev"
    left_out = {"depth alone": ("poses_c2w.txt",), "poses alone": ("depth",)}.get(held, ())
    shutil.copytree(source, tmp_path, dirs_exist_ok=True, ignore=lambda *_: left_out)
    graph = build_graph(tmp_path).graph
    poses = np.loadtxt(source / "poses_c2w.txt").reshape(-1, 4, 4)
    assert graph.metric
    assert graph.tracks
    expected = np.linalg.norm(poses[-1, :3, 3] - poses[0, :3, 3])
    assert np.linalg.norm(graph.ego.position[-1] - graph.ego.position[0]) == pytest.approx(expected, rel=0.1)


@pytest.mark.slow
def test_annotated_people_keep_their_numbers_in_windows(clips: Path):
    known = mots(clips, coloured=False)
    recording = recording_from_arrays(
        known.image,
        14.0,
        depth=known.geometry.depth,
        ids=known.ids,
        T_world_camera=known.geometry.T_camera_world,  # at rest
        intrinsics=known.geometry.intrinsics[0],
    )
    config = Config(
        sampling=SamplingConfig(target_fps=14.0),
        window=WindowConfig(length=25, overlap=5),
        depth_filter=DepthFilterConfig(min_points=1),
    )
    result = build_graph(from_recording(recording, config.sampling), config=config)
    for each, ids in zip(result.labelled, known.ids, strict=True):
        assert sorted(each.object_id.tolist()) == [i for i in np.unique(ids).tolist() if i]
    assert all(track.source_id == number for number, track in result.graph.tracks.items())
