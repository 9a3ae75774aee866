"""Rendered scenes that several test modules look at: each is rendered once per process."""

from functools import lru_cache

from fast_snow.synthetic.render import SyntheticScene, render
from fast_snow.synthetic.scene import SceneConfig


@lru_cache(maxsize=8)
def rendered(config: SceneConfig) -> SyntheticScene:
    """Return the scene; its arrays are read-only."""
    return render(config)
