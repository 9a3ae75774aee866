"""SNOW over the synthetic scene with its own depth, over real clips, and what it shares with Fast-SNOW."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fast_snow.api import build_graph
from fast_snow.baselines.masks_from_points import LookAt, MasksOfPoints, choose_masks, open_colour_regions
from fast_snow.baselines.proposals import drop_repeats
from fast_snow.baselines.snow import SnowRun, snow
from fast_snow.baselines.snow_config import DEFAULT, SnowConfig
from fast_snow.config import Config, EnginesConfig, RuntimeConfig, SamplingConfig, WindowConfig
from fast_snow.errors import ConfigError
from fast_snow.inputs import Input, from_recording, open_input
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.masks import decode, encode
from fast_snow.output.graph_json import dumps, loads
from fast_snow.synthetic.render import SyntheticScene, as_recording
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import Detections, GridShape
from tests.building import boxes, detections
from tests.scenes import rendered

pytest.importorskip("sklearn")

CONFIG = Config(window=WindowConfig(length=8, overlap=3))
SETTINGS = SnowConfig(stride=3, masks="classical")


@pytest.fixture(scope="module")
def scene() -> SyntheticScene:
    return rendered(SceneConfig(size=(120, 160), frames=12))


def input_of(scene: SyntheticScene, config: Config = CONFIG) -> Input:
    return from_recording(as_recording(scene), config.sampling)


@pytest.fixture(scope="module")
def run(scene: SyntheticScene) -> SnowRun:
    return snow(input_of(scene), CONFIG, settings=SETTINGS)


@pytest.mark.slow
def test_the_camera_is_that_of_fast_snow(scene: SyntheticScene, run: SnowRun):
    """The same geometry engine, windows and alignment, to the bit."""
    config = replace(CONFIG, engines=EnginesConfig(segmenter="recorded", tracker="recorded"))
    graph = build_graph(input_of(scene), config=config).graph
    for name in ("t", "time_s", "position", "quaternion_xyzw", "intrinsics"):
        np.testing.assert_array_equal(getattr(run.graph.ego, name), getattr(graph.ego, name))
    assert run.graph.keyframes == graph.keyframes
    assert run.graph.metric


def test_the_graph_is_a_valid_document(run: SnowRun):
    text = dumps(run.graph)
    assert dumps(loads(text)) == text
    assert json.loads(text)["metadata"]["num_tracks"] == len(run.graph.tracks)


def test_every_frame_has_its_masks_edges_and_time(run: SnowRun):
    assert [each.t for each in run.labelled] == [each.t for each in run.relations] == list(range(12))
    assert len(run.frame_s) == 12
    assert (run.frame_s > 0).all()
    assert run.wall_s >= run.frame_s.sum() * 0.99
    for labelled, edges in zip(run.labelled, run.relations, strict=True):
        seen = labelled.object_id.tolist()
        assert len(set(seen)) == len(seen) == len(labelled.masks)
        assert set(edges.source.tolist()) | set(edges.target.tolist()) <= set(seen)
        assert {k for k, track in run.graph.tracks.items() for o in track.observations if o.t == labelled.t} == set(
            seen
        )


LARGE = 250
"""Pixels of an object that must be found."""


def tracks_on(scene: SyntheticScene, run: SnowRun) -> dict[int, list[int | None]]:
    """Return, for each object, the track whose mask fits it in each frame in which it is large, or None."""
    found: dict[int, list[int | None]] = {}
    for labelled in run.labelled:
        masks = decode(labelled.masks)
        for number in scene.object_id.tolist():
            truth = scene.ids[labelled.t] == number
            if truth.sum() < LARGE:
                continue
            iou = (masks & truth).sum(axis=(1, 2)) / (masks | truth).sum(axis=(1, 2))
            best = int(labelled.object_id[iou.argmax()]) if iou.max(initial=0) > 0.5 else None
            found.setdefault(number, []).append(best)
    return found


def test_with_exact_masks_almost_every_object_is_one_track(scene: SyntheticScene):
    """What is left is SNOW itself: points, clusters, prompts and association.

    Six seconds of motion in twelve frames: a ball that rolls out of its own mask from one frame to the next may be two.
    """

    @contextmanager
    def exact() -> Iterator[LookAt]:
        frame = iter(range(len(scene.ids)))

        def look(image: np.ndarray, grid: GridShape) -> MasksOfPoints:
            ids = scene.ids[next(frame)]

            def most_hit(points: np.ndarray) -> Detections:
                uv = points.astype(int)
                hit = [np.bincount(ids[each[:, 1], each[:, 0]]).argmax() for each in uv]
                masks = encode(np.array([(ids == number) & (number > 0) for number in hit]))
                return Detections(masks=masks, box_xyxy=bounding_boxes(masks), score=np.ones(len(masks), np.float32))

            return most_hit

        yield look

    run = snow(input_of(scene), CONFIG, settings=SETTINGS, masks=exact)
    tracks = tracks_on(scene, run)
    assert len(tracks) >= 5
    parts = [len(set(found) - {None}) for found in tracks.values()]
    assert min(parts) == 1, "every object is found"
    assert sum(parts) <= len(parts) + 1, f"objects are split: {tracks}"
    assert np.mean([each is not None for found in tracks.values() for each in found]) > 0.6, "clusters miss a third"


def test_colour_regions_find_some_objects(scene: SyntheticScene, run: SnowRun):
    shares = [np.mean([each is not None for each in found]) for found in tracks_on(scene, run).values()]
    assert max(shares) > 0.5


@pytest.mark.slow
def test_repeats_are_identical_and_the_seed_matters(scene: SyntheticScene, run: SnowRun):
    assert dumps(snow(input_of(scene), CONFIG, settings=SETTINGS).graph) == dumps(run.graph)
    phased = replace(CONFIG, runtime=RuntimeConfig(residency="phased"))
    assert dumps(snow(input_of(scene), phased, settings=SETTINGS).graph) == dumps(run.graph)
    other = replace(CONFIG, runtime=RuntimeConfig(seed=1))
    assert dumps(snow(input_of(scene), other, settings=SETTINGS).graph) != dumps(run.graph)


def test_windows_do_not_change_what_is_found(scene: SyntheticScene, run: SnowRun):
    """With recorded geometry, each frame's objects are the same however the clip is cut."""
    whole = snow(input_of(scene), replace(CONFIG, window=WindowConfig()), settings=SETTINGS)
    assert [each.object_id.tolist() for each in whole.labelled] == [each.object_id.tolist() for each in run.labelled]


