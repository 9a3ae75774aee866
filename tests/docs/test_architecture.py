"""The page of the architecture: every module stands on it, with the layer that import-linter gives it."""

import re
import tomllib

from tests.docs.pages import ARCHITECTURE, PACKAGE, ROOT, text


def rows() -> list[tuple[int, str]]:
    return [
        (int(layer), module) for layer, module in re.findall(r"^\| (\d+) \| `(\w+)` \| \S", text(ARCHITECTURE), re.M)
    ]


def test_every_module_of_the_package_has_a_line():
    files = [path.stem for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    folders = [path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name not in ("__pycache__", "models")]
    assert sorted(module for _, module in rows()) == sorted(files + folders)


def test_layers_are_those_that_are_checked():
    contracts = tomllib.loads(text(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each["name"] == "Imports point one way")
    names = [re.findall(r"fast_snow\.(\w+)", layer) for layer in reversed(layers)]
    assert rows() == [(number, module) for number, layer in enumerate(names, 1) for module in sorted(layer)]
