"""The classical tracker: follows prompted objects both ways, keeps passes apart, and finds what moves in real clips."""

from contextlib import closing, nullcontext
from functools import partial

import cv2
import numpy as np
import pytest

from fast_snow.config import ClassicalSegmenterConfig, ClassicalTrackerConfig, Config
from fast_snow.engines.classical.neighbour_flow import FlowStore
from fast_snow.engines.classical.segmentation.segmenter import open_segmenter
from fast_snow.engines.classical.tracking.tracker import open_tracker
from fast_snow.errors import InputError
from fast_snow.kernels.masks import decode, encode
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.types import BoxPrompt, MaskPrompt, PointPrompt, Window
from tests.engines.classical.scenes import (
    davis,
    flat_geometry,
    frames_of,
    grid_of,
    hard_scenes,
    iou,
    moving_disc,
    texture,
)


def track(images, grid, *passes, seed=0, threads=1, moves=None, **options):
    """Propagate once per list of prompts."""
    frames, flows = frames_of(images), FlowStore(seed)
    if moves is not None:
        flows.keep_moves(frames, moves)
    with (
        open_tracker(ClassicalTrackerConfig(), seed=seed, threads=threads, flows=flows, **options) as tracker,
        closing(tracker.start(frames, grid)) as session,
    ):
        answers = []
        for prompts in passes:
            session.add(prompts)
            answers.append(session.propagate())
        return answers


def masks_of(tracked, local_id):
    """The masklet as one dense mask per frame."""
    return [
        decode(each.masks)[each.local_id == local_id].any(axis=0) if local_id in each.local_id else None
        for each in tracked
    ]


def prompt_kinds(mask, frame):
    rows, columns = np.nonzero(mask)
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
    centre = np.array([columns.mean(), rows.mean()], np.float32)
    return {
        "mask": MaskPrompt(frame=frame, mask=encode(mask[None])),
        "box": BoxPrompt(frame=frame, box_xyxy=box),
        "point": PointPrompt(frame=frame, uv=centre),
    }


@pytest.mark.parametrize("kind", ["mask", "box", "point"])
def test_an_object_is_followed_forwards_and_backwards_from_its_prompt(kind):
    images, truth = moving_disc()
    (tracked,) = track(images, images.shape[1:3], [prompt_kinds(truth[4], 4)[kind]])
    followed = masks_of(tracked, 0)
    assert min(iou(mask, true) for mask, true in zip(followed, truth, strict=True)) > 0.75


def test_a_still_thing_of_the_same_colours_is_not_taken_along():
    images, truth = moving_disc(n=12)
    images = np.stack([np.roll(image, 4 * k, axis=1) for k, image in enumerate(images)])  # the background rests
    truth = np.stack([np.roll(mask, 4 * k, axis=1) for k, mask in enumerate(truth)])
    like = np.zeros_like(truth[0])
    like[82:110, 90:150] = True
    skin = texture(*like.shape, 1) // 3 + np.array([150, 20, 20], np.uint8)
    images = np.where((like & ~truth)[..., None], skin, images)
    (tracked,) = track(images, images.shape[1:3], [MaskPrompt(frame=0, mask=encode(truth[0][None]))])
    masks = masks_of(tracked, 0)
    assert max(np.mean(mask[like & ~true]) for mask, true in zip(masks, truth, strict=True)) < 0.02
    assert min(iou(mask, true) for mask, true in zip(masks, truth, strict=True)) > 0.95


def test_motion_sheds_what_stays_behind_and_says_nothing_of_what_rests():
    images, truth = moving_disc(n=3)
    around = np.stack([cv2.dilate(mask.astype(np.uint8), np.ones((13, 13), np.uint8)) > 0 for mask in truth])
    prompt = [MaskPrompt(frame=0, mask=encode(around[:1]))]

    def followed(moves):
        (tracked,) = track(images, images.shape[1:3], prompt, moves=moves)
        return masks_of(tracked, 0)

    alone = followed(None)
    moving = followed([np.where(mask, 1.0, -1.0).astype(np.float32) for mask in truth])
    assert iou(moving[2], truth[2]) > iou(alone[2], truth[2]) + 0.01
    resting = followed([np.full(truth[0].shape, -1.0, np.float32)] * 3)
    np.testing.assert_array_equal(resting[2], alone[2])


def test_a_second_pass_answers_for_its_own_objects_and_leaves_the_first_as_it_was():
    images, truth = moving_disc()
    still = np.zeros_like(truth[0])
    still[10:40, 140:180] = True
    grid = images.shape[1:3]
    disc, other = (MaskPrompt(frame=0, mask=encode(mask[None])) for mask in (truth[0], still))
    (alone,) = track(images, grid, [disc])
    first, second = track(images, grid, [disc], [other])
    for a, b, c in zip(alone, first, second, strict=True):
        np.testing.assert_array_equal(decode(a.masks), decode(b.masks))
        assert set(b.run_id.tolist()) <= {0}
        assert set(b.local_id.tolist()) <= {0}
        assert set(c.run_id.tolist()) <= {1}
        assert set(c.local_id.tolist()) <= {1}
    assert len(second[0]) == 1