def test_rounds_over_unassigned_points_find_more(scene: SyntheticScene, run: SnowRun):
    once = snow(input_of(scene), CONFIG, settings=replace(SETTINGS, rounds=0))
    count = [sum(len(each.object_id) for each in some.labelled) for some in (once, run)]
    assert count[0] < count[1]


def test_progress_counts_frames(scene: SyntheticScene):
    told: list[tuple[str, int, int]] = []
    snow(input_of(scene), CONFIG, settings=SETTINGS, progress=lambda *each: told.append(each))
    assert [each for each in told if each[0] == "SNOW"] == [("SNOW", k, 12) for k in range(1, 13)]


def test_no_depth_no_objects(scene: SyntheticScene):
    blind = replace(as_recording(scene), read_depth=lambda _: np.zeros((120, 160), np.float32))
    found = snow(from_recording(blind, CONFIG.sampling), Config(), settings=SETTINGS)
    assert len(found.graph.tracks) == 0
    assert found.graph.num_frames == 12
    assert len(found.labelled) == 12


def test_says_what_gave_the_masks(run: SnowRun):
    assert [(use.slot, use.name) for use in run.engines] == [("geometry", "recorded"), ("masks", "classical")]


def test_without_weights_auto_takes_colour_regions_and_says_why(tmp_path: Path):
    _, use = choose_masks(Config(), replace(DEFAULT, model_path=str(tmp_path)))
    assert use.name == "classical"
    (over,) = use.skipped
    assert over.name == "sam2"
    assert "config.json is missing" in over.why
    assert "fast-snow fetch-models sam2" in over.why


@pytest.mark.torch
def test_sam2_asked_for_without_weights_is_refused(tmp_path: Path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    with pytest.raises(ConfigError, match=r"snow.masks: sam2 needs weights in .*; or choose classical"):
        choose_masks(Config(), replace(DEFAULT, masks="sam2", model_path=str(tmp_path)))


@pytest.mark.torch
def test_sam2_gives_the_masks_where_it_is_asked_for(scene: SyntheticScene, tmp_path: Path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.engines.sam2.networks import network, save

    settings = replace(SETTINGS, masks="sam2", model_path=str(save(network(), tmp_path)))
    config = replace(CONFIG, sampling=SamplingConfig(max_frames=3), runtime=RuntimeConfig(device="cpu"))
    runs = [snow(input_of(scene, config), config, settings=settings) for _ in range(2)]
    assert [use.name for use in runs[0].engines] == ["recorded", "sam2"]
    assert sum(len(each.object_id) for each in runs[0].labelled) > 0
    assert dumps(runs[0].graph) == dumps(runs[1].graph)


def test_grown_masks_hold_a_thing_that_stands_out():
    image = np.full((90, 120, 3), (40, 90, 40), np.uint8)
    image[30:60, 40:80] = (200, 60, 60)
    points = np.array([[[45, 35], [70, 40], [60, 55], [50, 50]], [[5, 5], [110, 80], [10, 80], [100, 5]]], np.float32)
    with open_colour_regions() as look:
        found = look(image, (90, 120))(points)
    inside = decode(found.masks)
    truth = np.zeros((90, 120), bool)
    truth[30:60, 40:80] = True
    assert (inside[0] & truth).sum() / (inside[0] | truth).sum() > 0.9
    assert not inside[1].any(), "what fills most of the image is background"
    assert found.score[0] > 0.2


def test_of_repeats_the_best_stays():
    found = detections((0, 0, 10, 10), (0, 0, 10, 9), (20, 0, 30, 10), (12, 12, 20, 20), score=[0.5, 0.9, 0.3, 0.8])
    kept = drop_repeats(found, boxes((20, 0, 30, 10)), iou_thresh=0.7)
    np.testing.assert_allclose(kept.score, [0.9, 0.8])
    np.testing.assert_array_equal(kept.box_xyxy, [[0, 0, 10, 9], [12, 12, 20, 20]])


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["blackswan", "horsejump-high"])
def test_real_clips_repeat_bit_by_bit(clips: Path, clip: str):
    config = Config(sampling=SamplingConfig(max_frames=4, max_side=240))
    graphs = [
        snow(open_input(clips / "davis" / clip / "video.mp4", config.sampling), config, settings=SETTINGS).graph
        for _ in range(2)
    ]
    assert len(graphs[0].tracks) > 0
    assert graphs[0].num_frames == 4
    assert dumps(graphs[0]) == dumps(graphs[1])
