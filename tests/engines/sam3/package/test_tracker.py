"""Sessions of the engine on the package `sam3`: passes, batches, stores of features, and what is left behind."""

import gc
import weakref
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sam3")
pytestmark = pytest.mark.torch
from fast_snow.config import Sam3Config  # noqa: E402
from fast_snow.engines.sam3 import features as features_module  # noqa: E402
from fast_snow.engines.sam3.package import model  # noqa: E402
from fast_snow.engines.sam3.package import tracker as tracker_module  # noqa: E402
from fast_snow.engines.sam3.package.memory import MemoryBank  # noqa: E402
from fast_snow.engines.sam3.package.network import TrackingNetwork  # noqa: E402
from fast_snow.engines.sam3.package.tracker import open_tracker, serving  # noqa: E402
from fast_snow.engines.sam3.package.workarounds import compile_as_upstream, without_detector_neck  # noqa: E402
from fast_snow.engines.torch_runtime import devices  # noqa: E402
from fast_snow.errors import ConfigError, EngineError, FastSnowWarning, InputError  # noqa: E402
from fast_snow.kernels.masks import decode, encode  # noqa: E402
from fast_snow.protocols import silent  # noqa: E402
from fast_snow.types import MaskPrompt, Masks, TrackedFrame  # noqa: E402
from tests.engines.sam3.package.scenes import (  # noqa: E402
    CPU,
    GRID,
    box,
    fresh_tracker,
    mask,
    moving_shapes,
    one_thread,  # noqa: F401 -- a fixture
    point,
    tiny_network,
    tiny_tracker,
)

CONFIG = Sam3Config(score_threshold_detection=0.0, features="device")
FIRST = [box(0, 2, 2, 10, 12), box(0, 20, 14, 30, 22), box(0, 0, 0, 31, 23)]
LATER = [point(3, 6, 7), point(1, 20, 17)]
FRAMES = moving_shapes(5)


def track(*passes, config=CONFIG, patience=None, progress=silent, frames=FRAMES):
    with serving(tiny_network(), config, patience, progress) as tracker:
        session = tracker.start(frames, GRID)
        answers = []
        for prompts in passes:
            session.add(prompts)
            answers.append(session.propagate())
        return answers


@cache
def usual():
    return track(FIRST, LATER)


def assert_equal(found: TrackedFrame, expected: TrackedFrame, *, local_shift: int = 0, tolerance: float = 0.0) -> None:
    np.testing.assert_array_equal(found.local_id - local_shift, expected.local_id)
    np.testing.assert_allclose(found.score, expected.score, atol=tolerance)
    differing = (decode(found.masks) != decode(expected.masks)).mean() if len(found) else 0.0
    assert differing <= (1e-3 if tolerance else 0.0)


def test_names_objects_by_pass_and_in_order():
    first, later = usual()
    assert [set(each.run_id.tolist()) for each in first] == [{0}] * 5
    assert [set(each.run_id.tolist()) for each in later] == [{1}] * 5
    assert [each.local_id.tolist() for each in first] == [[0, 1, 2]] * 5
    assert [each.local_id.tolist() for each in later] == [[3, 4]] * 5
    for each in (*first, *later):
        assert each.masks.shape == GRID
        assert (np.diff(each.masks.offset) > 0).all()
        assert ((each.score >= 0) & (each.score <= 1)).all()


def test_a_later_pass_is_as_if_it_were_alone():
    """Partial propagation: only new objects are worked on, and what was found before has no influence on them."""
    _, later = usual()
    (alone,) = track(LATER)
    for found, expected in zip(later, alone, strict=True):
        assert_equal(found, expected, local_shift=len(FIRST))


def test_image_features_are_computed_once_for_all_passes(monkeypatch):
    seen = []
    encode_image = TrackingNetwork.encode
    monkeypatch.setattr(TrackingNetwork, "encode", lambda self, image: seen.append(1) or encode_image(self, image))
    track(FIRST, LATER)
    assert len(seen) == len(FRAMES)


