"""The engine answers what upstream's own predictor answers, forwards and backwards, for every kind of prompt."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sam3")
pytestmark = pytest.mark.torch
from fast_snow.config import Sam3Config  # noqa: E402
from fast_snow.engines.sam3.images import network_images  # noqa: E402
from fast_snow.engines.sam3.package.tracker import serving  # noqa: E402
from fast_snow.engines.sam3.package.workarounds import on_device  # noqa: E402
from fast_snow.kernels.masks import decode  # noqa: E402
from fast_snow.types import BoxPrompt, Frames, MaskPrompt, PointPrompt, Prompt  # noqa: E402
from tests.engines.sam3.package.scenes import (  # noqa: E402
    CPU,
    GRID,
    SIDE,
    box,
    mask,
    moving_shapes,
    one_thread,  # noqa: F401 -- a fixture
    point,
    tiny_network,
    tiny_tracker,
)

AS_UPSTREAM = Sam3Config(score_threshold_detection=0.5, first_prompt="mask", features="device")


class Answer(NamedTuple):
    """Per frame and object."""

    inside: np.ndarray
    score: np.ndarray


class _MemoryInFp32:
    """Torch, for upstream's predictor, which stores memory as bf16 whatever it computes in."""

    bfloat16 = torch.float32

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def upstream(frames: Frames, prompts: Sequence[Prompt]) -> Answer:
    """Run upstream's predictor: prompts in one frame, then forwards, then backwards."""
    tracker, n = tiny_tracker(), len(frames)
    at = prompts[0].frame
    inside = np.zeros((n, len(prompts), *GRID), np.bool_)
    score = np.zeros((n, len(prompts)), np.float32)
    with on_device(CPU), patch.object(import_module(type(tracker).__module__), "torch", _MemoryInFp32()):
        state = tracker.init_state(video_height=GRID[0], video_width=GRID[1], num_frames=n, offload_state_to_cpu=True)
        state["images"] = _images(frames)
        for i, each in enumerate(prompts):
            _add(tracker, state, i, each)
        for reverse in (False, True):
            for t, _, _, logits, presence in tracker.propagate_in_video(
                state, at, n, reverse, tqdm_disable=True, propagate_preflight=True
            ):
                inside[t] = (logits[:, 0] > 0).numpy()
                score[t] = presence[:, 0].sigmoid().numpy()
    return Answer(inside, score)


def _images(frames: Frames) -> Any:
    prepared = network_images(frames.image, side=SIDE, device=CPU, on_host=True)
    return torch.stack([prepared[t] for t in range(len(frames))])


def _add(tracker: Any, state: Any, i: int, prompt: Prompt) -> None:
    size = np.array([GRID[1], GRID[0]], np.float32)
    match prompt:
        case BoxPrompt():
            relative = (prompt.box_xyxy.reshape(2, 2) / size).reshape(4)
            tracker.add_new_points_or_box(state, prompt.frame, i, box=torch.from_numpy(relative))
        case PointPrompt():
            centre = (prompt.uv + np.float32(0.5)) / size
            relative = torch.from_numpy(centre - np.float32(0.5 / SIDE))[None]
            tracker.add_new_points_or_box(
                state, prompt.frame, i, points=relative, labels=torch.ones(1, dtype=torch.int32)
            )
        case MaskPrompt():
            tracker.add_new_mask(state, prompt.frame, i, torch.tensor(decode(prompt.mask)[0]))


def engine(frames: Frames, prompts: Sequence[Prompt]) -> Answer:
    n = len(frames)
    inside = np.zeros((n, len(prompts), *GRID), np.bool_)
    score = np.full((n, len(prompts)), np.nan, np.float32)
    with serving(tiny_network(), AS_UPSTREAM) as tracker:
        session = tracker.start(frames, GRID)
        session.add(prompts)
        for t, each in enumerate(session.propagate()):
            inside[t, each.local_id] = decode(each.masks)
            score[t, each.local_id] = each.score
    return Answer(inside, score)


def assert_same(found: Answer, expected: Answer) -> None:
    visible = expected.inside.any(axis=(2, 3))
    np.testing.assert_array_equal(np.isfinite(found.score), visible)
    np.testing.assert_allclose(found.score[visible], expected.score[visible], atol=1e-5)
    assert (found.inside != expected.inside).mean() < 1e-4  # a logit may be next to zero


def assert_worth_comparing(answer: Answer) -> None:
    """Masks neither empty nor full, different from object to object and from frame to frame."""
    share = answer.inside.mean(axis=(2, 3))
    assert ((share > 0.02) & (share < 0.98)).mean() > 0.8
    assert all(not np.array_equal(a, b) for a, b in zip(answer.inside, answer.inside[1:], strict=False))
    objects = answer.inside.shape[1]
    for i in range(objects):
        for j in range(i):
            assert not np.array_equal(answer.inside[:, i], answer.inside[:, j])


@pytest.mark.parametrize(
    "prompts",
    [
        pytest.param([box(0, 2, 2, 10, 12), box(0, 20, 14, 30, 22), box(0, 0, 0, 31, 23)], id="boxes in the first"),
        pytest.param([point(3, 6, 7)], id="a point in a middle frame"),
        pytest.param([point(3, 6, 7), point(3, 20, 17)], id="points in a middle frame"),
        pytest.param([mask(2, 2, 2, 12, 14), mask(2, 8, 8, 20, 28)], id="overlapping masks"),
        pytest.param([mask(4, 2, 2, 12, 14), point(4, 20, 17), box(4, 2, 2, 10, 12)], id="mixed, in the last but one"),
        pytest.param([box(5, 2, 2, 10, 12)], id="a box in the last"),
    ],
)
def test_answers_as_upstream(prompts):
    frames = moving_shapes(6)
    expected = upstream(frames, prompts)
    assert_worth_comparing(expected)
    assert_same(engine(frames, prompts), expected)


@pytest.mark.parametrize("which", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_each_object_of_a_batch_is_as_upstream_has_it_alone(which, monkeypatch):
    """Prompted in different frames of a window longer than the memory; memory selection skips frames on both sides."""
    frames, prompts = moving_shapes(24), [point(18, 6, 7), box(15, 20, 14, 30, 22)]
    tracker = tiny_tracker()
    scores: list[float] = []
    kept = tracker.cal_mem_score
    monkeypatch.setattr(tracker, "cal_mem_score", lambda *args: scores.append(float(kept(*args))) or kept(*args))
    upstream(frames, [prompts[which]])
    monkeypatch.setattr(tracker, "mf_threshold", float(np.quantile(scores, 0.15)))
    before = len(scores)
    alone = upstream(frames, [prompts[which]])
    good = np.array(scores[before:]) > tracker.mf_threshold
    assert 3 < good.sum() < len(good) - 3
    together = engine(frames, prompts)
    assert_same(Answer(together.inside[:, [which]], together.score[:, [which]]), alone)
