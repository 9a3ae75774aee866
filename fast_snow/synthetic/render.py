"""Renders the synthetic scene: images with exact depth, poses, masks and identities."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from fast_snow.cameras import Intrinsics, pinhole, unproject
from fast_snow.inputs.recording import Recording, recording_from_arrays
from fast_snow.synthetic.room import furnish, shadows
from fast_snow.synthetic.scene import SceneConfig, Shape, arc_poses, object_poses, phases
from fast_snow.synthetic.textures import displayed, surface
from fast_snow.synthetic.view import PARTS, PlacedObject, RayHits, SceneView, look
from fast_snow.types import GridShape, ImageStack, ReadOnlyArrays

_FOCAL_PER_WIDTH = 0.9
# A rotated square: no two samples share a row or a column.
_SUBPIXELS = np.array([(-0.375, -0.125), (-0.125, 0.375), (0.125, -0.375), (0.375, 0.125)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntheticScene(ReadOnlyArrays):
    """A rendered scene and all that is true of it.

    Attributes:
        image: RGB frames.
        depth: of the surface at the centre of each pixel, in metres along the optical axis.
        ids: the object there; 0 is the room.
        T_world_camera: camera-to-world poses; the world's z axis points up.
        intrinsics: pinhole matrix.
        fps: frames per second.
        object_id: of each object.
        centroid: mean of each object's visible surface points in the world, one per pixel; NaN where none is visible.
        visible: how many pixels show each object.
    """

    image: ImageStack
    depth: Float32[np.ndarray, "n height width"]
    ids: Int32[np.ndarray, "n height width"]
    T_world_camera: Float64[np.ndarray, "n 4 4"]
    intrinsics: Intrinsics
    fps: float
    object_id: Int32[np.ndarray, " k"]
    centroid: Float64[np.ndarray, "n k 3"]
    visible: Int64[np.ndarray, "n k"]

    def __len__(self) -> int:
        return len(self.image)


def render(config: SceneConfig, path: Float64[np.ndarray, "n 4 4"] | None = None) -> SyntheticScene:
    """Render a moving camera among objects; the same configuration gives the same scene.

    By default some objects move, one is hidden for a while, one leaves and comes back, and one comes late.

    Args:
        config: what is rendered.
        path: `T_world_camera` of each frame; along an arc if omitted.
    """
    height, width = config.size
    focal = _FOCAL_PER_WIDTH * width
    intrinsics = pinhole(focal, focal, (width - 1) / 2, (height - 1) / 2)
    poses = arc_poses(phases(config)) if path is None else path
    object_id = np.array([thing.object_id for thing in config.objects], dtype=np.int32)
    frames = [_frame(view, config.size, object_id) for view in _views(config, intrinsics, poses)]
    return SyntheticScene(
        T_world_camera=poses,
        intrinsics=intrinsics,
        fps=config.fps,
        object_id=object_id,
        **{name: np.stack([frame[name] for frame in frames]) for name in frames[0]},
    )


def as_recording(scene: SyntheticScene, *, name: str = "synthetic") -> Recording:
    """Return a scene as a recording in memory."""
    return recording_from_arrays(
        scene.image,
        scene.fps,
        depth=scene.depth,
        ids=scene.ids,
        T_world_camera=scene.T_world_camera,
        intrinsics=scene.intrinsics,
        name=name,
    )


def _views(config: SceneConfig, intrinsics: Intrinsics, poses: Float64[np.ndarray, "n 4 4"]) -> Iterator[SceneView]:
    rng = np.random.default_rng(config.seed)
    room = furnish(rng)
    textures = [surface(rng, thing.pattern, thing.color, thing.accent) for thing in config.objects]
    paths = [object_poses(thing, phases(config)) for thing in config.objects]
    for index, pose in enumerate(poses):
        placed = tuple(
            PlacedObject(thing=thing, texture=texture, T_world_object=path[index])
            for thing, texture, path in zip(config.objects, textures, paths, strict=True)
        )
        light = shadows([_hull(each) for each in placed])
        yield SceneView(room=room, floor_light=light, placed=placed, T_world_camera=pose, intrinsics=intrinsics)


def _hull(placed: PlacedObject) -> Float64[np.ndarray, "k 3"]:
    """Return points whose convex hull is, near enough, the object."""
    if placed.thing.shape is Shape.BOX:
        unit = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3), axis=-1).reshape(-1, 3)
    else:
        longitude, latitude = np.meshgrid(np.linspace(0, 2 * np.pi, 24), np.linspace(-np.pi / 2, np.pi / 2, 13))
        ring = np.cos(latitude)
        unit = np.stack([ring * np.cos(longitude), ring * np.sin(longitude), np.sin(latitude)], -1).reshape(-1, 3)
    local = unit * np.array(placed.thing.half_size)
    return local @ placed.T_world_object[:3, :3].T + placed.T_world_object[:3, 3]


def _frame(view: SceneView, size: GridShape, object_id: Int32[np.ndarray, " k"]) -> dict[str, np.ndarray]:
    """Return what a `SyntheticScene` holds of each frame, of one."""
    v, u = np.divmod(np.arange(size[0] * size[1]), size[1])
    uv = np.column_stack([u, v]).astype(np.float64)
    seen = look(view, uv)
    light = _smoothed(view, uv, seen, size)
    owner = seen.part // PARTS
    point = unproject(uv, seen.depth, view.intrinsics, view.T_world_camera)
    visible = np.bincount(owner, minlength=len(object_id) + 1)[1:]
    sums = np.stack([np.bincount(owner, weights=axis, minlength=len(object_id) + 1)[1:] for axis in point.T], axis=1)
    with np.errstate(invalid="ignore"):
        centroid = sums / visible[:, None]
    return {
        "image": np.rint(255 * displayed(light)).astype(np.uint8).reshape(*size, 3),
        "depth": seen.depth.astype(np.float32).reshape(size),
        "ids": np.append(np.int32(0), object_id)[owner].reshape(size),
        "centroid": centroid,
        "visible": visible,
    }


def _smoothed(
    view: SceneView, uv: Float64[np.ndarray, "n 2"], seen: RayHits, size: GridShape
) -> Float32[np.ndarray, "n 3"]:
    """Return the light of all pixels, those on outlines as the mean of several rays."""
    outline = np.flatnonzero(_outline(seen.part.reshape(size)))
    rays = (uv[outline, None] + _SUBPIXELS).reshape(-1, 2)
    light = seen.light.copy()
    light[outline] = look(view, rays).light.reshape(len(outline), len(_SUBPIXELS), 3).mean(axis=1)
    return light


def _outline(part: Int64[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Tell which pixels have a neighbour that shows something else."""
    edge = np.zeros(part.shape, bool)
    rows, columns = part[1:] != part[:-1], part[:, 1:] != part[:, :-1]
    edge[1:] |= rows
    edge[:-1] |= rows
    edge[:, 1:] |= columns
    edge[:, :-1] |= columns
    return edge