def test_the_same_object_prompted_twice_in_one_pass_is_one_masklet():
    images, truth = moving_disc()
    prompts = [MaskPrompt(frame=frame, mask=encode(truth[frame][None])) for frame in (1, 5)]
    (tracked,) = track(images, images.shape[1:3], prompts)
    assert all(each.local_id.tolist() == [0] for each in tracked)


def test_an_object_that_leaves_the_image_ends():
    images, truth = moving_disc(n=24)
    (tracked,) = track(images, images.shape[1:3], [MaskPrompt(frame=0, mask=encode(truth[0][None]))])
    assert len(tracked[10]) == 1
    assert not truth[22].any()
    assert all(not len(each) for each in tracked[22:])


def test_no_prompts_and_prompts_without_pixels_give_empty_frames():
    images, truth = moving_disc(n=3)
    grid = images.shape[1:3]
    nothing = [
        MaskPrompt(frame=1, mask=encode(np.zeros_like(truth[:1]))),
        BoxPrompt(frame=0, box_xyxy=np.array([500, 500, 600, 600], np.float32)),
        PointPrompt(frame=2, uv=np.array([-9, 4], np.float32)),
    ]
    for answer in track(images, grid, [], nothing):
        assert [len(each) for each in answer] == [0, 0, 0]
        assert all(each.masks.shape == grid for each in answer)


def test_a_prompt_outside_the_window_is_refused():
    images, truth = moving_disc(n=3)
    with pytest.raises(InputError, match="got frame 3, expected 0 to 2"):
        track(images, images.shape[1:3], [MaskPrompt(frame=3, mask=encode(truth[:1]))])


@pytest.mark.parametrize("name", hard_scenes())
def test_no_input_is_refused(name):
    images = hard_scenes()[name]
    n, grid = len(images), images.shape[1:3]
    whole = np.ones((1, *grid), np.bool_)
    corner = np.zeros((1, *grid), np.bool_)
    corner[0, 0, 0] = True
    prompts = [
        MaskPrompt(frame=0, mask=encode(whole)),
        MaskPrompt(frame=n - 1, mask=encode(corner)),
        BoxPrompt(frame=0, box_xyxy=np.array([0, 0, grid[1], grid[0]], np.float32)),
        PointPrompt(frame=n - 1, uv=np.array([0, 0], np.float32)),
    ]
    (tracked,) = track(images, grid, prompts)
    assert len(tracked) == n
    for each in tracked:
        assert decode(each.masks).any(axis=(1, 2)).all()


def test_the_same_twice_whatever_the_number_of_threads():
    images, truth = moving_disc()
    prompts = [MaskPrompt(frame=frame, mask=encode(truth[frame][None])) for frame in (0, 6)]
    (first,), (second,) = (track(images, images.shape[1:3], prompts, seed=5, threads=threads) for threads in (1, 2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(decode(a.masks), decode(b.masks))
        np.testing.assert_array_equal(a.score, b.score)


# Mean IoU with the true mask over the clip, of the best masklet; measured 0.86, 0.79, 0.78 and 0.43.
LEAST = {"blackswan": 0.8, "car-shadow": 0.7, "horsejump-high": 0.7, "libby": 0.35}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAST)
def test_the_main_object_of_a_real_clip_is_found_and_followed(clips, name):
    images, truth = davis(clips / "davis" / name)
    grid, flows = grid_of(images), FlowStore(0)
    engines = EngineOpeners(
        geometry=lambda: nullcontext(lambda frames: flat_geometry(len(frames), grid)),
        segmenter=partial(open_segmenter, ClassicalSegmenterConfig(), seed=0, threads=2, flows=flows),
        tracker=partial(open_tracker, ClassicalTrackerConfig(), seed=0, threads=2, flows=flows),
    )
    perception = perceive(
        Window(index=0, frames=frames_of(images), shared=0),
        engines=engines,
        config=Config(),
    )
    overlap: dict[tuple[int, int], float] = {}
    for each, true in zip(perception.tracked, truth, strict=True):
        for run, local, mask in zip(each.run_id, each.local_id, decode(each.masks), strict=True):
            key = (int(run), int(local))
            overlap[key] = overlap.get(key, 0.0) + iou(mask, true) / len(truth)
    assert max(overlap.values()) > LEAST[name]


def test_every_sweep_counts_its_frames_once():
    images, truth = moving_disc()
    told = []
    with (
        open_tracker(ClassicalTrackerConfig(), seed=0, threads=1, progress=lambda *each: told.append(each)) as tracker,
        closing(tracker.start(frames_of(images), images.shape[1:3])) as session,
    ):
        for frame in (4, 2):
            session.add([prompt_kinds(truth[frame], frame)["mask"]])
            session.propagate()
    n = len(images)
    sweeps = [f"track: pass {number}, {way}" for number in (1, 2) for way in ("forward", "backward")]
    assert told == [(sweep, done, n) for sweep in sweeps for done in range(1, n + 1)]
