"""What `import fast_snow` offers: declared, complete, importable, and loaded only when it is used."""

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import fast_snow


def test_the_version_is_the_packages():
    assert fast_snow.__version__ == version("fast-snow")


@pytest.mark.parametrize("name", fast_snow.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    value = getattr(fast_snow, name)
    assert name in dir(fast_snow)
    assert value.__doc__


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(fast_snow.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: f"{node.module}.{alias.name}" for node in block.body for alias in node.names}
    assert sorted([*seen, "__version__"]) == fast_snow.__all__
    for name, path in seen.items():
        module, _, original = path.rpartition(".")
        assert original == name
        assert getattr(fast_snow, name) is getattr(sys.modules[module], name)


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fast_snow.nonsense


def test_importing_loads_no_engine():
    script = """
import sys, fast_snow
fast_snow.SceneGraph, fast_snow.Config, dir(fast_snow)
heavy = {"numba", "cv2", "torch", "av", "scipy", "pycolmap", "tyro"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
