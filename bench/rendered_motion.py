"""Whether the tools that speak of motion are right where nothing but a video is given: random rendered scenes.

Boxes and balls rest or move before a camera that stands, drives or pans; the engines without weights make the graph.
A track is the thing that most of its pixels show: an object, or the room (panels, pictures, shadows), which rests.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

import fast_snow
from bench.motion import CLEAR, OPPOSITE, TOOLS, contradictions
from fast_snow.config import Config, EnginesConfig
from fast_snow.kernels.masks import decode
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.motion_evidence import motion_of
from fast_snow.reasoning.tools.tool_answers import ToolAnswer
from fast_snow.reasoning.tools.tracks import trajectory_of
from fast_snow.synthetic.files import write_video
from fast_snow.synthetic.render import SyntheticScene, render
from fast_snow.synthetic.scene import Pattern, SceneConfig, SceneObject, Shape, object_poses, phases
from fast_snow.types import SceneGraph

SIZE: Final = (240, 320)
FRAMES: Final = 24
RESTING: Final = 4
MOVING: Final = 2
STEEPEST_PAN: Final = 38 / (0.9 * SIZE[1])
"""Radians a frame: 38 of 320 pixels, as 60 of 504."""
WIDEST: Final = 0.6
MOVES: Final = 0.1
"""Metres of net motion of what moves; what moves by less while it is seen is neither."""
APPROACH: Final = ("coming closer", "going further away")
KEEPS: Final = 0.01
"""What changes its distance by a smaller share keeps it."""
CONFIG: Final = Config(engines=EnginesConfig(geometry="classical", segmenter="classical", tracker="classical"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RandomScene:
    """A rendered scene, where its objects' centres are in each frame, and how long each is; the room is id 0."""

    rendered: SyntheticScene
    places: dict[int, Float64[np.ndarray, "n 3"]]
    lengths: dict[int, float]

    def angles(self, number: int, seen_from: int) -> Float64[np.ndarray, "n 2"]:
        """Return angles to the right (radians) and logarithms of the distance from the camera of one frame."""
        T = np.linalg.inv(self.rendered.T_world_camera[seen_from])
        x, y, z = (self.places[number] @ T[:3, :3].T + T[:3, 3]).T
        return np.stack([np.arctan2(x, z), np.log(np.sqrt(x**2 + y**2 + z**2))], axis=1)

    def farther(self, number: int, first: int, last: int) -> float:
        """Return by how much the logarithm of an object's distance from the camera grows between two frames."""
        distance = np.linalg.norm(self.places[number] - self.rendered.T_world_camera[:, :3, 3], axis=1)
        return float(np.log(distance[last] / distance[first]))


def random_scene(seed: int) -> RandomScene:
    """Render a random scene; equal seeds give equal scenes."""
    rng = np.random.default_rng(seed)
    objects: list[SceneObject] = []
    while len(objects) < RESTING + MOVING:
        new = _object(rng, len(objects) + 1, moving=len(objects) >= RESTING)
        if all(_apart(new, each) for each in objects):
            objects.append(new)
    config = SceneConfig(size=SIZE, frames=FRAMES, seed=seed, objects=tuple(objects))
    places = {each.object_id: object_poses(each, phases(config))[:, :3, 3] for each in objects}
    places[0] = np.tile((0.0, 2.0, 1.0), (FRAMES, 1))
    lengths = {each.object_id: 2 * max(each.half_size) for each in objects}
    return RandomScene(rendered=render(config, _camera(rng, kind=seed % 4)), places=places, lengths=lengths)


def _object(rng: np.random.Generator, number: int, *, moving: bool) -> SceneObject:
    """Return something on the floor in front of the camera; what moves goes 0.3 to 2 m straight ahead."""
    shape = Shape.BOX if rng.random() < 0.7 else Shape.SPHERE
    half = rng.uniform(0.25, 0.5, 3) if shape is Shape.BOX else np.full(3, rng.uniform(0.25, 0.45))
    start = np.array([rng.uniform(-2.4, 2.4), rng.uniform(-1.2, 2.2)])
    way = rng.uniform(-np.pi, np.pi)
    end = start + moving * rng.uniform(0.3, 2.0) * np.array([np.cos(way), np.sin(way)])
    end = np.clip(end, (-3.2, -1.8), (3.2, 2.8))
    color, accent = rng.uniform(0.1, 1.0, (2, 3))
    path = ((0.0, *start.tolist(), float(half[2])), (1.0, *end.tolist(), float(half[2])))
    return SceneObject(
        object_id=number,
        shape=shape,
        half_size=tuple(half.tolist()),
        pattern=Pattern(rng.choice(list(Pattern))),
        color=tuple(color.tolist()),
        accent=tuple(accent.tolist()),
        path=path if moving else path[:1],
        yaw=rng.uniform(-np.pi, np.pi),
    )


def _apart(one: SceneObject, other: SceneObject) -> bool:
    """Tell whether two objects never touch."""
    time = np.linspace(0, 1, FRAMES)
    way = [object_poses(each, time)[:, :2, 3] for each in (one, other)]
    reach = sum(float(np.hypot(*each.half_size[:2])) for each in (one, other))
    return float(np.linalg.norm(way[0] - way[1], axis=1).min()) > reach + 0.1


