"""The configuration tree and its presets."""

import ast
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from fast_snow.config import Config, FusionConfig, RuntimeConfig, SamplingConfig, StepConfig, WindowConfig
from fast_snow.errors import ConfigError
from fast_snow.presets import apply_preset, changed, load_preset

ROOT = Path(__file__).resolve().parents[1]

SPECIFIED = {
    "sampling.target_fps": 10.0,
    "sampling.max_frames": None,
    "fastsam.model_path": "fast_snow/models/fastsam/FastSAM-s.pt",
    "fastsam.conf_threshold": 0.55,
    "fastsam.iou_threshold": 0.9,
    "fastsam.imgsz": 640,
    "fastsam.max_det": 200,
    "fastsam.discovery_iou_thresh": 0.3,
    "sam3.model_path": "fast_snow/models/sam3",
    "sam3.score_threshold_detection": 0.3,
    "sam3.offload_state_to_cpu": True,
    "sam3.offload_video_to_cpu": True,
    "da3.model_path": "fast_snow/models/da3-small",
    "da3.process_res": 504,
    "da3.chunk_size": 0,
    "da3.chunk_overlap": 5,
    "depth_filter.conf_thresh": 0.5,
    "depth_filter.min_points": 50,
    "depth_filter.max_extent": 30.0,
    "depth_filter.remove_outliers": True,
    "fusion.cross_run_iou_thresh": 0.5,
    "fusion.merge_centroid_dist_m": 2.0,
    "fusion.merge_temporal_gap": 2,
    "fusion.lost_patience": 5,
    "fusion.archive_patience": 30,
    "step.grid_size": 16,
    "step.iou_threshold": 0.5,
    "step.max_tau_per_step": 0,
    "step.mask_margin": "auto",
    "step.temporal_window": 10,
    "vlm.provider": "openai",
    "vlm.model": "gpt-5.2",
    "vlm.max_output_tokens": 1024,
    "vlm.temperature": 1.0,
}

AWAITING_ENGINES: set[str] = set()
"""Settings of engines that are not part of this version."""


def leaves(config: object, where: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for each in fields(config):
        value = getattr(config, each.name)
        found |= leaves(value, f"{where}{each.name}.") if is_dataclass(value) else {f"{where}{each.name}": value}
    return found


def test_defaults_are_those_of_the_specification():
    defaults = leaves(Config())
    assert {name: defaults[name] for name in SPECIFIED} == SPECIFIED


def test_every_setting_is_read_somewhere():
    read: set[str] = set()
    for path in (ROOT / "fast_snow").rglob("*.py"):
        if path.parent.name != "config":
            read |= {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    unread = {name for name in leaves(Config()) if name.rpartition(".")[2] not in read}
    assert unread <= AWAITING_ENGINES


def test_every_setting_is_explained():
    paths = (ROOT / "fast_snow/config").glob("*.py")
    for node in (node for path in paths for node in ast.walk(ast.parse(path.read_text()))):
        if (
            isinstance(node, ast.ClassDef)
            and node.name.endswith("Config")
            and node.name not in ("Config", "ClassicalConfig")
        ):
            settings = [
                i
                for i, part in enumerate(node.body)
                if isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.unparse(part.annotation)
            ]
            for i in settings:
                assert isinstance(node.body[i + 1], ast.Expr), (
                    f"{node.name}: {ast.unparse(node.body[i])} has no docstring"
                )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StepConfig(grid_size=0), "step.grid_size: got 0, expected between 1 and 256"),
        (lambda: StepConfig(mask_margin=17), "step.mask_margin: got 17, expected between 0 and 16"),
        (lambda: FusionConfig(lost_patience=-1), "fusion.lost_patience: got -1, expected at least 1"),
        (
            lambda: SamplingConfig(target_fps=float("nan")),
            "sampling.target_fps: got nan, expected between 0.001 and 1000",
        ),
        (
            lambda: RuntimeConfig(device="cuda:x"),
            "runtime.device: got 'cuda:x', expected auto, cpu, cuda or cuda:N",
        ),
        (lambda: WindowConfig(length=5, overlap=5), "window.overlap: got 5, expected less than window.length, 5"),
    ],
)
def test_impossible_values_are_refused_by_name(make, message: str):
    with pytest.raises(ConfigError) as refused:
        make()
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[step]\ngrid_sise = 8", "step.grid_sise: no such setting; did you mean step.grid_size?"),
        ("[stp]", "stp: no such setting; did you mean step?"),
        ("[step]\nzzz = 8", "step.zzz: no such setting; expected one of grid_size, iou_threshold, "),
        ("step = 3", "step: got 3, expected a section with grid_size, "),
        ('[sampling]\nmax_frames = "a"', "sampling.max_frames: got 'a', expected a whole number or nothing"),
        ("[step]\ngrid_size = true", "step.grid_size: got True, expected a whole number"),
        ('[sam3]\nprecision = "fp8"', "sam3.precision: got 'fp8', expected one of auto, "),
        ('[step]\nmask_margin = "none"', "step.mask_margin: got 'none', expected a whole number or one of auto"),
        ("[fusion]\nlost_patience = -1", "fusion.lost_patience: got -1, expected at least 1"),
        ("x = [", "not TOML"),
    ],
)
def test_presets_are_untrusted(tmp_path: Path, text: str, message: str):
    path = tmp_path / "preset.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_preset(path)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_preset(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read \(No such file"):
        load_preset(tmp_path / "none.toml")


def test_a_preset_changes_what_it_names(tmp_path: Path):
    path = tmp_path / "preset.toml"
    path.write_text("[sampling]\ntarget_fps = 5\n[classical.geometry]\n[step]\ngrid_size = 8\n")
    config = load_preset(path)
    assert changed(config) == {"sampling.target_fps": (5.0, 10.0), "step.grid_size": (8, 16)}
    assert apply_preset(Config(), {}) == Config()


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_presets_are_valid(path: Path):
    assert changed(load_preset(path))
