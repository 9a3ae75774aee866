"""Putting a run folder in place: the old run stays where the new one cannot take its place."""

from pathlib import Path

import pytest

from fast_snow import output


def test_a_run_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / output.GRAPH).write_text("old")
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if target == out and path.name != "run":
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(PermissionError), output.create(out, overwrite=True):
        pass
    assert (out / output.GRAPH).read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]