def test_prompts_of_different_frames_do_not_influence_each_other():
    (together,) = track(LATER)
    alone = [track([each])[0] for each in LATER]
    for t, found in enumerate(together):
        joined = np.concatenate([decode(each[t].masks) for each in alone])
        np.testing.assert_array_equal(decode(found.masks), joined)


@pytest.mark.parametrize("store", ["auto", "host", "recompute"])
@pytest.mark.parametrize("frames_on_host", [True, False])
def test_where_features_wait_changes_nothing(store, frames_on_host):
    config = replace(CONFIG, features=store, offload_video_to_cpu=frames_on_host, offload_state_to_cpu=frames_on_host)
    expected, found = usual(), track(FIRST, LATER, config=config)
    for before, after in zip(expected, found, strict=True):
        for a, b in zip(after, before, strict=True):
            assert_equal(a, b)


@pytest.mark.parametrize("batch", [1, 2])
def test_batches_change_nothing_where_memory_selection_agrees(batch):
    expected, (found,) = usual()[0], track(FIRST, config=replace(CONFIG, object_batch=batch))
    for a, b in zip(found, expected, strict=True):
        assert_equal(a, b, tolerance=1e-4)


def exhausted(monkeypatch, error, *, step):
    """Let memory run out in the given step of every batch of more than one object; returns the batches, by size."""
    original, batches = tracker_module.sweep, []

    def sweep(scene, objects, *, tick):
        batches.append(len(objects))
        steps = 0

        def counted(count):
            nonlocal steps
            steps += 1
            if steps == step and len(objects) > 1:
                raise error
            tick(count)

        return original(scene, objects, tick=counted)

    monkeypatch.setattr(tracker_module, "sweep", sweep)
    return batches


def test_goes_on_with_smaller_batches_where_memory_runs_out(monkeypatch):
    expected, counted = usual()[0], []
    batches = exhausted(monkeypatch, torch.OutOfMemoryError(), step=3)
    with pytest.warns(FastSnowWarning, match="SAM3: objects per batch: out of memory: retrying with 1"):
        (found,) = track(FIRST, progress=lambda *each: counted.append(each))
    for a, b in zip(found, expected, strict=True):
        assert_equal(a, b, tolerance=1e-4)
    assert batches == [3, 1, 1, 1]
    assert counted[-1] == ("SAM3", 5, 5)


