"""SAM3 by transformers: what comes out equals what transformers' own calls answer, whatever is shared or forgotten."""

import gc
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

from fast_snow.config import Sam3Config  # noqa: E402
from fast_snow.engines.sam3.prompting import as_kind  # noqa: E402
from fast_snow.engines.sam3.transformers.masklets import Masklets  # noqa: E402
from fast_snow.engines.sam3.transformers.tracker import open_tracker  # noqa: E402
from fast_snow.errors import EngineError, FastSnowWarning, InputError  # noqa: E402
from fast_snow.kernels.masks import decode, encode  # noqa: E402
from fast_snow.protocols import Progress, silent  # noqa: E402
from fast_snow.types import BoxPrompt, MaskPrompt, PointPrompt, Prompt, TrackedFrame  # noqa: E402
from tests.engines.sam3.transformers.networks import GRID, SIDE, frames, network, save  # noqa: E402
from tests.engines.sam3.transformers.reference import tracked  # noqa: E402

LENGTH = 6


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Let tiny layers not wait for threads, and the garbage collector not look through all of transformers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.freeze()
    yield
    gc.unfreeze()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(network(), tmp_path_factory.mktemp("sam3"))


@pytest.fixture
def config(folder: Path) -> Sam3Config:
    return Sam3Config(model_path=str(folder))


def box(frame: int, *xyxy: float) -> BoxPrompt:
    return BoxPrompt(frame=frame, box_xyxy=np.array(xyxy, np.float32))


def point(frame: int, *uv: float) -> PointPrompt:
    return PointPrompt(frame=frame, uv=np.array(uv, np.float32))


def mask(frame: int, rows: slice, columns: slice) -> MaskPrompt:
    dense = np.zeros((1, *GRID), np.bool_)
    dense[0, rows, columns] = True
    return MaskPrompt(frame=frame, mask=encode(dense))


BOXES = (box(0, 5, 10, 20, 25), box(0, 20, 5, 40, 30), box(0, 1, 1, 12, 9))
POINTS = (point(3, 20, 12), point(3, 8, 30))
EARLY = (point(1, 20, 12), point(1, 8, 30))
MASKS = (mask(4, slice(8, 20), slice(10, 30)), mask(4, slice(20, 34), slice(2, 15)))


def run(config: Sam3Config, *rounds: Sequence[Prompt], progress: Progress = silent) -> list[Sequence[TrackedFrame]]:
    with open_tracker(config, device="cpu", progress=progress) as tracker:
        session = tracker.start(frames(LENGTH), GRID)
        answers = []
        for prompts in rounds:
            session.add(prompts)
            answers.append(session.propagate())
        session.close()
    return answers


