"""Which engine serves a slot, and what is said of those that do not."""

from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
import pytest

from fast_snow.cameras import rescale
from fast_snow.config import Config, Da3Config, EnginesConfig, RuntimeConfig, WindowConfig
from fast_snow.engines.hardware import gpus
from fast_snow.errors import ConfigError
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.protocols import silent
from fast_snow.selection import geometry, reads, requirements, select_engines, tracker
from fast_snow.selection.candidates import Candidate, choose
from fast_snow.types import Frames

COUNT, GRID = 3, (24, 32)


def candidate(name: str, family: str = "", **lacking: tuple[str, ...]) -> Candidate[str]:
    return Candidate(name=name, family=family or name, meaning="", opener=lambda: name, **lacking)


TENSORRT = candidate("net-tensorrt", "net", missing=("needs TensorRT",), caveats=("no GPU",))
ONNX = candidate("net-onnx", "net", caveats=("no GPU",))
TORCH = candidate("net-torch", "net", missing=("needs weights",))
PLAIN = candidate("plain")


@pytest.mark.parametrize(
    ("wanted", "candidates", "chosen", "skipped"),
    [
        ("auto", [TENSORRT, ONNX, PLAIN], "plain", {"net-tensorrt": "no GPU", "net-onnx": "no GPU"}),
        ("auto", [TORCH, PLAIN], "plain", {"net-torch": "needs weights"}),
        ("auto", [candidate("net-torch", "net"), PLAIN], "net-torch", {}),
        ("net", [TENSORRT, ONNX, TORCH, PLAIN], "net-onnx", {"net-tensorrt": "no GPU"}),
        ("net", [ONNX, candidate("net-torch", "net"), PLAIN], "net-torch", {"net-onnx": "no GPU"}),
        ("net-onnx", [TENSORRT, ONNX, PLAIN], "net-onnx", {}),
        ("plain", [ONNX, PLAIN], "plain", {}),
    ],
)
def test_the_best_that_can_run_serves(wanted: str, candidates, chosen: str, skipped: dict[str, str]):
    found, better = choose("geometry", wanted, candidates)
    assert found.name == chosen
    assert {each.name: each.why for each in better} == skipped


def test_what_cannot_run_is_refused_with_what_it_needs():
    with pytest.raises(ConfigError) as refused:
        choose("geometry", "net", [TENSORRT, TORCH, PLAIN])
    assert str(refused.value) == (
        "--engines.geometry net-tensorrt needs TensorRT; --engines.geometry net-torch needs weights;"
        " or choose --engines.geometry plain"
    )


def test_an_optional_slot_may_stay_empty_but_takes_no_engine_by_itself():
    with pytest.raises(ConfigError, match=r"engines\.metric_depth: got 'auto', expected one of none, net, net-torch$"):
        choose("metric_depth", "auto", [TORCH], optional=True)
    with pytest.raises(ConfigError) as refused:
        choose("metric_depth", "net", [TORCH], optional=True)
    assert str(refused.value) == (
        "--engines.metric-depth net-torch needs weights; or choose --engines.metric-depth none"
    )


def source(*, depth: bool = True, poses: bool = True, masks: bool = True):
    return from_recording(
        recording_from_arrays(
            np.zeros((COUNT, *GRID, 3), np.uint8),
            10.0,
            depth=np.ones((COUNT, *GRID), np.float32) if depth else None,
            ids=np.ones((COUNT, *GRID), np.int32) if masks else None,
            T_world_camera=np.repeat(np.eye(4)[None], COUNT, axis=0) if poses else None,
            intrinsics=np.array([[20.0, 0, 16], [0, 20, 12], [0, 0, 1]]),
        ),
        Config().sampling,
    )


def names(selection) -> dict[str, str]:
    return {use.slot: use.name for use in selection.used}


def test_what_the_input_brings_comes_first():
    assert set(names(select_engines(source(), Config())).values()) == {"recorded"}
    mixed = select_engines(source(masks=False), Config(runtime=RuntimeConfig(device="cpu")))
    assert names(mixed) == {"geometry": "recorded", "segmenter": "classical", "tracker": "classical"}
    assert not mixed.used[0].skipped
    depth_alone = select_engines(source(poses=False, masks=False), Config(runtime=RuntimeConfig(device="cpu")))
    assert set(names(depth_alone).values()) == {"classical"}
    assert {each.name for each in mixed.used[2].skipped} == {"sam3.1", "sam3", "sam3-hf", "edgetam"}


