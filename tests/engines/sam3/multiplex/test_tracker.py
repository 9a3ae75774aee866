"""Sessions of SAM 3.1's engine: passes, states, stores of features, memory that runs out, and what is left behind."""

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sam3.model.multiplex_utils", reason="needs the package sam3 built from its source: SAM 3.1")
pytestmark = pytest.mark.torch
from fast_snow.config import Sam3Config  # noqa: E402
from fast_snow.engines.sam3.multiplex import model  # noqa: E402
from fast_snow.engines.sam3.multiplex.network import MultiplexNetwork  # noqa: E402
from fast_snow.engines.sam3.multiplex.tracker import open_tracker, serving  # noqa: E402
from fast_snow.engines.torch_runtime import devices  # noqa: E402
from fast_snow.errors import EngineError, FastSnowWarning  # noqa: E402
from fast_snow.kernels.masks import decode  # noqa: E402
from fast_snow.protocols import Progress, silent  # noqa: E402
from fast_snow.types import Frames, Prompt, TrackedFrame  # noqa: E402
from tests.engines.sam3.multiplex.scenes import CPU, fresh_tracker, tiny_network, tiny_tracker  # noqa: E402
from tests.engines.sam3.package.scenes import GRID, box, mask, moving_shapes, one_thread, point  # noqa: E402, F401

CONFIG = Sam3Config(score_threshold_detection=0.0, first_prompt="mask", discovery_prompt="mask", features="device")
FIRST = [mask(0, 2, 2, 10, 12), mask(2, 14, 20, 22, 30), mask(2, 4, 16, 10, 24), mask(4, 12, 2, 20, 12)]
LATER: list[Prompt] = [point(3, 6, 7), box(1, 2, 2, 10, 12)]
FRAMES = moving_shapes(5)
Answers = Sequence[Sequence[TrackedFrame]]


def track(
    *passes: Sequence[Prompt], config: Sam3Config = CONFIG, progress: Progress = silent, frames: Frames = FRAMES
) -> Answers:
    with serving(tiny_network(), config, None, progress) as tracker:
        session = tracker.start(frames, GRID)
        answers = []
        for prompts in passes:
            session.add(prompts)
            answers.append(session.propagate())
        return answers


@cache
def usual() -> Answers:
    return track(FIRST, LATER)


def assert_equal(found: Sequence[TrackedFrame], expected: Sequence[TrackedFrame], *, shift: int = 0) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.local_id - shift, b.local_id)
        np.testing.assert_allclose(a.score, b.score, atol=1e-5)
        assert (decode(a.masks) != decode(b.masks)).mean() < 1e-3


def test_names_objects_by_pass_and_in_order() -> None:
    first, later = usual()
    assert [each.local_id.tolist() for each in first] == [[0, 1, 2, 3]] * 5
    assert [each.local_id.tolist() for each in later] == [[4, 5]] * 5
    assert [set(each.run_id.tolist()) for each in later] == [{1}] * 5
    for each in (*first, *later):
        assert ((each.score >= 0) & (each.score <= 1)).all()


def test_masks_that_prompt_are_given_back_but_where_they_overlap() -> None:
    (found,) = track([mask(1, 2, 2, 12, 14), mask(1, 8, 8, 20, 28)])
    inside = decode(found[1].masks)
    given = np.concatenate([decode(each.mask) for each in (mask(1, 2, 2, 12, 14), mask(1, 8, 8, 20, 28))])
    alone = given & (given.sum(axis=0) == 1)
    assert (inside != alone).mean() < 0.03  # borders, at the resolution of the network
    assert not inside[:, 9:11, 9:13].any()


def test_a_later_pass_is_as_if_it_were_alone() -> None:
    (alone,) = track(LATER)
    assert_equal(usual()[1], alone, shift=len(FIRST))


def test_objects_of_a_state_influence_each_other() -> None:
    """As upstream; where a state carries one object, it does not."""
    (alone,) = track([FIRST[1]])
    (separate,) = track(FIRST, config=replace(CONFIG, object_batch=1))
    expected, apart, together = ([decode(each.masks) for each in some] for some in (alone, separate, usual()[0]))
    assert all(np.array_equal(a[1], b[0]) for a, b in zip(apart, expected, strict=True))
    assert any(not np.array_equal(a[1], b[0]) for a, b in zip(together, expected, strict=True))


def test_backwards_is_forwards_in_a_mirror() -> None:
    mirrored = replace(FRAMES, image=np.ascontiguousarray(FRAMES.image[::-1]))
    prompts = [replace(each, frame=4 - each.frame) for each in FIRST]
    (found,) = track(prompts, frames=mirrored)
    assert_equal(found[::-1], usual()[0])


