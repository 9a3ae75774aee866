"""One picture of the synthetic scene: what each ray meets, and in which colour.

A ray is an origin and a direction whose component along the optical axis is 1, so that the distance along it is depth.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from fast_snow.cameras import Intrinsics
from fast_snow.synthetic.room import FLOOR, HIGH, LIGHT, LOW, Room, corner_light
from fast_snow.synthetic.scene import SceneObject, Shape
from fast_snow.synthetic.textures import Texture
from fast_snow.types import Transform

Vector = Float64[np.ndarray, "3"]
Rays = Float64[np.ndarray, "n 3"]
Depths = Float64[np.ndarray, " n"]

Faces = Int64[np.ndarray, " n"]
Light = Float32[np.ndarray, "n 3"]

PARTS = 8
"""How many part numbers the room and each object have."""

MISSED = np.inf
"""The depth at which a ray meets what it does not meet."""

# A warm lamp, and what the walls throw back of the sky.
_LAMP = np.array([1.12, 1.03, 0.92], np.float32)
_AMBIENT = np.array([0.27, 0.30, 0.34], np.float32)
_GLOSS, _GLOSS_EXPONENT = 0.22, 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedObject:
    """An object where it is in one frame."""

    thing: SceneObject
    texture: Texture
    T_world_object: Transform


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneView:
    """All that one frame shows, and from where."""

    room: Room
    floor_light: Texture
    placed: tuple[PlacedObject, ...]
    T_world_camera: Transform
    intrinsics: Intrinsics


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RayHits:
    """What rays meet: depth along the optical axis in metres, linear light, and `number · PARTS + face`.

    Number 0 is the room, 1 … the objects in their order.
    """

    depth: Depths
    part: Faces
    light: Light


def look(view: SceneView, uv: Float64[np.ndarray, "n 2"]) -> RayHits:
    """Follow the rays through points `(u, v)` of the image."""
    focal, centre = view.intrinsics[[0, 1], [0, 1]], view.intrinsics[:2, 2]
    rotation, origin = view.T_world_camera[:3, :3], view.T_world_camera[:3, 3]
    direction = np.column_stack([(uv - centre) / focal, np.ones(len(uv))]) @ rotation.T
    squared = np.einsum("ni,ni->n", direction, direction)
    depth, part = leave_box(origin, direction, LOW, HIGH)
    for number, placed in enumerate(view.placed, start=1):
        near = np.flatnonzero(_may_meet(placed, origin, direction, squared))
        reached, face = _meet(placed, origin, direction[near])
        front = reached < depth[near]
        depth[near[front]] = reached[front]
        part[near[front]] = number * PARTS + face[front]
    light = np.zeros((len(uv), 3), np.float32)
    owner = (part // PARTS).astype(np.uint8)
    for number in range(len(view.placed) + 1):
        hit = np.flatnonzero(owner == number)
        point, face = origin + depth[hit, None] * direction[hit], part[hit] % PARTS
        footprint = depth[hit] / focal[0]
        if number:
            light[hit] = _object_light(view.placed[number - 1], point, face, direction[hit], footprint)
        else:
            light[hit] = _room_light(view, point, face, direction[hit], footprint)
    return RayHits(depth=depth, part=part, light=light)


def _may_meet(placed: PlacedObject, origin: Vector, direction: Rays, squared: Depths) -> Bool[np.ndarray, " n"]:
    """Tell which rays come close to an object, given their squared lengths; most do not, and this is cheap."""
    towards = placed.T_world_object[:3, 3] - origin
    radius = np.linalg.norm(placed.thing.half_size)
    along = direction @ towards
    return (along > 0) & ((towards @ towards - radius**2) * squared <= along**2)


def _meet(placed: PlacedObject, origin: Vector, direction: Rays) -> tuple[Depths, Faces]:
    rotation, centre = placed.T_world_object[:3, :3], placed.T_world_object[:3, 3]
    local_origin, local_direction = (origin - centre) @ rotation, direction @ rotation
    if placed.thing.shape is Shape.BOX:
        return enter_box(local_origin, local_direction, np.array(placed.thing.half_size))
    depth = enter_ball(local_origin, local_direction, placed.thing.half_size[0])
    return depth, np.zeros(len(depth), np.int64)


def _object_light(placed: PlacedObject, point: Rays, face: Faces, direction: Rays, footprint: Depths) -> Light:
    rotation, centre = placed.T_world_object[:3, :3], placed.T_world_object[:3, 3]
    half_size = np.array(placed.thing.half_size)
    share = (point - centre) @ rotation / half_size  # from -1 to 1 along each axis of the object
    if placed.thing.shape is Shape.BOX:
        s, t = _face_coordinates(share, face)
        normal = _face_normals(face) @ rotation.T
    else:
        s, t = np.arctan2(share[:, 1], share[:, 0]) / (2 * np.pi) + 0.5, np.arccos(np.clip(share[:, 2], -1, 1)) / np.pi
        normal = share @ rotation.T
    covered = footprint / (2 * half_size.max())
    paint = placed.texture.sample(*(each.astype(np.float32) for each in (s, t, covered)))
    lifted = np.clip(point[:, 2] / 0.3, 0, 1)  # little light comes in under an object that stands on the floor
    ambient = (0.85 + 0.35 * normal[:, 2]) * (0.6 + 0.4 * lifted)
    lit = _lit(paint, ambient, np.maximum(0, normal @ LIGHT))
    return lit if placed.thing.shape is Shape.BOX else lit + _gloss(normal, direction)[:, None]


def _room_light(view: SceneView, point: Rays, face: Faces, direction: Rays, footprint: Depths) -> Light:
    normal = -_face_normals(face)
    slant = -np.einsum("ni,ni->n", normal, direction) / np.linalg.norm(direction, axis=1)
    paint = view.room.reflectance(point, face, footprint / np.sqrt(np.maximum(slant, 0.05)))
    ambient = (1.25 - 0.25 * normal[:, 2]) * corner_light(point)
    lamp = np.maximum(0, normal @ LIGHT)
    on_floor = np.flatnonzero(face == FLOOR)
    s, t, _ = ((point[on_floor] - LOW) / (HIGH - LOW)).astype(np.float32).T
    shade = view.floor_light.sample(s, 1 - t, np.zeros_like(s))
    lamp[on_floor] *= shade[:, 0]
    ambient[on_floor] *= shade[:, 1]
    return _lit(paint, ambient, lamp)


def _lit(paint: Light, ambient: Depths, lamp: Depths) -> Light:
    return paint * (ambient[:, None].astype(np.float32) * _AMBIENT + lamp[:, None].astype(np.float32) * _LAMP)


def _gloss(normal: Rays, direction: Rays) -> Float32[np.ndarray, " n"]:
    """Return the highlight of a polished surface."""
    mirrored = direction - 2 * np.einsum("ni,ni->n", direction, normal)[:, None] * normal
    aligned = np.maximum(0, mirrored @ LIGHT) / np.linalg.norm(mirrored, axis=1)
    return (_GLOSS * aligned**_GLOSS_EXPONENT).astype(np.float32)


def _face_normals(face: Faces) -> Rays:
    """Return the outward normals of faces `2·axis` (low) and `2·axis + 1` (high)."""
    return np.concatenate([[-axis, axis] for axis in np.eye(3)])[face]


def _face_coordinates(share: Rays, face: Faces) -> tuple[Depths, Depths]:
    """Return where points lie on the pictures of the faces of a box, from 0 to 1 across and down."""
    across, up = np.array([(1, 2), (0, 2), (0, 1)])[face // 2].T
    along = np.arange(len(face))
    return (share[along, across] + 1) / 2, (1 - share[along, up]) / 2


def leave_box(origin: Vector, direction: Rays, low: Vector, high: Vector) -> tuple[Depths, Int64[np.ndarray, " n"]]:
    """Return where rays from inside a box leave it, and through which face.

    Returns:
        Depths, and faces: `2·axis` for the low one, `2·axis + 1` for the high one.
    """
    with np.errstate(divide="ignore"):
        to_side = (np.where(direction > 0, high, low) - origin) / direction
    to_side[direction == 0] = MISSED
    x, y, z = to_side.T
    axis = np.where(x <= y, np.where(x <= z, 0, 2), np.where(y <= z, 1, 2))
    along = np.arange(len(direction))
    return to_side[along, axis], 2 * axis + (direction[along, axis] > 0)


def enter_box(origin: Vector, direction: Rays, half_size: Vector) -> tuple[Depths, Int64[np.ndarray, " n"]]:
    """Return where rays from outside enter a box around zero, and through which face; `MISSED` where they do not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (-half_size - origin) / direction, (half_size - origin) / direction
    near, far = np.fmin(one, other), np.fmax(one, other)
    axis = np.argmax(near, axis=1)
    along = np.arange(len(direction))
    depth = near[along, axis]
    hit = (depth > 0) & (depth <= far.min(axis=1))
    return np.where(hit, depth, MISSED), 2 * axis + (direction[along, axis] < 0)


def enter_ball(origin: Vector, direction: Rays, radius: float) -> Depths:
    """Return where rays from outside enter a ball around zero; `MISSED` where they do not."""
    a = np.einsum("ni,ni->n", direction, direction)
    b = direction @ origin
    discriminant = b * b - a * (origin @ origin - radius * radius)
    depth = (-b - np.sqrt(np.maximum(discriminant, 0))) / a
    return np.where((discriminant >= 0) & (depth > 0), depth, MISSED)
