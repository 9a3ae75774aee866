"""EdgeTAM: what comes out equals what transformers' own calls answer, whatever is shared or forgotten."""

import gc
import json
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("timm")
pytestmark = pytest.mark.torch

from fast_snow.config import EdgeTamConfig  # noqa: E402
from fast_snow.engines.edgetam.tracker import open_tracker  # noqa: E402
from fast_snow.errors import ConfigError, EngineError, FastSnowWarning  # noqa: E402
from fast_snow.kernels.masks import decode, encode  # noqa: E402
from fast_snow.protocols import Progress, silent  # noqa: E402
from fast_snow.types import BoxPrompt, MaskPrompt, PointPrompt, Prompt, TrackedFrame  # noqa: E402
from tests.engines.edgetam.networks import SIDE, network, processor, save  # noqa: E402
from tests.engines.sam3.transformers.networks import GRID, frames  # noqa: E402
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
    return save(network(), tmp_path_factory.mktemp("edgetam"))


@pytest.fixture
def config(folder: Path) -> EdgeTamConfig:
    return EdgeTamConfig(model_path=str(folder))


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


def run(config: EdgeTamConfig, *rounds: Sequence[Prompt], progress: Progress = silent) -> list[Sequence[TrackedFrame]]:
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


def reference(prompts: Sequence[Prompt]) -> np.ndarray:
    return tracked(network(), frames(LENGTH), prompts, processor())


@pytest.mark.parametrize(
    "prompts", [BOXES, EARLY, MASKS], ids=["boxes", "points in the second frame", "masks near the end"]
)
def test_equals_transformers_own_calls(config: EdgeTamConfig, prompts: Sequence[Prompt]) -> None:
    expected = reference(prompts)

    (answer,) = run(replace(config, first_prompt="mask"), prompts)

    np.testing.assert_array_equal(dense(answer), expected)
    areas = expected.mean((-2, -1))
    assert 0.02 < areas.min() < areas.max() < 0.9
    assert not (expected[:, 0] == expected[:, 1]).all((-2, -1)).any()
    for each in answer:
        np.testing.assert_array_equal(each.local_id, np.arange(len(prompts)))
        np.testing.assert_allclose(each.score, 1, atol=1e-3)


def test_prompts_in_several_frames_do_not_touch_each_other(config: EdgeTamConfig) -> None:
    (together,) = run(config, (POINTS[0], *BOXES, POINTS[1]))
    np.testing.assert_array_equal(dense(together)[:, [1, 2, 3]], reference(BOXES))
    np.testing.assert_array_equal(dense(together)[:, [0, 4]], reference(POINTS))


@pytest.mark.parametrize(
    ("features", "times"),
    [("device", LENGTH), pytest.param("host", LENGTH, marks=pytest.mark.slow), ("recompute", 3 * LENGTH)],
)
def test_images_are_encoded_once_for_all_objects_passes_and_rounds(
    config: EdgeTamConfig, features: str, times: int
) -> None:
    encoded: list[int] = []

    def count(layer: torch.nn.Module, *_: object) -> None:
        if type(layer).__name__ == "EdgeTamVisionModel":
            encoded.append(1)

    with torch.nn.modules.module.register_module_forward_hook(count):
        first, second = run(replace(config, features=features), BOXES, POINTS)  # type: ignore[arg-type]

    assert len(encoded) <= times
    np.testing.assert_array_equal(dense(first), reference(BOXES))
    np.testing.assert_array_equal(dense(second), reference(POINTS))


