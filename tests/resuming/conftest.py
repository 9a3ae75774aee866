"""What the tests of resumed and rebuilt runs share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fast_snow import rebuilding, resuming
from fast_snow.synthetic.files import write_recording
from tests.resuming.runs import SCENE, all_stored, infer, results
from tests.scenes import rendered


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs") / "scan"
    write_recording(rendered(SCENE), folder)
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flush nothing: a killed process loses nothing that it has written."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def estimated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store what recorded engines answer as if it were estimated: they are quicker than others."""
    if "referred" not in request.fixturenames:
        for module in (rebuilding, resuming):
            monkeypatch.setattr(module, "PerceptionFiles", all_stored)


@pytest.fixture
def referred() -> None:
    """Refer to what is recorded, as runs do."""


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Return what was printed, whatever its lines."""
    return lambda: " ".join("".join(capsys.readouterr()).split())


@pytest.fixture(scope="session")
def unbroken(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("unbroken") / "out"
    infer(recording, out)
    return results(out)