@pytest.mark.parametrize(
    ("slot", "name", "lacking"),
    [("geometry", "recorded", "needs poses"), ("segmenter", "recorded", "needs masks"), ("tracker", "sam3", "sam3.pt")],
)
def test_an_engine_that_is_asked_for_and_cannot_run(slot: str, name: str, lacking: str, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config(engines=EnginesConfig(**{slot: name}))
    with pytest.raises(ConfigError, match=lacking) as refused:
        select_engines(source(poses=False, masks=False), config)
    assert "\n" not in str(refused.value)
    assert f"choose --engines.{slot} classical" in str(refused.value)


@pytest.mark.parametrize(
    ("held", "lacking"),
    [
        ((), "got no package sam3; install it from its source"),
        (("model/sam3_tracker_base.py",), "got PyPI's sam3, which has none; install it from its source"),
        (("model/sam3_tracker_base.py", "model/multiplex_utils.py"), ""),
    ],
)
def test_the_package_of_sam_3_1_is_recognised_without_importing_it(held, lacking: str, tmp_path: Path, monkeypatch):
    for name in held:
        (tmp_path / "sam3" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sam3" / name).write_text("raise AssertionError", encoding="utf-8")
    found = PathFinder.find_spec("sam3", [str(tmp_path)])
    monkeypatch.setattr(requirements, "find_spec", lambda _: found)
    missing = requirements.has_sam3_1()
    assert [lacking in each for each in missing] == [True] * bool(lacking)


def test_sam_3_1_comes_before_sam3_where_its_package_and_weights_are(monkeypatch):
    for name in ("has_sam3_1", "installed", "weights_present", "no_gpu"):
        monkeypatch.setattr(tracker, name, lambda *_: ())
    found, _ = choose("tracker", "auto", tracker.candidates(Config(), None, silent))
    assert found.name == "sam3.1"
    monkeypatch.setattr(tracker, "has_sam3_1", lambda: ("needs SAM 3.1",))
    found, better = choose("tracker", "auto", tracker.candidates(Config(), None, silent))
    assert found.name == "sam3"
    assert {each.name: each.why for each in better}["sam3.1"] == "needs SAM 3.1"


def test_a_model_that_cannot_be_told_stops_only_those_who_ask_for_it():
    config = Config(da3=Da3Config(model_path="nowhere/unheard-of"))
    assert names(select_engines(source(), config))["geometry"] == "recorded"
    with pytest.raises(ConfigError, match="unheard-of does not say which variant"):
        select_engines(source(), Config(da3=config.da3, engines=EnginesConfig(geometry="da3")))


def test_settings_are_read_by_the_engines_they_belong_to():
    selection = select_engines(source(masks=False), Config(runtime=RuntimeConfig(device="cpu")))
    assert reads(selection, "classical.tracker.min_resemblance")
    assert not reads(selection, "classical.geometry.max_gap")
    assert not reads(selection, "sam3.precision")
    assert not reads(selection, "runtime.device")
    assert reads(selection, "fastsam.discovery_iou_thresh")


@pytest.mark.parametrize(
    ("window", "chunk", "order"),
    [
        (120, 0, ["torch", "tensorrt", "onnx"]),
        (26, 0, ["tensorrt", "torch", "onnx"]),
        (12, 0, ["tensorrt", "onnx", "torch"]),
        (120, 12, ["tensorrt", "onnx", "torch"]),
    ],
)
def test_backends_that_take_a_window_in_one_pass_come_first(window: int, chunk: int, order: list[str], monkeypatch):
    """An engine of TensorRT for 26 frames; ONNX Runtime takes 12 at once, torch any number."""
    compiled = requirements.Artefact(backend="x", open=lambda: None, missing=(), most_frames=26)
    monkeypatch.setattr(geometry, "artefact", lambda *_, **__: compiled)
    config = Config(window=WindowConfig(length=window, overlap=2), da3=Da3Config(chunk_size=chunk))
    ranked = [each.name for each in geometry.candidates(config, None, GRID, silent) if each.family == "da3"]
    assert ranked == [f"da3-{backend}" for backend in order]


@pytest.mark.parametrize(
    ("given", "wanted", "told"),
    [
        ({"depth": False}, "auto", True),
        ({"depth": False}, "da3", False),
        ({"depth": False, "poses": False}, "auto", False),
        ({"poses": False}, "auto", False),
    ],
)
def test_cameras_of_the_input_are_told_to_da3_in_torch(given: dict[str, bool], wanted: str, told: bool):
    config = Config(engines=EnginesConfig(geometry=wanted))
    recording = source(**given).recording
    ranked = {each.name: each for each in geometry.candidates(config, recording, GRID, silent)}
    ignored = "ignores the depth or poses of the input"
    assert ("from the cameras of the input, in metres" in ranked["da3-torch"].meaning) is told
    assert (ignored in ranked["da3-torch"].caveats) is (not told and given != {"depth": False, "poses": False})
    assert (ignored in ranked["da3-onnx"].caveats) is (given != {"depth": False, "poses": False})


@pytest.mark.parametrize("wanted", ["auto", "classical"])
def test_intrinsics_that_came_with_colour_alone_are_used(wanted: str):
    config = Config(engines=EnginesConfig(geometry=wanted), runtime=RuntimeConfig(device="cpu"))
    given = from_recording(
        recording_from_arrays(
            np.zeros((COUNT, *GRID, 3), np.uint8), 10.0, intrinsics=np.array([[64.0, 0, 15], [0, 66, 11], [0, 0, 1]])
        ),
        config.sampling,
    )
    selection = select_engines(given, config)
    assert selection.used[0].meaning.endswith("uses the intrinsics of the input")
    frames = Frames(
        image=np.stack([each.image for each in given.read()]),
        t=np.arange(COUNT, dtype=np.int32),
        time_s=np.arange(COUNT) / 10,
        source_frame=np.arange(COUNT),
    )
    with selection.engines.geometry() as engine:
        answer = engine(frames)
    expected = rescale(given.recording.intrinsics, GRID, answer.grid)
    np.testing.assert_allclose(answer.intrinsics, np.tile(expected, (COUNT, 1, 1)))


@pytest.mark.parametrize(("residency", "resident"), [("resident", True), ("phased", False)])
def test_residency_as_asked_for(residency: str, resident: bool):
    assert select_engines(source(), Config(runtime=RuntimeConfig(residency=residency))).resident is resident


def test_without_a_gpu_engines_stay_loaded():
    assert select_engines(source(), Config(runtime=RuntimeConfig(device="cpu"))).resident


def test_gpus_are_those_of_the_driver():
    if not Path("/proc/driver/nvidia").exists():
        assert gpus() == ()
    for each in gpus():
        assert each.name
        assert each.memory_bytes > 2**30
        assert float(each.compute_capability) >= 3
