"""Rendered scenes that several test modules look at: each is rendered once, for all processes of a test run."""

import os
from dataclasses import fields
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from fast_snow.synthetic.render import SyntheticScene, render
from fast_snow.synthetic.scene import SceneConfig

folder: Path | None = None
"""Where the processes of a run share what they rendered; set by `conftest.py`."""


@lru_cache(maxsize=8)
def rendered(config: SceneConfig) -> SyntheticScene:
    """Return the scene; its arrays are read-only."""
    if folder is None:
        return render(config)
    path = folder / f"{sha256(repr(config).encode()).hexdigest()}.npz"
    if not path.exists():
        scene = render(config)
        partial = path.with_suffix(f".{os.getpid()}")
        with partial.open("wb") as file:
            np.savez(file, **{field.name: getattr(scene, field.name) for field in fields(scene)})
        partial.replace(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    return SyntheticScene(**arrays | {"fps": float(arrays["fps"])})
