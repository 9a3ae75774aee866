"""Which variant a path means."""

import json

import pytest

from fast_snow.engines.da3.variants import VARIANTS, variant_of
from fast_snow.errors import ConfigError


@pytest.mark.torch
def test_every_variant_of_upstream_is_known():
    registry = pytest.importorskip("depth_anything_3.registry")
    assert set(VARIANTS) == set(registry.MODEL_REGISTRY)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("da3-base", "da3-base"),
        ("fast_snow/models/da3-small", "da3-small"),
        ("weights/DA3-LARGE-1.1", "da3-large"),
        ("DA3NESTED-GIANT-LARGE", "da3nested-giant-large"),
    ],
)
def test_a_folder_that_is_not_there_is_known_by_its_name(path, name):
    assert variant_of(path).name == name


def test_only_the_nested_variant_gives_metres():
    assert [each.name for each in VARIANTS.values() if each.metric and each.poses] == ["da3nested-giant-large"]


def test_the_configuration_of_a_folder_counts_more_than_its_name(tmp_path):
    folder = tmp_path / "da3-small"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_name": "da3-base", "config": {}}))
    assert variant_of(str(folder)).name == "da3-base"
    (folder / "config.json").write_text(json.dumps({"config": {}}))
    assert variant_of(str(folder)).name == "da3-small"


def test_an_unknown_variant_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"weights.*expected one of da3-small"):
        variant_of(str(tmp_path / "weights"))


def test_a_damaged_configuration_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_name": ')
    with pytest.raises(ConfigError, match=r"config\.json: line 1, column 16: .*expected JSON"):
        variant_of(str(tmp_path))


@pytest.mark.parametrize("name", ["da3metric-large", "DA3MONO-LARGE"])
def test_variants_without_poses_are_refused(name):
    with pytest.raises(ConfigError, match=r"without camera poses.*da3-small.*da3nested-giant-large"):
        variant_of(name)
