"""Which weights there are, where they belong, and what is told of them by looking."""

import importlib.metadata
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from fast_snow import weights
from fast_snow.config import Config, Da3Config, EnginesConfig, FastSamConfig, Sam3Config
from fast_snow.engines.da3.variants import VARIANTS
from fast_snow.errors import ConfigError, InputError
from fast_snow.presets import load_preset
from fast_snow.weights.record import Recorded, as_bytes, sha256_of

ROOT = Path(__file__).resolve().parents[1]


def safetensors(payload: bytes = b"\1\2\3\4\5\6\7\10") -> bytes:
    header = json.dumps(
        {"w": {"dtype": "F32", "shape": [len(payload) // 4], "data_offsets": [0, len(payload)]}}
    ).encode()
    return len(header).to_bytes(8, "little") + header + payload


def da3_in(folder: Path) -> Config:
    return Config(da3=Da3Config(model_path=str(folder)))


def test_names_are_found_in_any_case_and_mistakes_get_the_nearest_one():
    assert weights.named("fastsam-S").name == "FastSAM-s"
    assert weights.named("DA3-LARGE-1.1").name == "da3-large"
    with pytest.raises(ConfigError, match="did you mean da3-small"):
        weights.named("da3-smal")
    with pytest.raises(ConfigError, match=r"expected one of FastSAM-s.*sam3-hf"):
        weights.named("?")


def test_catalogue_agrees_with_what_upstream_publishes():
    """Names, repositories and licences of DA3 are those of the table that comes with the package."""
    try:
        readme = importlib.metadata.metadata("depth-anything-3").get_payload()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("depth-anything-3 is not installed")
    rows = re.findall(r"^\| \[.*?\]\(https://huggingface.co/(.*?)\).*\| *([^|]*?) *\|$", str(readme), re.MULTILINE)
    published = {repository: licence.replace("Apache 2.0", "Apache-2.0") for repository, licence in rows}
    refreshed = {name for name in published if f"{name}-1.1" not in published}
    ours = {each.source.repository: each.licence for each in weights.CATALOGUE if each.model == "da3"}
    assert len(ours) == 7
    assert ours == {name: published[name] for name in refreshed}


def test_every_network_of_the_package_can_be_fetched():
    spec = find_spec("depth_anything_3")
    if spec is None:
        pytest.skip("depth-anything-3 is not installed")
    folders = [Path(each) / "configs" for each in spec.submodule_search_locations or ()]
    networks = {each.stem for folder in folders for each in folder.glob("*.yaml")}
    assert networks == {each.name for each in weights.CATALOGUE if each.model == "da3"}


def test_every_variant_that_the_engine_knows_can_be_fetched():
    assert set(VARIANTS) == {each.name for each in weights.CATALOGUE if each.model == "da3"}


def test_a_name_stands_for_its_usual_folder():
    assert weights.weights_folder("da3-large") == Path("fast_snow/models/da3-large")
    assert weights.weights_folder("elsewhere/da3-large") == Path("elsewhere/da3-large")
    assert weights.weights_folder("sam2-tiny") == Path("fast_snow/models/sam2-tiny")


def test_weights_belong_where_the_configuration_looks_for_them():
    named, folder_for = weights.named, weights.folder_for
    assert folder_for(named("FastSAM-x"), Config()) == Path("fast_snow/models/fastsam")
    assert folder_for(named("da3-small"), Config()) == Path("fast_snow/models/da3-small")
    assert folder_for(named("da3-large"), Config()) == Path("fast_snow/models/da3-large")
    assert folder_for(named("sam3-hf"), Config()) == Path("fast_snow/models/sam3")
    assert folder_for(named("edgetam"), Config()) == Path("fast_snow/models/edgetam")
    assert folder_for(named("sam2-tiny"), Config()) == Path("fast_snow/models/sam2-tiny")
    assert folder_for(named("da3-large"), da3_in(Path("/m/DA3-LARGE-1.1"))) == Path("/m/DA3-LARGE-1.1")
    assert folder_for(named("da3-base"), da3_in(Path("/m/DA3-LARGE-1.1"))) == Path("/m/da3-base")
    assert folder_for(named("da3-base"), da3_in(Path("da3-base"))) == Path("fast_snow/models/da3-base")


SHARED = Path("fast_snow/models/da3-small")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FAST_SNOW_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path / "home/.cache/fast-snow"


def test_outside_a_project_every_working_directory_shares_the_user_s_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for folder in (tmp_path, tmp_path / "a", tmp_path / "a/b"):
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        assert weights.locate(Config(), "da3").folder == cache / "models/da3-small"
        assert weights.locate(Config(), "fastsam").folder == cache / "models/fastsam"
        assert weights.locate(Config(), "sam2").folder == cache / "models/sam2"
        assert weights.folder_for(weights.named("da3-large"), Config()) == cache / "models/da3-large"
        assert weights.on_disk(EnginesConfig().compiled_path) == cache / "models/compiled"
        assert weights.on_disk("fast_snow/other") == Path("fast_snow/other")  # as the user typed it


@pytest.mark.parametrize("marker", ["pyproject.toml", "fast_snow/models"])
def test_a_project_has_weights_of_its_own(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str):
    project = tmp_path / "project"
    (project / marker).mkdir(parents=True)
    (project / "clips/more").mkdir(parents=True)
    monkeypatch.chdir(project)
    assert weights.on_disk(SHARED) == SHARED
    monkeypatch.chdir(project / "clips/more")
    assert weights.on_disk(SHARED) == project / SHARED


def test_the_environment_variable_comes_first(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAST_SNOW_HOME", str(tmp_path / "shared"))
    assert weights.on_disk(SHARED) == tmp_path / "shared/models/da3-small"
    monkeypatch.setenv("FAST_SNOW_HOME", "")
    assert weights.on_disk(SHARED) == SHARED


@pytest.mark.parametrize(
    ("platform", "variable", "folder"),
    [
        ("linux", "XDG_CACHE_HOME", ""),
        ("darwin", "", "Library/Caches/fast-snow"),
        ("win32", "", "AppData/Local/fast-snow/Cache"),
        ("win32", "LOCALAPPDATA", ""),
    ],
)
def test_each_platform_has_its_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variable: str, folder: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.platform", platform)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "chosen"))
        folder = "../chosen/fast-snow" + ("/Cache" if platform == "win32" else "")
    assert weights.on_disk(SHARED).resolve() == (tmp_path / "home" / folder / "models/da3-small").resolve()


def test_a_configuration_wants_one_set_per_slot():
    assert [each.name for each in weights.wanted(Config())] == ["FastSAM-s", "da3-small", "sam3"]
    other = Config(
        engines=EnginesConfig(tracker="sam3-hf"),
        fastsam=FastSamConfig(model_path="/m/FastSAM-x.pt"),
        da3=Da3Config(model_path="/m/my-own"),
    )
    assert [each.name for each in weights.wanted(other)] == ["FastSAM-x", "sam3-hf"]
    permissive = weights.wanted(load_preset(ROOT / "configs/permissive.toml"))
    assert [each.name for each in permissive] == ["sam2", "da3-small", "edgetam"]
    assert not any(each.restricted for each in permissive)
    assert all(each.restricted for each in weights.wanted(other))


def test_what_is_missing_is_told_with_what_to_do(tmp_path: Path):
    found = weights.locate(da3_in(tmp_path / "da3-base"), "da3")
    assert not found.complete
    assert found.problems == ("config.json is missing", "model.safetensors is missing")
    assert found.remedy == "run fast-snow fetch-models da3-base"
    own = weights.locate(da3_in(tmp_path / "my-own"), "da3")
    assert own.weights is None
    assert own.remedy == "put config.json and model.safetensors into that folder"


def test_complete_weights_are_found(tmp_path: Path):
    (tmp_path / "da3-base").mkdir()
    (tmp_path / "da3-base" / "config.json").write_text("{}")
    (tmp_path / "da3-base" / "model.safetensors").write_bytes(safetensors())
    with zipfile.ZipFile(tmp_path / "FastSAM-x.pt", "w") as archive:
        archive.writestr("data.pkl", b"")
    config = replace(
        da3_in(tmp_path / "da3-base"),
        fastsam=FastSamConfig(model_path=str(tmp_path / "FastSAM-x.pt")),
        sam3=Sam3Config(model_path=str(tmp_path / "da3-base")),  # same names, other weights
    )
    states = {each.model: each.complete for each in weights.find(config)}
    here = {model for model, complete in states.items() if complete}
    assert here == {"fastsam", "da3", "sam3-hf"}
    assert states.keys() - here == {"sam2", "sam3", "sam3.1", "edgetam"}


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("model.safetensors", b"", "is empty"),
        ("model.safetensors", safetensors()[:-1], "is truncated (76 of 77"),
        ("model.safetensors", safetensors()[:20], "within the header"),
        ("model.safetensors", safetensors() + b"x", "is too long"),
        ("model.safetensors", b"<!DOCTYPE html><html></html>", "is not a safetensors file"),
        ("model.safetensors", (4).to_bytes(8, "little") + b"[[1]", "is not a safetensors file"),
        ("model.safetensors", (13).to_bytes(8, "little") + b'{"a":{"b":1}}', "is not a safetensors file"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("config.json", b'{"a": ', "is truncated or not JSON"),
        ("sam3.pt", b"PK\3\4 and then nothing", "is truncated or not a torch checkpoint"),
    ],
)
def test_damage_is_seen_without_loading(tmp_path: Path, name: str, content: bytes, problem: str):
    (tmp_path / name).write_bytes(content)
    found = weights.damage(tmp_path / name)
    assert found is not None
    assert problem in found


def test_a_record_tells_whether_weights_were_changed(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors())
    entry = Recorded(
        sha256=sha256_of(path), size=path.stat().st_size, source="https://…", revision="main", verified=True
    )
    (tmp_path / weights.RECORD).write_bytes(as_bytes({path.name: entry}))
    assert weights.read(tmp_path) == {path.name: entry}
    weights.check(path)
    path.write_bytes(safetensors(b"\0" * 8))
    with pytest.raises(InputError, match=r"SHA-256 .* as fetched: run fast-snow fetch-models"):
        weights.check(path)
    path.write_bytes(safetensors(b"\0" * 4))
    problems = weights.locate(da3_in(tmp_path), "da3").problems
    assert any("fetched (SHA256SUMS.json)" in each for each in problems)


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"format": 2, "files": {}}', '{"format": 1, "files": [1]}', '{"format": 1, "files": {"a": 1}}'],
)
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, content: str):
    (tmp_path / weights.RECORD).write_text(content)
    assert weights.read(tmp_path) == {}


def test_looking_for_weights_imports_nothing_heavy():
    code = (
        "import sys; import fast_snow.weights; import fast_snow.fetching;"
        "print(sorted({'torch', 'huggingface_hub', 'ultralytics', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
