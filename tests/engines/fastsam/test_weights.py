import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ultralytics")
pytestmark = pytest.mark.torch
from fast_snow.engines.fastsam.weights import load_fastsam, random_weights  # noqa: E402
from fast_snow.errors import InputError  # noqa: E402
from tests.engines.fastsam.networks import write_weights  # noqa: E402
from tests.mutations import damaged  # noqa: E402


def test_numbers_arrive_as_they_were_written(weights: Path) -> None:
    loaded = load_fastsam(weights)
    written = torch.load(weights, weights_only=False)["model"].float().state_dict()
    state = loaded.network.state_dict()
    assert loaded.variant == "FastSAM-n"
    assert not loaded.network.training
    assert state.keys() == written.keys()
    assert all(torch.equal(state[name], written[name]) for name in written)
    assert {each.dtype for each in loaded.network.parameters()} == {torch.float32}


def test_classes_of_old_versions_need_not_exist(weights: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.pt"
    with zipfile.ZipFile(weights) as source, zipfile.ZipFile(old, "w") as target:
        for entry in source.namelist():
            content = source.read(entry)
            if entry.endswith("data.pkl"):
                assert b"cultralytics.nn.tasks\n" in content
                content = content.replace(b"cultralytics.nn.tasks\n", b"cultralytics.yolo.v8.gone\n")
                content = content.replace(b"cultralytics.nn.modules.conv\n", b"cultralytics.nn.gone\n")
            target.writestr(entry, content)
    expected, state = load_fastsam(weights).network.state_dict(), load_fastsam(old).network.state_dict()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_averaged_weights_are_preferred(tmp_path: Path) -> None:
    first, second, both = (tmp_path / f"{name}.pt" for name in ("first", "second", "both"))
    write_weights(first, seed=1)
    write_weights(second, seed=2)
    read = [torch.load(path, weights_only=False)["model"] for path in (first, second)]
    torch.save({"model": read[0], "ema": read[1]}, both)
    name = "model.0.conv.weight"
    assert torch.equal(load_fastsam(both).network.state_dict()[name], read[1].state_dict()[name].float())


class Running:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


class Listing:
    """Calls into the operating system when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("true",)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    path, witness = tmp_path / "code.pt", tmp_path / "ran"
    torch.save({"model": Running(witness)}, path)
    with pytest.raises(InputError, match="another structure"):
        load_fastsam(path)
    assert not witness.exists()
    torch.load(path, weights_only=False)
    assert witness.exists()  # the file does what the test says
    torch.save({"model": Listing()}, path)
    with pytest.raises(InputError, match="cannot be read"):
        load_fastsam(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, "got no network in it, expected FastSAM"),
        ([1, 2], "got no network in it"),
        ({"model": torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1))}, "without the layers of YOLOv8"),
    ],
)
def test_other_content_is_named(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(InputError, match=message) as raised:
        load_fastsam(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_network_of_many_classes_is_not_fastsam(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="of 3 classes, expected FastSAM: YOLOv8 for segmentation with one class"):
        load_fastsam(write_weights(tmp_path / "three.pt", classes=3))


def test_a_network_with_a_layer_too_few_is_not_fastsam(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "cut.pt")
    checkpoint = torch.load(path, weights_only=False)
    del checkpoint["model"].model[0].bn
    torch.save(checkpoint, path)
    with pytest.raises(InputError, match="unlike YOLOv8n") as raised:
        load_fastsam(path)
    assert "\n" not in str(raised.value)


def test_damaged_and_missing_files_say_how_to_fetch_them(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "FastSAM-s.pt"
    with pytest.raises(InputError, match=r"is missing.*run fast-snow fetch-models"):
        load_fastsam(path)
    content = weights.read_bytes()
    for part in (content[: len(content) // 2], content[:100], b"", b"<html>not found</html>"):
        path.write_bytes(part)
        with pytest.raises(InputError, match=r"(truncated|is empty).*run fast-snow fetch-models") as raised:
            load_fastsam(path)
        assert "\n" not in str(raised.value)


def test_random_weights_load_and_repeat(tmp_path: Path) -> None:
    states = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        path = tmp_path / f"{name}.pt"
        random_weights(path, variant="FastSAM-s", seed=seed)
        loaded = load_fastsam(path)
        assert loaded.variant == "FastSAM-s"
        states.append(loaded.network.state_dict()["model.22.cv4.0.2.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def shared(depth: int) -> torch.nn.Module:
    """A module whose two halves are one, whose two halves are one …: it has few modules and names without end."""
    module: torch.nn.Module = torch.nn.Linear(1, 1)
    for _ in range(depth):
        above = torch.nn.Module()
        above.add_module("a", module)
        above.add_module("b", module)
        module = above
    return module


def test_modules_that_share_each_other_end(tmp_path: Path) -> None:
    itself = torch.nn.Module()
    itself._modules["a"] = itself
    for name, module in (("halves", shared(60)), ("itself", itself), ("long", torch.nn.Module())):
        if name == "long":
            module._modules["x" * 10**6] = module
        torch.save({"model": module}, tmp_path / f"{name}.pt")
        with pytest.raises(InputError, match="more than 10000 modules"):
            load_fastsam(tmp_path / f"{name}.pt")


@pytest.mark.parametrize("shape", [(), (0,)])
def test_tensors_of_odd_shapes_are_no_network(weights: Path, tmp_path: Path, shape: tuple[int, ...]) -> None:
    checkpoint = torch.load(weights, weights_only=False)
    for layer in (checkpoint["model"].model[0].conv, checkpoint["model"].model[22].cv3[0][2]):
        layer.weight = torch.nn.Parameter(torch.zeros(shape))
        torch.save(checkpoint, tmp_path / "odd.pt")
        with pytest.raises(InputError, match="expected FastSAM"):
            load_fastsam(tmp_path / "odd.pt")


def test_what_a_file_does_not_hold_is_not_allocated(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    torch.save({"model": bytearray(7)}, path)
    with pytest.raises(InputError, match="contains a bytearray"):
        load_fastsam(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("large/data.pkl", bytes(10**6))
    with pytest.raises(InputError, match="not a torch checkpoint: compressed"):
        load_fastsam(path)


def test_damaged_checkpoints_end_in_one_error(weights: Path, tmp_path: Path) -> None:
    path, sound = tmp_path / "damaged.pt", weights.read_bytes()
    with zipfile.ZipFile(weights) as archive:
        entries = {each: archive.read(each) for each in archive.namelist()}
    name = next(each for each in entries if each.endswith("data.pkl"))
    for pickled in damaged(entries[name], 25):
        with zipfile.ZipFile(path, "w") as archive:
            for each, content in (entries | {name: pickled}).items():
                archive.writestr(each, content)
        with suppress(InputError):
            load_fastsam(path)
    for content in damaged(sound[-3000:], 10):
        path.write_bytes(sound[:-3000] + content)
        with suppress(InputError):
            load_fastsam(path)
