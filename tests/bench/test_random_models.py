"""Files of random weights: what is not asked for is not written."""

from pathlib import Path

import pytest

from bench.random_models import MODELS, full


def test_nothing_is_written_that_is_not_asked_for(tmp_path: Path):
    with full(tmp_path, "cpu", ()) as models:
        assert models.left_out == dict.fromkeys(MODELS, "not asked for")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.torch
def test_one_model_alone(tmp_path: Path):
    pytest.importorskip("ultralytics")
    with full(tmp_path, "cpu", ("fastsam",)) as models:
        assert set(models.left_out) == set(MODELS) - {"fastsam"}
        assert Path(models.config.fastsam.model_path).is_file()
    assert [each.name for each in tmp_path.iterdir()] == ["fastsam"]
