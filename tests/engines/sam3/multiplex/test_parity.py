"""The engine answers what upstream's own predictor of SAM 3.1 answers, as it did once and as it does here."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sam3.model.multiplex_utils", reason="needs the package sam3 built from its source: SAM 3.1")
pytestmark = pytest.mark.torch
from fast_snow.config import Sam3Config  # noqa: E402
from fast_snow.engines.sam3.multiplex.tracker import serving  # noqa: E402
from fast_snow.kernels.masks import decode  # noqa: E402
from fast_snow.types import Frames, MaskPrompt  # noqa: E402
from tests.engines.sam3.multiplex.scenes import tiny_network, tiny_tracker, twenty_masks  # noqa: E402
from tests.engines.sam3.multiplex.upstream import Answer, load, upstream  # noqa: E402
from tests.engines.sam3.package.scenes import GRID, mask, moving_shapes, one_thread  # noqa: E402, F401

GOLDEN = Path(__file__).parents[3] / "golden" / "sam3.1-multiplex.json"
AS_UPSTREAM = Sam3Config(score_threshold_detection=0.5, first_prompt="mask", features="device", object_batch=64)


def engine(frames: Frames, prompts: Sequence[MaskPrompt]) -> Answer:
    inside = np.zeros((len(frames), len(prompts), *GRID), np.bool_)
    score = np.full((len(frames), len(prompts)), np.nan, np.float32)
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
    np.testing.assert_allclose(found.score[visible], expected.score[visible], atol=1e-4)
    assert (found.inside == expected.inside).mean() > 0.9999  # a logit may be next to zero


def assert_worth_comparing(answer: Answer) -> None:
    """Masks neither empty nor full but where the object is absent; different from object to object and in time."""
    share = answer.inside.mean(axis=(2, 3))
    assert (((share > 0.01) & (share < 0.98)) == (answer.score > 0.5)).mean() > 0.99
    assert 0.6 < (answer.score > 0.5).mean() < 0.95
    assert all(not np.array_equal(a, b) for a, b in zip(answer.inside, answer.inside[1:], strict=False))
    for i in range(answer.inside.shape[1]):
        for j in range(i):
            assert not np.array_equal(answer.inside[:, i], answer.inside[:, j])


def test_twenty_objects_that_join_in_different_frames() -> None:
    """Against the masks that upstream's predictor gave when the golden file was made."""
    expected = load(GOLDEN)
    assert_worth_comparing(expected)
    assert_same(engine(moving_shapes(20), twenty_masks()), expected)


@pytest.mark.parametrize(
    "prompts",
    [
        pytest.param([mask(3, 2, 2, 12, 14)], id="one in a middle frame"),
        pytest.param([mask(2, 2, 2, 12, 14), mask(2, 8, 8, 20, 28)], id="overlapping"),
        pytest.param(
            [mask(0, 0, k, 6, k + 5) for k in range(20)] + [mask(4, 8, 8, 20, 28)], id="two buckets and one more"
        ),
        pytest.param(
            [mask(0, 0, k, 6, k + 5) for k in range(15)] + [mask(4, 9, k, 20, k + 9) for k in (1, 9)], id="full"
        ),
    ],
)
def test_answers_as_upstream_does_here(prompts: Sequence[MaskPrompt]) -> None:
    frames = moving_shapes(9)
    assert_same(engine(frames, prompts), upstream(tiny_tracker(), frames, prompts))
