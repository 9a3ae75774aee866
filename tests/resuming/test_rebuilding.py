"""`fast-snow rebuild`: kept perception files are folded anew, with other settings and without engines."""

import json
import shutil
from pathlib import Path

import pytest

from fast_snow import resuming
from fast_snow.cli.main import main
from fast_snow.errors import FastSnowError
from fast_snow.presets import apply_preset, as_options
from fast_snow.rebuilding import rebuild, settings_of
from tests.output.runs import files
from tests.resuming.runs import CONFIG, WINDOWS, all_stored, changed, infer, results

KEEPING = changed("output.keep_perception", True)


@pytest.fixture(scope="module")
def kept(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kept") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resuming, "PerceptionFiles", all_stored)
        infer(recording, out, KEEPING)
    return out


@pytest.fixture
def out(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "out"))


def refusal(out: Path, **sections: dict[str, object]) -> str:
    """Return why a rebuild is refused; nothing changes then."""
    before = files(out)
    with pytest.raises(FastSnowError) as error:
        rebuild(out, apply_preset(settings_of(out), sections))
    assert files(out) == before
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    return str(error.value)


def test_nothing_changes_without_settings(out: Path, unbroken: dict[str, bytes]):
    before = files(out)
    assert len([name for name in before if name.startswith("perception/")]) == WINDOWS
    rebuild(out, settings_of(out))
    assert results(out) == {name: data for name, data in before.items() if name != "run.json"}
    assert unbroken.items() <= results(out).items()
    record = json.loads((out / "run.json").read_text())
    assert set(files(out)) == {"run.json", *record["files"]}
    assert record["config"] == json.loads(before["run.json"])["config"]


def test_settings_of_the_fold_give_the_graph_that_infer_gives(out: Path, recording: Path, tmp_path: Path):
    settings = {
        "step": {"grid_size": 8},
        "fusion": {"merge_centroid_dist_m": 1.0, "reidentify": True},
        "depth_filter": {"conf_thresh": 0.6},
    }
    options = as_options(apply_preset(CONFIG, settings))
    with pytest.raises(SystemExit) as end:
        main(["rebuild", str(out), *options, "--quiet"])
    assert not end.value.code
    infer(recording, tmp_path / "new", apply_preset(CONFIG, settings))
    rebuilt = {name: data for name, data in results(out).items() if not name.startswith("perception/")}
    assert rebuilt == results(tmp_path / "new")
    assert settings_of(out).step.grid_size == 8  # settings stay until they are changed again


@pytest.mark.parametrize(
    ("section", "setting", "value"),
    [("fusion", "cross_run_iou_thresh", 0.7), ("output", "keyframe_every", 2), ("sampling", "max_frames", 3)],
)
def test_settings_that_need_engines_or_images_are_refused(section: str, setting: str, value: object, out: Path):
    assert refusal(out, **{section: {setting: value}}).endswith("run infer again")


@pytest.mark.parametrize("damage", ["flip", "cut", "missing", "other window"])
def test_damaged_files_are_refused(damage: str, out: Path):
    path = out / "perception/000001.npz"
    content = path.read_bytes()
    path.unlink()
    if damage == "other window":
        shutil.copy(out / "perception/000002.npz", path)
    elif damage != "missing":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + (b"" if damage == "cut" else b"!" + content[middle + 1 :]))
    assert "000001.npz" in refusal(out)


@pytest.mark.usefixtures("referred")
def test_recorded_slots_need_the_input(recording: Path, tmp_path: Path):
    copied, out = Path(shutil.copytree(recording, tmp_path / "scan")), tmp_path / "out"
    infer(copied, out, KEEPING)
    largest = max(path.stat().st_size for path in (out / "perception").iterdir())
    assert largest < 4 * 48 * 64  # masks and depth are the input's: not even one frame's depth
    before = results(out)
    rebuild(out, settings_of(out))
    assert results(out) == before
    shutil.rmtree(copied)
    assert "expected the input of the run" in refusal(out)


def test_runs_without_perception_files_are_refused(out: Path):
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({name: value for name, value in record.items() if name != "perception"}))
    with pytest.raises(FastSnowError, match="keeps no perception files"):
        settings_of(out)
