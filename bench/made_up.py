"""Frames, scenes and prompts that are made up: how long an engine takes does not depend on what there is to see."""

import numpy as np

from fast_snow.types import BoxPrompt, DepthOrigin, Frames, Geometry, GridShape

_CELL = 8


def moving_noise(count: int, size: GridShape) -> Frames:
    """Draw a picture of coloured patches that moves to the left."""
    random = np.random.default_rng(0)
    height, width = size
    patches = random.integers(0, 256, (height // _CELL + 1, width // _CELL + 1 + count, 3), dtype=np.uint8)
    picture = patches.repeat(_CELL, axis=0).repeat(_CELL, axis=1)[:height]
    t = np.arange(count)
    return Frames(
        image=np.stack([picture[:, _CELL * k : _CELL * k + width] for k in t]),
        t=t.astype(np.int32),
        time_s=t / 10,
        source_frame=t.astype(np.int64),
    )


def flat(count: int, grid: GridShape) -> Geometry:
    """Return a wall in front of a camera that rests."""
    height, width = grid
    intrinsics = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    return Geometry(
        depth=np.ones((count, height, width), np.float32),
        confidence=np.ones((count, height, width), np.float32),
        intrinsics=np.repeat(intrinsics[None], count, axis=0),
        T_camera_world=np.repeat(np.eye(4)[None], count, axis=0),
        metric=False,
        origin=DepthOrigin.NETWORK,
    )


def prompts(count: int, grid: GridShape, *, starts: int = 1, window: int = 1) -> tuple[BoxPrompt, ...]:
    """Spread boxes over a picture.

    Args:
        count: how many.
        grid: height and width of the picture.
        starts: how many frames of the window they are spread over, the first frame among them.
        window: frames of the window.
    """
    height, width = grid
    columns = int(np.ceil(np.sqrt(count)))
    size = np.array([width, height] * 2) / columns
    return tuple(
        BoxPrompt(
            frame=k % starts * window // starts,
            box_xyxy=(size * np.array([k % columns, k // columns, k % columns + 0.8, k // columns + 0.8])).astype(
                np.float32
            ),
        )
        for k in range(count)
    )