def test_the_batch_that_fitted_is_the_first_tried_in_the_next_pass(monkeypatch):
    error = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
    batches = exhausted(monkeypatch, error, step=1)
    with pytest.warns(FastSnowWarning, match="retrying with 1") as warned:
        track([*FIRST[:2], point(3, 6, 7)], [point(1, 6, 7), point(1, 20, 17)])
    assert len(warned) == 1
    assert batches == [3, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("length", [13, pytest.param(24, marks=pytest.mark.slow)])
def test_objects_of_all_prompt_frames_share_one_sweep(length, monkeypatch):
    """Twelve objects that are discovered one after the other: as many steps as the window has frames, not as each."""
    steps = []
    follow = TrackingNetwork.follow
    monkeypatch.setattr(
        TrackingNetwork, "follow", lambda self, *args, **kw: steps.append(len(args[1])) or follow(self, *args, **kw)
    )
    apart = length // 12
    prompts = [point(apart * i, 4 + 2 * i, 12) for i in range(12)]
    (found,) = track(prompts, frames=moving_shapes(length))
    assert len(steps) == (length - 1) + 11 * apart  # 45 for 24 frames; 12 * 23 = 276 where each has a sweep of its own
    assert sum(steps) == 12 * (length - 1)
    assert all(each.local_id.tolist() == list(range(12)) for each in found)


@pytest.mark.parametrize("mates", [pytest.param([2], marks=pytest.mark.slow), [0, 3]])
def test_batch_mates_change_nothing(mates):
    every = [point(0, 6, 7), point(3, 20, 17), box(6, 2, 2, 10, 12), mask(8, 8, 8, 20, 28)]
    frames = moving_shapes(11)
    (whole,) = track(every, frames=frames)
    (some,) = track([every[i] for i in mates], frames=frames)
    for found, expected in zip(some, whole, strict=True):
        np.testing.assert_allclose(found.score, expected.score[mates], atol=1e-4)
        assert (decode(found.masks) != decode(expected.masks)[mates]).mean() < 1e-4


@pytest.mark.parametrize(("gap", "comes_back"), [(3, True), (4, False)])
@pytest.mark.parametrize("prompted", [0, 11])
def test_an_object_that_is_away_for_too_long_leaves(gap, comes_back, prompted, monkeypatch):
    """Forwards and backwards; the gap begins two frames after the prompt."""
    length, follow, looked = 12, TrackingNetwork.follow, []

    def followed(self, maps, memories, *, num_frames):
        answer = follow(self, maps, memories, num_frames=num_frames)
        away = memories[0].pointers[0][0]
        looked.append(away)
        presence = torch.full_like(answer.seen.presence, -5.0 if 2 <= away < 2 + gap else 5.0)
        return answer._replace(seen=answer.seen._replace(presence=presence))

    monkeypatch.setattr(TrackingNetwork, "follow", followed)
    config = replace(CONFIG, score_threshold_detection=0.3)
    (found,) = track([point(prompted, 6, 7)], config=config, patience=4, frames=moving_shapes(length))
    seen = [abs(t - prompted) for t, each in enumerate(found) if len(each)]
    last = length - 1 if comes_back else 1 + gap
    assert looked == list(range(1, last + 1))
    assert sorted(seen) == [0, 1, *range(2 + gap, last + 1)]


@pytest.mark.slow
def test_masks_become_the_configured_prompt():
    given, kinds = [mask(0, 2, 2, 12, 14)], ("box", "point", "mask")
    answers = {kind: track(given, config=replace(CONFIG, first_prompt=kind))[0] for kind in kinds}
    np.testing.assert_array_equal(decode(answers["mask"][0].masks)[0], decode(given[0].mask)[0])
    assert_equal(answers["box"][2], track([box(0, 2, 2, 14, 12)])[0][2])
    later = [mask(2, 2, 2, 12, 14)]
    (_, as_point) = track([], later)
    (_, as_box) = track([], later, config=replace(CONFIG, discovery_prompt="box"))
    assert not np.array_equal(decode(as_point[2].masks), decode(as_box[2].masks))


def test_low_scores_are_dropped():
    every = usual()[0]
    bar = float(np.median(np.concatenate([each.score for each in every])))
    (some,) = track(FIRST, config=replace(CONFIG, score_threshold_detection=bar))
    expected = [each.local_id[each.score >= bar].tolist() for each in every]
    assert [each.local_id.tolist() for each in some] == expected
    assert 0 < sum(map(len, expected)) < 15


def with_presence(logit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the network answer with presence logits around a value."""
    last = tiny_tracker().sam_mask_decoder.pred_obj_score_head.layers[-1]
    monkeypatch.setattr(last.bias, "data", torch.full_like(last.bias, logit))


def test_an_absent_object_has_no_mask(monkeypatch):
    with_presence(-100.0, monkeypatch)
    (answer,) = track(FIRST, config=Sam3Config())
    assert [len(each) for each in answer] == [0] * 5


def test_what_is_rather_absent_is_kept_where_the_threshold_lets_it(monkeypatch):
    """Upstream has no mask where the score is below 0.5; memory is its own whatever the threshold."""
    with_presence(-0.5, monkeypatch)
    every = track(FIRST)[0]
    scores = np.concatenate([each.score for each in every])
    assert (scores < 0.5).sum() > 5
    assert [each.local_id.tolist() for each in every] == [[0, 1, 2]] * 5
    for threshold in (0.35, 0.5):
        (some,) = track(FIRST, config=replace(CONFIG, score_threshold_detection=threshold))
        for kept, each in zip(some, every, strict=True):
            assert kept.local_id.tolist() == each.local_id[each.score >= threshold].tolist()
            np.testing.assert_array_equal(decode(kept.masks), decode(each.masks)[each.score >= threshold])
    assert (scores >= 0.35).sum() > (scores >= 0.5).sum()


def test_no_prompts_and_empty_masks():
    nothing = MaskPrompt(frame=0, mask=encode(np.zeros((1, *GRID), np.bool_)))
    none, of_nothing, one = track([], [nothing], [point(0, 6, 7)])
    for each in (*none, *of_nothing):
        assert len(each) == 0
        assert each.masks.shape == Masks.empty(GRID).shape
    assert [each.local_id.tolist() for each in one] == [[1]] * 5
    assert {int(each.run_id[0]) for each in one} == {2}


def test_one_frame():
    (answer,) = track(FIRST, frames=moving_shapes(1))
    assert [each.local_id.tolist() for each in answer] == [[0, 1, 2]]


def test_tells_how_many_frames_are_done():
    told = []
    track(LATER, progress=lambda *each: told.append(each))
    assert {(what, total) for what, _, total in told} == {("SAM3", 5)}
    done = [each for _, each, _ in told]
    assert done == sorted(done)
    assert done[-1] == 5


@pytest.mark.parametrize("frame", [-1, 5])
def test_a_prompt_outside_the_window(frame):
    with pytest.raises(InputError, match=f"got frame {frame}, expected 0 to 4"):
        track([point(frame, 6, 7)])


def test_what_is_closed_cannot_be_used():
    with serving(tiny_network(), CONFIG) as tracker:
        session = tracker.start(FRAMES, GRID)
        session.close()
        session.close()
        for use in (session.propagate, lambda: session.add([])):
            with pytest.raises(EngineError, match="session was used after it was closed"):
                use()
        open_session = tracker.start(FRAMES, GRID)
    with pytest.raises(EngineError, match="session was used after it was closed"):
        open_session.propagate()
    with pytest.raises(EngineError, match="tracker was used after it was closed"):
        tracker.start(FRAMES, GRID)


def test_closing_frees_features_and_network(monkeypatch):
    network = TrackingNetwork(tiny_tracker(), CPU, torch.float32)
    kept = []
    encode_image = TrackingNetwork.encode
    monkeypatch.setattr(TrackingNetwork, "encode", lambda *args: kept.append(encode_image(*args)) or kept[-1])
    with serving(network, CONFIG) as tracker:
        session = tracker.start(FRAMES, GRID)
        session.add(FIRST)
        session.propagate()
        maps = [weakref.ref(each) for of_frame in kept for each in of_frame]
        kept.clear()
        assert all(each() is not None for each in maps)
        session.close()
        gc.collect()
        assert all(each() is None for each in maps)
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None


def test_opens_with_weights_and_frees_them(tmp_path, monkeypatch):
    named = {
        ("detector." if name.startswith("backbone.") else "tracker.") + name: tensor
        for name, tensor in tiny_tracker().state_dict().items()
    }
    torch.save(named, tmp_path / "sam3.pt")
    built = []

    def untrained(_):
        tracker = fresh_tracker(seed=5)
        built.append(weakref.ref(tracker))
        return tracker

    monkeypatch.setattr(model, "untrained", untrained)
    with open_tracker(replace(CONFIG, model_path=str(tmp_path)), device="cpu") as tracker:
        session = tracker.start(FRAMES, GRID)
        session.add(FIRST)
        found = session.propagate()
        assert built[0]() is not None
    assert built[0]() is None
    for a, b in zip(found, usual()[0], strict=True):
        assert_equal(a, b)


def test_open_tracker_without_weights(tmp_path):
    config = replace(CONFIG, model_path=str(tmp_path / "none"))
    with (
        pytest.raises(ConfigError, match=r"expected a folder with .*sam3\.pt; run fast-snow fetch-models"),
        open_tracker(config, device="cpu"),
    ):
        pass


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.0), ("bf16", 0.05), ("fp16", 0.05)])
def test_every_precision(precision, tolerance, monkeypatch):
    """A GPU's precisions are computed here too; of random weights only scores, not edges of masks, can be compared."""
    dtype = devices.precision(precision, CPU)
    maps, memories = set(), set()
    encode_image, remember = TrackingNetwork.encode, MemoryBank.remember

    def encode_noted(*args):
        found = encode_image(*args)
        maps.update(each.dtype for each in found)
        return found

    def remember_noted(bank, frame, remembered):
        memories.add(remembered.spatial.dtype)
        remember(bank, frame, remembered)

    monkeypatch.setattr(TrackingNetwork, "encode", encode_noted)
    monkeypatch.setattr(MemoryBank, "remember", remember_noted)
    with serving(TrackingNetwork(tiny_tracker(), CPU, dtype), CONFIG) as tracker:
        session = tracker.start(FRAMES, GRID)
        session.add(FIRST)
        found = session.propagate()
    assert maps == memories == {dtype}
    for a, b in zip(found, usual()[0], strict=True):
        assert a.local_id.tolist() == b.local_id.tolist()
        np.testing.assert_allclose(a.score, b.score, atol=tolerance)


def test_attention_in_fp8_needs_its_package():
    with (
        pytest.raises(ConfigError, match=r"sam3\.fp8_attention: got device cpu without FlashAttention 3"),
        open_tracker(replace(CONFIG, fp8_attention=True), device="cpu"),
    ):
        pass


def test_attention_in_fp8_is_the_packages_own(monkeypatch):
    """With a stand-in for the kernel, which needs a Hopper GPU: what reaches it, and where its answer goes."""
    from sam3.perflib import fa3

    asked = []

    def kernel(query, key, value):
        asked.append((query.shape[1], key.shape[1]))
        heads_second = (each.transpose(1, 2) for each in (query, key, value))
        return torch.nn.functional.scaled_dot_product_attention(*heads_second).transpose(1, 2)

    monkeypatch.setattr(fa3, "flash_attn_func", kernel)
    with serving(TrackingNetwork(tiny_tracker(), CPU, torch.float32, fp8_attention=True), CONFIG) as tracker:
        session = tracker.start(FRAMES, GRID)
        session.add(FIRST)
        found = session.propagate()
    for a, b in zip(found, usual()[0], strict=True):
        assert_equal(a, b, tolerance=1e-4)
    pixels = 64
    assert {queries for queries, _ in asked} == {pixels}
    assert len({keys for _, keys in asked}) == 5  # the frame itself, and one to four frames of memory


def test_the_features_of_the_detector_are_left_out():
    tracker = fresh_tracker(seed=3)
    image = torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    network = TrackingNetwork(tracker, CPU, torch.float32)
    with network.computing():
        before = network.encode(image)
        without_detector_neck(tracker)
        after = network.encode(image)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not [name for name, _ in tracker.named_parameters() if ".convs." in name and "sam2" not in name]


@pytest.mark.slow
def test_compiled_parts_answer_as_before():
    """Called as they are: what stands in for a GPU while tracking is in the compiler's way, and is not on a GPU."""
    plain, compiled = fresh_tracker(seed=0), fresh_tracker(seed=0)
    compile_as_upstream(compiled)
    generator = torch.Generator().manual_seed(0)
    features, masks = (torch.randn(shape, generator=generator) for shape in ((2, 64, 8, 8), (2, 1, 112, 112)))
    with torch.inference_mode():
        found, expected = (each.maskmem_backbone(features, masks)["vision_features"] for each in (compiled, plain))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert compiled.sam_mask_decoder.forward is not plain.sam_mask_decoder.forward


@pytest.mark.parametrize(("free", "on_host"), [(None, False), (1 << 20, True), (80 << 30, False)])
def test_where_memory_waits_by_itself(free, on_host, monkeypatch):
    monkeypatch.setattr(features_module, "free_bytes", lambda _: free)
    banks = []
    original = MemoryBank.__init__
    monkeypatch.setattr(
        MemoryBank, "__init__", lambda self, *args, **kw: banks.append(kw["on_host"]) or original(self, *args, **kw)
    )
    track(FIRST[:1], config=replace(CONFIG, offload_state_to_cpu="auto", object_batch=1))
    assert banks == [on_host]