def dense(answer: Sequence[TrackedFrame]) -> np.ndarray:
    return np.stack([decode(each.masks) for each in answer])


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Return the least intersection over union of masks in any frame."""
    return float(((a & b).sum((-2, -1)) / (a | b).sum((-2, -1))).min())


@pytest.mark.parametrize(
    "prompts", [BOXES, EARLY, MASKS], ids=["boxes", "points in the second frame", "masks near the end"]
)
def test_equals_transformers_own_calls(config: Sam3Config, prompts: Sequence[Prompt]) -> None:
    expected = tracked(network(), frames(LENGTH), prompts)
    given = Sam3Config(model_path=config.model_path, first_prompt="mask")

    (answer,) = run(given, prompts)

    np.testing.assert_array_equal(dense(answer), expected)
    areas = expected.mean((-2, -1))
    assert 0.02 < areas.min() < areas.max() < 0.9
    assert not (expected[:, 0] == expected[:, 1]).all((-2, -1)).any()
    for each in answer:
        np.testing.assert_array_equal(each.local_id, np.arange(len(prompts)))
        np.testing.assert_allclose(each.score, 1, atol=1e-3)


def test_prompts_in_several_frames_do_not_touch_each_other(config: Sam3Config) -> None:
    (together,) = run(config, (POINTS[0], *BOXES, POINTS[1]))
    order = [1, 2, 3]
    np.testing.assert_array_equal(dense(together)[:, order], tracked(network(), frames(LENGTH), BOXES))
    np.testing.assert_array_equal(dense(together)[:, [0, 4]], tracked(network(), frames(LENGTH), POINTS))


def test_a_second_round_follows_only_the_new_objects_with_the_features_of_the_first(config: Sam3Config) -> None:
    encoded: list[int] = []
    module = torch.nn.modules.module

    def count(layer: torch.nn.Module, *_: object) -> None:
        if type(layer).__name__ == "Sam3ViTModel":
            encoded.append(1)

    with module.register_module_forward_hook(count):
        first, second, third = run(config, BOXES[:2], (), POINTS)

    assert len(encoded) == LENGTH
    np.testing.assert_array_equal(dense(first), tracked(network(), frames(LENGTH), BOXES[:2]))
    np.testing.assert_array_equal(dense(third), tracked(network(), frames(LENGTH), POINTS))
    for t in range(LENGTH):
        assert len(second[t]) == 0
        assert second[t].masks.shape == GRID
        assert first[t].run_id.tolist() == [0, 0]
        assert third[t].run_id.tolist() == [2, 2]
        assert third[t].local_id.tolist() == [2, 3]


def test_masks_become_boxes_first_and_points_later(config: Sam3Config) -> None:
    as_masks = run(config, MASKS, MASKS)
    as_said = run(config, [as_kind(each, "box") for each in MASKS], [as_kind(each, "point") for each in MASKS])
    for answer, expected in zip(as_masks, as_said, strict=True):
        np.testing.assert_array_equal(dense(answer), dense(expected))


@pytest.mark.parametrize(("features", "offload"), [("device", False), ("host", True), ("recompute", False)])
def test_where_things_wait_changes_nothing(config: Sam3Config, features: str, offload: bool) -> None:
    expected = run(config, BOXES, POINTS)
    elsewhere = Sam3Config(
        model_path=config.model_path,
        features=features,  # type: ignore[arg-type]
        offload_state_to_cpu=offload,
        offload_video_to_cpu=offload,
    )
    for answer, same in zip(run(elsewhere, BOXES, POINTS), expected, strict=True):
        np.testing.assert_array_equal(dense(answer), dense(same))


def test_fewer_objects_at_once_give_the_same_masks(config: Sam3Config) -> None:
    prompts = (*BOXES, *POINTS)
    (expected,) = run(config, prompts)
    told: list[tuple[str, int, int]] = []

    (answer,) = run(
        Sam3Config(model_path=config.model_path, object_batch=2), prompts, progress=lambda *said: told.append(said)
    )

    assert agreement(dense(answer), dense(expected)) > 0.99
    assert told[-1] == ("SAM3", 21, 21)  # 6 for two boxes, 6 + 3 for a box and a point, 3 + 3 for the last point
    assert [done for _, done, _ in told] == list(range(1, 22))


def test_goes_on_with_fewer_objects_where_memory_runs_out(config: Sam3Config) -> None:
    (expected,) = run(config, BOXES)
    steps: list[int] = []

    def run_out_once(what: str, done: int, total: int) -> None:
        steps.append(done)
        if len(steps) == 3:
            raise torch.OutOfMemoryError

    with pytest.warns(FastSnowWarning, match="SAM3: objects at once: out of memory: retrying with 1"):
        (answer,) = run(config, BOXES, progress=run_out_once)

    assert agreement(dense(answer), dense(expected)) > 0.99


def test_bf16_equals_autocast_of_the_network_as_it_is(config: Sam3Config) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = tracked(network(), frames(LENGTH), BOXES)

    (answer,) = run(Sam3Config(model_path=config.model_path, precision="bf16"), BOXES)

    np.testing.assert_array_equal(dense(answer), expected)


def test_what_is_rather_absent_is_kept_where_the_threshold_lets_it(tmp_path: Path) -> None:
    module = network()
    head = module.mask_decoder.pred_obj_score_head.proj_out
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(-0.5)  # a score of 0.38
    config = Sam3Config(model_path=str(save(module, tmp_path)), score_threshold_detection=0.35)
    (kept,) = run(config, BOXES)
    assert [each.local_id.tolist() for each in kept] == [[0, 1, 2]] * LENGTH
    assert 0.02 < dense(kept).mean() < 0.9
    assert not (dense(kept)[0, 0] == dense(kept)[0, 1]).all()  # later frames start from the memory of nothing
    (none,) = run(replace(config, score_threshold_detection=0.5), BOXES)
    assert [len(each) for each in none] == [0] * LENGTH


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_near_single(config: Sam3Config, precision: str) -> None:
    single = tracked(network(), frames(LENGTH), BOXES)

    (answer,) = run(Sam3Config(model_path=config.model_path, precision=precision), BOXES)  # type: ignore[arg-type]

    assert (dense(answer) == single).mean() > 0.9
    assert (dense(answer) != single).any()


def test_memory_is_flat_in_the_length_of_the_window(config: Sam3Config) -> None:
    counts: list[int] = []

    def count(what: str, done: int, total: int) -> None:
        if done in {12, 18, 24}:
            counts.append(sum(each.numel() for each in gc.get_objects() if type(each) is torch.Tensor))

    with open_tracker(
        Sam3Config(model_path=config.model_path, features="recompute"), device="cpu", progress=count
    ) as tracker:
        session = tracker.start(frames(24), GRID)
        session.add([box(8, 5, 10, 20, 25), box(8, 20, 5, 40, 30)])
        session.propagate()
        session.close()

    early, middle, late = counts
    assert max(middle, late) - early < SIDE * SIDE  # not even one more mask at the network's resolution


def test_objects_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    folder = save(network(there=False), tmp_path)
    (answer,) = run(Sam3Config(model_path=str(folder)), BOXES)
    assert [len(each) for each in answer] == [0] * LENGTH


def test_objects_that_are_away_for_too_long_are_no_longer_looked_for(tmp_path: Path) -> None:
    """In each direction, until the patience is spent; each object discovered by itself goes by itself."""
    save(network(there=False), tmp_path)
    told: list[int] = []
    steps: list[int] = []
    original = Masklets.step
    with (
        pytest.MonkeyPatch.context() as patch,
        open_tracker(
            Sam3Config(model_path=str(tmp_path)), device="cpu", patience=2, progress=lambda *said: told.append(said[1])
        ) as tracker,
    ):
        patch.setattr(Masklets, "step", lambda self, t, **kw: steps.append(t) or original(self, t, **kw))
        session = tracker.start(frames(LENGTH), GRID)
        session.add([point(3, 20.0, 10.0), point(0, 9.0, 9.0)])
        assert all(len(each) == 0 for each in session.propagate())
    assert steps == [0, 1, 3, 4, 2, 1]  # of six frames: the first object in 0 and 1, the second from 3 on, then back
    assert told == sorted(told)


def test_nothing_to_follow(config: Sam3Config) -> None:
    nothing = mask(2, slice(0, 0), slice(0, 0))
    for answer in run(config, (), (nothing,)):
        assert len(answer) == LENGTH
        assert all(len(each) == 0 and each.masks.shape == GRID for each in answer)


def test_an_empty_mask_still_takes_a_number(config: Sam3Config) -> None:
    (answer,) = run(config, (mask(2, slice(0, 0), slice(0, 0)), BOXES[0]))
    assert all(each.local_id.tolist() == [1] for each in answer)


def test_one_frame(config: Sam3Config) -> None:
    with open_tracker(config, device="cpu") as tracker:
        session = tracker.start(frames(1), GRID)
        session.add(BOXES[:1])
        (only,) = session.propagate()
    assert only.local_id.tolist() == [0]


def test_closing_frees_everything(config: Sam3Config) -> None:
    alive: list[weakref.ref[object]] = []
    module = torch.nn.modules.module

    def watch(layer: torch.nn.Module, _: object, output: object) -> None:
        if type(layer).__name__ == "Sam3TrackerVideoModel":
            alive.append(weakref.ref(layer))
        if type(layer).__name__ == "Sam3FPNLayer":
            alive.append(weakref.ref(output))

    with module.register_module_forward_hook(watch), open_tracker(config, device="cpu") as tracker:
        session = tracker.start(frames(LENGTH), GRID)
        forgotten = tracker.start(frames(LENGTH), GRID)
        session.add(BOXES)
        session.propagate()
        session.close()
        session.close()
        assert any(each() is not None for each in alive)
    gc.collect()

    assert len(alive) > LENGTH
    assert all(each() is None for each in alive)
    with pytest.raises(EngineError, match="session was used after it was closed"):
        session.propagate()
    with pytest.raises(EngineError, match="session was used after it was closed"):
        forgotten.add(BOXES)
    with pytest.raises(EngineError, match="tracker was used after it was closed"):
        tracker.start(frames(LENGTH), GRID)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (box(LENGTH, 1, 1, 5, 5), "got frame 6, expected 0 to 5"),
        (box(-1, 1, 1, 5, 5), "got frame -1, expected 0 to 5"),
        (MaskPrompt(frame=0, mask=encode(np.ones((1, 4, 4), np.bool_))), r"on a grid of \(4, 4\), expected one"),
        (MaskPrompt(frame=0, mask=encode(np.ones((2, *GRID), np.bool_))), "got 2 masks"),
    ],
)
def test_refuses_prompts_outside_the_window(config: Sam3Config, prompt: Prompt, said: str) -> None:
    with open_tracker(config, device="cpu") as tracker:
        session = tracker.start(frames(LENGTH), GRID)
        with pytest.raises(InputError, match=said):
            session.add([prompt])
