"""The edges of SNOW's scene graph of one frame: who is near whom, and in which direction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32

from fast_snow.baselines.plausibility import centroids, distances
from fast_snow.types import ReadOnlyArrays, StepToken, Transform


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relations(ReadOnlyArrays):
    """The edges `E_t` of one frame.

    Attributes:
        t: index in the clip.
        source: object ids.
        target: object ids.
        distance: between the centroids.
        direction: unit vectors from source to target as the camera sees it: x right, y down, z forward.
    """

    t: int
    source: Int32[np.ndarray, " e"]
    target: Int32[np.ndarray, " e"]
    distance: Float32[np.ndarray, " e"]
    direction: Float32[np.ndarray, "e 3"]

    def __len__(self) -> int:
        return len(self.source)


def relations(
    tokens: Sequence[StepToken],
    object_id: Int32[np.ndarray, " m"],
    T_camera_world: Transform,
    *,
    t: int,
    neighbours: int,
) -> Relations:
    """Relate each object of a frame to those nearest to it.

    Args:
        tokens: the objects.
        object_id: their ids.
        T_camera_world: world-to-camera pose of the frame.
        t: its index in the clip.
        neighbours: how many edges leave each object, where there are so many others.

    Returns:
        Edges by source, the nearest target first.

    Reference:
        SNOW, arXiv 2512.16461, section 3.3: edges from geometric proximity and relative orientation.
    """
    apart = distances(tokens, tokens)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, : max(min(neighbours, len(tokens) - 1), 0)]
    source, target = np.repeat(np.arange(len(tokens)), nearest.shape[1]), nearest.ravel()
    where = centroids(tokens)
    length = apart[source, target]
    step = (where[target] - where[source]) @ T_camera_world[:3, :3].T
    direction = step / np.where(length > 0, length, 1.0)[:, None]
    return Relations(
        t=t,
        source=object_id[source],
        target=object_id[target],
        distance=length.astype(np.float32),
        direction=direction.astype(np.float32),
    )