def test_image_features_are_computed_once_for_all_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    encode = MultiplexNetwork.encode

    def counted(self: MultiplexNetwork, image: Any) -> Any:
        computed.append(1)
        return encode(self, image)

    monkeypatch.setattr(MultiplexNetwork, "encode", counted)
    track(FIRST, LATER)
    assert len(computed) == len(FRAMES)


@pytest.mark.parametrize("store", ["host", "recompute"])
@pytest.mark.parametrize("on_host", [True, False])
def test_where_features_and_memory_wait_changes_nothing(store: Any, on_host: bool) -> None:
    config = replace(CONFIG, features=store, offload_video_to_cpu=on_host, offload_state_to_cpu=on_host)
    for found, expected in zip(track(FIRST, LATER, config=config), usual(), strict=True):
        assert_equal(found, expected)


def test_goes_on_with_smaller_states_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    follow, counted = MultiplexNetwork.follow, []

    def at_most_two(self: MultiplexNetwork, maps: Any, memory: Any, frame: int, **rest: Any) -> Any:
        if memory.objects > 2:
            raise torch.OutOfMemoryError
        return follow(self, maps, memory, frame, **rest)

    monkeypatch.setattr(MultiplexNetwork, "follow", at_most_two)
    with pytest.warns(FastSnowWarning, match=r"SAM 3\.1: objects per batch: out of memory: retrying with 2"):
        (found,) = track(FIRST, progress=lambda *each: counted.append(each))
    (expected,) = track(FIRST, config=replace(CONFIG, object_batch=2))
    assert_equal(found, expected)
    assert counted[-1] == ("SAM 3.1", 5, 5)


def test_a_state_is_left_when_all_its_objects_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    follow, steps = MultiplexNetwork.follow, []

    def unseen(self: MultiplexNetwork, *args: Any, **kw: Any) -> Any:
        seen = follow(self, *args, **kw)
        steps.append(args[2])
        return seen._replace(presence=torch.full_like(seen.presence, -9.0))

    monkeypatch.setattr(MultiplexNetwork, "follow", unseen)
    config = replace(CONFIG, score_threshold_detection=0.3)
    with serving(tiny_network(), config, 2) as tracker:
        session = tracker.start(moving_shapes(8), GRID)
        session.add([mask(0, 2, 2, 10, 12), mask(4, 14, 20, 22, 30)])
        session.propagate()
    assert steps == [1, 2, 3, 4, 5, 6, 3, 2]  # the second joins at 4: only from there on can all be gone


def test_one_frame_and_nothing_to_follow() -> None:
    (found,) = track([mask(0, 2, 2, 10, 12)], frames=moving_shapes(1))
    assert [each.local_id.tolist() for each in found] == [[0]]
    (found,) = track([])
    assert [len(each.local_id) for each in found] == [0] * 5


def test_memory_does_not_grow_with_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    follow = MultiplexNetwork.follow

    def measured(self: MultiplexNetwork, maps: Any, memory: Any, frame: int, **rest: Any) -> Any:
        held.append(memory.nbytes)
        return follow(self, maps, memory, frame, **rest)

    monkeypatch.setattr(MultiplexNetwork, "follow", measured)
    track([mask(0, 2, 2, 10, 12)], frames=moving_shapes(24))
    assert held[16] == held[-1]


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.1), ("fp16", 0.02)])
def test_every_precision(precision: Any, tolerance: float) -> None:
    network = MultiplexNetwork(tiny_tracker(), CPU, devices.precision(precision, CPU))
    with serving(network, CONFIG) as tracker:
        session = tracker.start(FRAMES, GRID)
        session.add(FIRST)
        found = session.propagate()
    differing = [(decode(a.masks) != decode(b.masks)).mean() for a, b in zip(found, usual()[0], strict=True)]
    assert np.mean(differing) < tolerance


def test_opens_with_weights_and_frees_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {
        ("detector." if name.startswith("backbone.") else "tracker.model.") + name: tensor.contiguous()
        for name, tensor in tiny_tracker().state_dict().items()
    }
    torch.save(weights, tmp_path / "sam3.1_multiplex.pt")
    built: list[Any] = []

    def untrained(_device: object) -> Any:
        tracker = fresh_tracker(seed=5)
        built.append(weakref.ref(tracker))
        return tracker

    monkeypatch.setattr(model, "untrained", untrained)
    with open_tracker(replace(CONFIG, model_path=str(tmp_path), precision="fp32"), device="cpu") as tracker:
        session = tracker.start(FRAMES, GRID)
        session.add(FIRST)
        assert_equal(session.propagate(), usual()[0])
    with pytest.raises(EngineError, match="used after it was closed"):
        session.propagate()
    del tracker, session
    gc.collect()
    assert built[0]() is None