def _camera(rng: np.random.Generator, kind: int) -> Float64[np.ndarray, "n 4 4"]:
    """Return the path of a camera that stands (0), pans (2) or drives (1 and 3)."""
    step = np.arange(FRAMES) - FRAMES / 2
    angle = np.zeros(FRAMES)
    position = np.tile((0.0, -3.8, rng.uniform(1.0, 1.8)), (FRAMES, 1))
    if kind % 2:
        position[:, :2] += np.outer(step, rng.choice([-1, 1], 2) * (rng.uniform(0.04, 0.1), rng.uniform(0, 0.03)))
    if kind == 2:
        angle = np.clip(rng.choice([-1, 1]) * rng.uniform(0.1, 1.0) * STEEPEST_PAN * step, -WIDEST, WIDEST)
    ahead = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    tilt = Rotation.from_euler("x", -0.2).as_matrix()
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    poses[:, :3, :3] = ahead @ Rotation.from_euler("y", angle[:, None]).as_matrix() @ tilt
    poses[:, :3, 3] = position
    return poses


def perceived(scene: RandomScene, folder: Path) -> tuple[SceneGraph, dict[int, int]]:
    """Return the graph that the engines without weights make of a scene's video, and what most of each track shows."""
    video = folder / "scene.mp4"
    write_video(scene.rendered, video)
    result = fast_snow.build_graph(video, config=CONFIG)
    shown = {number: np.zeros(RESTING + MOVING + 1) for number in result.graph.tracks}
    for labelled, ids in zip(result.labelled, scene.rendered.ids, strict=True):
        for number, mask in zip(labelled.object_id.tolist(), decode(labelled.masks), strict=True):
            v, u = (np.arange(n) * of // n for n, of in zip(mask.shape, ids.shape, strict=True))
            shown[number] += np.bincount(ids[np.ix_(v, u)][mask], minlength=RESTING + MOVING + 1)
    return result.graph, {number: int(pixels.argmax()) for number, pixels in shown.items()}


def outcomes(scene: RandomScene, graph: SceneGraph, shows: Mapping[int, int]) -> Iterator[str]:
    """Yield what happened, by name, for each track of a graph."""
    camera_rests = np.ptp(scene.rendered.T_world_camera[:, :3, 3], axis=0).max() == 0
    for number in graph.tracks:
        answers = {name: call_tool(graph, name, {"object_id": number}) for name in TOOLS}
        for each in contradictions(answers, camera_rests=camera_rests):
            yield f"contradiction: {each}"
        yield from _judged(scene, graph, number, shows[number], answers)


def _judged(
    scene: RandomScene, graph: SceneGraph, number: int, shows: int, answers: Mapping[str, ToolAnswer]
) -> Iterator[str]:
    trajectory = trajectory_of(graph, number)
    moving, seen = answers["is_moving"], trajectory.t
    net = float(np.linalg.norm(scene.places[shows][seen[-1]] - scene.places[shows][seen[0]]))
    kind = "room" if shows == 0 else "resting" if shows <= RESTING else "moving" if net > MOVES else "hardly moving"
    yield kind
    yield f"{kind}: {moving.value or 'unknown'} {moving.grade}"
    if kind == "moving" and net >= scene.lengths[shows]:
        yield f"moving by its own length: {moving.value or 'unknown'} {moving.grade}"
    approach = str(answers["approach"].value)
    if kind in ("moving", "resting") and approach in APPROACH:
        farther = scene.farther(shows, int(seen[0]), int(seen[-1]))
        right = abs(farther) > KEEPS and (farther > 0) == (approach == APPROACH[1])
        yield f"{kind}, {approach}: {answers['approach'].grade} {'right' if right else 'wrong'}"
    if kind != "moving" or moving.value is None:
        return
    motion = motion_of(graph, trajectory)
    angles = scene.angles(shows, int(seen[len(seen) // 2]))
    change, sigma = angles[seen[-1]] - angles[seen[0]], motion.shift.sigma[[0, 2]]
    for name, tool, words, true, off in (
        ("left or right", "motion_without_camera", OPPOSITE[0], change[0], motion.shift.value[0] - change[0]),
        ("towards or away", "heading", OPPOSITE[2], change[1], motion.shift.value[2] - change[1]),
    ):
        one = sigma[int(words is OPPOSITE[2])]
        said = [word for word in str(answers[tool].value).split(", ") if word in words]
        if abs(true) > CLEAR * one:
            yield f"{name}: clear"
            yield f"{name}: clear, {answers[tool].grade if said else 'not said'}"
        if said:
            yield f"{name}: {answers[tool].grade} {'right' if said[0] == words[int(true > 0)] else 'wrong'}"
        sigmas = int(abs(off) / one)
        yield f"{name}: error {f'below {sigmas + 1} sigma' if sigmas < 3 else 'of 3 sigma or more'}"


def main() -> None:
    """Measure and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    with TemporaryDirectory() as folder:
        for seed in range(options.first, options.first + options.scenes):
            scene = random_scene(seed)
            counts.update(outcomes(scene, *perceived(scene, Path(folder))))
    print(f"{process_time():.0f} CPU seconds, {options.scenes} scenes")
    for name, count in sorted(counts.items()):
        print(f"{count:6}  {name}")


if __name__ == "__main__":
    main()