@pytest.mark.parametrize(
    ("precision", "prompts"),
    [
        pytest.param("bf16", BOXES, id="bf16, boxes"),
        pytest.param("fp16", MASKS, id="fp16, masks"),
        pytest.param("bf16", MASKS, id="bf16, masks", marks=pytest.mark.slow),
        pytest.param("fp16", BOXES, id="fp16, boxes", marks=pytest.mark.slow),
    ],
)
def test_half_precision_equals_autocast_of_the_network_as_it_is(
    config: EdgeTamConfig, precision: str, prompts: Sequence[Prompt]
) -> None:
    with torch.autocast("cpu", dtype={"bf16": torch.bfloat16, "fp16": torch.float16}[precision]):
        expected = reference(prompts)

    (answer,) = run(replace(config, precision=precision, first_prompt="mask"), prompts)  # type: ignore[arg-type]

    np.testing.assert_array_equal(dense(answer), expected)
    assert (expected != reference(prompts)).any()


def test_goes_on_with_fewer_objects_where_memory_runs_out(config: EdgeTamConfig) -> None:
    (expected,) = run(config, BOXES)
    steps: list[str] = []

    def run_out_once(what: str, done: int, total: int) -> None:
        steps.append(what)
        if len(steps) == 3:
            raise torch.OutOfMemoryError

    with pytest.warns(FastSnowWarning, match="EdgeTAM: objects at once: out of memory: retrying with 1"):
        (answer,) = run(config, BOXES, progress=run_out_once)

    assert set(steps) == {"EdgeTAM"}
    np.testing.assert_array_equal(dense(answer), dense(expected))


def test_memory_is_flat_in_the_length_of_the_window(config: EdgeTamConfig) -> None:
    counts: list[int] = []

    def count(what: str, done: int, total: int) -> None:
        if done in {12, 18, 24}:
            counts.append(sum(each.numel() for each in gc.get_objects() if type(each) is torch.Tensor))

    with open_tracker(replace(config, features="recompute"), device="cpu", progress=count) as tracker:
        session = tracker.start(frames(24), GRID)
        session.add([box(8, 5, 10, 20, 25), box(8, 20, 5, 40, 30)])
        session.propagate()
        session.close()

    early, middle, late = counts
    assert max(middle, late) - early < SIDE * SIDE  # twelve more frames of two objects would be three times that


def test_closing_frees_everything(config: EdgeTamConfig) -> None:
    alive: list[weakref.ref[object]] = []

    def watch(layer: torch.nn.Module, _: object, output: object) -> None:
        if type(layer).__name__ == "EdgeTamVideoModel":
            alive.append(weakref.ref(layer))
        if type(layer).__name__ == "Conv2d":
            alive.append(weakref.ref(output))

    with (
        torch.nn.modules.module.register_module_forward_hook(watch),
        open_tracker(config, device="cpu") as tracker,
    ):
        session = tracker.start(frames(LENGTH), GRID)
        session.add(BOXES)
        session.propagate()
        session.close()
    gc.collect()

    assert len(alive) > LENGTH
    assert all(each() is None for each in alive)
    with pytest.raises(EngineError, match="tracking session was used after it was closed"):
        session.propagate()


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught, open_tracker(EdgeTamConfig(model_path=str(folder)), device="cpu"):
        pass
    message = str(caught.value)
    assert message.startswith("edgetam.model_path: ")
    assert message.endswith("; run fast-snow fetch-models edgetam")
    return message


def test_refuses_a_folder_of_something_else(tmp_path: Path, folder: Path) -> None:
    assert "config.json is missing" in refusal(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "sam2_video"}')
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert "describes sam2_video, expected edgetam_video" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"architecture": "hf-hub:someone/something"}, "timm for 'hf-hub:someone/something'"),
        ({"architecture": ["repvit_m1"]}, "timm for"),
        ({"model_args": {"checkpoint_path": "elsewhere.pt"}}, "timm for model_args ['checkpoint_path']"),
    ],
)
def test_a_description_may_not_have_timm_fetch_or_unpickle_anything(
    tmp_path: Path, folder: Path, changed: dict[str, object], named: str
) -> None:
    described = json.loads((folder / "config.json").read_text())
    described["vision_config"]["backbone_config"] |= changed
    (tmp_path / "config.json").write_text(json.dumps(described))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert named in refusal(tmp_path)
