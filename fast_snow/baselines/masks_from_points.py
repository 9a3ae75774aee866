"""What turns the points of SNOW's clusters into masks: SAM2, or colour regions where there is no SAM2."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import numpy as np
from jaxtyping import Float32, UInt8

from fast_snow.baselines.snow_config import SnowConfig
from fast_snow.config import Config
from fast_snow.errors import ConfigError
from fast_snow.selection import EngineUse, Skipped
from fast_snow.selection.requirements import installed, no_gpu
from fast_snow.types import Detections, GridShape
from fast_snow.weights import damage, on_disk

Image = UInt8[np.ndarray, "height width 3"]
PointPrompts = Float32[np.ndarray, "k points 2"]

MasksOfPoints = Callable[[PointPrompts], Detections]
"""One mask, which may be empty, for each cluster's points (columns and rows of the analysis grid)."""

LookAt = Callable[[Image, GridShape], MasksOfPoints]
"""Looks at an image once, then answers for any number of points in it, with masks on the analysis grid."""

OpenMasks = Callable[[], AbstractContextManager[LookAt]]

WEIGHTS = ("config.json", "model.safetensors")


def choose_masks(config: Config, settings: SnowConfig) -> tuple[OpenMasks, EngineUse]:
    """Choose what gives the masks.

    Args:
        config: where networks compute.
        settings: what the user wants.

    Returns:
        How to open it, and what to tell of it.

    Raises:
        ConfigError: SAM2 is asked for and cannot run here.
    """
    obstacles = _obstacles(settings)
    if settings.masks == "sam2" and obstacles:
        raise ConfigError(f"snow.masks: sam2 {', and '.join(obstacles)}; or choose classical")
    against = obstacles or no_gpu(config)
    if settings.masks == "sam2" or (settings.masks == "auto" and not against):
        return _sam2(config, settings), EngineUse(slot="masks", name="sam2", meaning="masks of SAM2 from points")
    return _classical(), EngineUse(
        slot="masks",
        name="classical",
        meaning="colour regions around the points, in place of SAM2",
        skipped=(Skipped(name="sam2", why=", and ".join(against)),) if settings.masks == "auto" else (),
    )


def masks_of_caller(masks: OpenMasks) -> EngineUse:
    """Return what to tell of masks that the caller brings."""
    return EngineUse(slot="masks", name=getattr(masks, "__qualname__", repr(masks)), meaning="brought by the caller")


def _obstacles(settings: SnowConfig) -> tuple[str, ...]:
    folder = on_disk(settings.model_path)
    problems = [f"{name} {problem}" for name in WEIGHTS if (problem := damage(folder / name)) is not None]
    missing = installed("torch", "transformers")
    if not problems:
        return missing
    return (
        *missing,
        f"needs weights in {folder}, where {' and '.join(problems)}: run fast-snow fetch-models sam2",
    )


def _sam2(config: Config, settings: SnowConfig) -> OpenMasks:
    from fast_snow.engines.sam2.prompted_masks import open_masks

    return partial(
        open_masks,
        on_disk(settings.model_path),
        device=config.runtime.device,
        precision=settings.precision,
        prompts_at_once=settings.prompts_at_once,
    )


def _classical() -> OpenMasks:
    from fast_snow.baselines.classical_masks import open_masks

    return open_masks
