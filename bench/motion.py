"""Whether the tools that speak of motion agree with each other and with the truth, on random scenes.

Every object of every scene is asked about: how often what rests is called moving, how often the way of what moves is
stated and right, how often turning and spinning are told and right, and whether any two answers contradict each other.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.moving_boxes import MovingBoxes, moving_boxes
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.motion_evidence import motion_of
from fast_snow.reasoning.tools.tool_answers import Grade, ToolAnswer
from fast_snow.reasoning.tools.tracks import trajectory_of

TOOLS: Final = ("is_moving", "heading", "motion_without_camera", "approach", "speed", "turning", "spinning")
OPPOSITE: Final = (("left", "right"), ("up", "down"), ("towards the camera", "away from the camera"))
CLEAR: Final = 3.0
"""Motion of so many standard deviations should be found."""


TURN: Final = 2 * np.pi
QUARTER: Final = np.pi / 2
STRAIGHT: Final = 45.0
"""Degrees: what turns by less may be told to go straight."""
FEWEST: Final = 8


def contradictions(answers: Mapping[str, ToolAnswer], *, camera_rests: bool) -> list[str]:
    """Return what cannot both be true of the answers about one object."""
    value = {name: str(answer.value) for name, answer in answers.items()}
    ways = {name: set(value[name].split(", ")) for name in ("heading", "motion_without_camera")}
    radial = {"coming closer": "towards the camera", "going further away": "away from the camera"}.get(
        value["approach"]
    )
    if radial and camera_rests:
        ways["approach"] = {radial}
    told = {name: some & {word for pair in OPPOSITE for word in pair} for name, some in ways.items()}
    found = [
        f"static, but {name} says {some}" for name, some in told.items() if some and value["is_moving"] == "static"
    ]
    found += [
        f"{one} in {a}, {two} in {b}"
        for a, some in told.items()
        for b, others in told.items()
        for pair in OPPOSITE
        for one, two in (pair, pair[::-1])
        if a < b and one in some and two in others
    ]
    rests = any(note.startswith("not beyond noise") for note in answers["speed"].notes)
    if answers["speed"].value is not None and rests != (value["is_moving"] == "static"):
        found.append(f"{value['is_moving']}, but of the speed: {answers['speed'].notes}")
    if value["is_moving"] == "static" and answers["turning"].value is not None:
        found.append(f"static, but {value['turning']}")
    return found


def outcomes(scene: MovingBoxes) -> Iterator[str]:
    """Yield what happened, by name, for each object of a scene."""
    camera_rests = not np.any(scene.centre)
    for object_id in scene.graph.tracks:
        answers = {name: call_tool(scene.graph, name, {"object_id": object_id}) for name in TOOLS}
        for each in contradictions(answers, camera_rests=camera_rests):
            yield f"contradiction: {each}"
        yield from _spinning(scene, object_id, answers["spinning"])
        state, grade = answers["is_moving"].value, answers["is_moving"].grade
        if not scene.moving[object_id]:
            yield "resting"
            if state == "moving":
                yield f"resting, moving {grade}"
            continue
        yield from _moving(scene, object_id, answers)


def _spinning(scene: MovingBoxes, object_id: int, answer: ToolAnswer) -> Iterator[str]:
    seen = trajectory_of(scene.graph, object_id).t
    turned = {
        "seen from above": np.ptp(scene.yaw[object_id][seen]) * np.sign(scene.yaw[object_id][-1]),
        "as seen from the camera": np.ptp(scene.roll[object_id][seen]) * np.sign(scene.roll[object_id][-1]),
    }
    spins = [
        f"{'clockwise' if each > 0 else 'counter-clockwise'} {way}" for way, each in turned.items() if abs(each) > TURN
    ]
    if object_id in (0, 1) and not spins:
        return  # it is seen for less than a turn, which is neither
    if spins and len(seen) >= FEWEST:
        yield "spinning: clear"
        yield f"spinning: {'unknown' if answer.value is None else answer.grade}"
    if answer.value is not None:
        right = answer.value in spins if spins else answer.value == "not spinning"
        yield f"{'spinning' if spins else 'not spinning'}: {answer.grade} {'right' if right else 'wrong'}"


def _turning(scene: MovingBoxes, object_id: int, answers: Mapping[str, ToolAnswer], *, clear: bool) -> Iterator[str]:
    seen, answer = trajectory_of(scene.graph, object_id).t, answers["turning"]
    turned = float(np.degrees(scene.yaw[object_id][seen[-1]] - scene.yaw[object_id][seen[0]]))
    clear = clear and abs(turned) > np.degrees(QUARTER)
    if clear:
        yield "turning: clear"
        if answer.value is not None and not str(answer.value).startswith("straight"):
            yield f"turning: clear and {answer.grade}"
    if answer.value is not None:
        truth = f"turning {'right' if turned > 0 else 'left'}"
        straight = str(answer.value).startswith("straight")
        right = abs(turned) < STRAIGHT if straight else abs(turned) > 0 and answer.value == truth
        yield f"{'straight' if straight else 'turning'}: {answer.grade} {'right' if right else 'wrong'}"


def _moving(scene: MovingBoxes, object_id: int, answers: Mapping[str, ToolAnswer]) -> Iterator[str]:
    trajectory = trajectory_of(scene.graph, object_id)
    motion, middle = motion_of(scene.graph, trajectory), int(trajectory.t[len(trajectory) // 2])
    angles = scene.angles(object_id, middle)[trajectory.t]
    true, sigma = angles[-1] - angles[0], motion.shift.sigma
    yield "moving"
    for i, name, words in ((0, "motion_without_camera", OPPOSITE[0]), (2, "heading", OPPOSITE[2])):
        told = [word for word in str(answers[name].value).split(", ") if word in words]
        grade = answers[name].grade
        if abs(true[i]) > CLEAR * sigma[i]:
            yield f"{words[0]} or {words[1]}: clear"
            if told and grade is Grade.STATED:
                yield f"{words[0]} or {words[1]}: clear and stated"
        if told:
            right = told[0] == words[int(true[i] > 0)]
            yield f"{words[0]} or {words[1]}: {grade} {'right' if right else 'wrong'}"
    # Its way turns where it is moved by much more than noise in each half.
    yield from _turning(scene, object_id, answers, clear=bool((np.abs(true) > 2 * CLEAR * sigma).any()))
    off = np.abs(motion.shift.value - true) / sigma
    for i, name in enumerate(("angle to the right", "angle down", "logarithm of the distance")):
        yield f"{name}: all"
        if off[i] < 1:
            yield f"{name}: within 1 sigma"
        if off[i] < 2:
            yield f"{name}: within 2 sigma"


def measure(seeds: range, *, partial: bool = False) -> dict[str, int]:
    """Count outcomes over scenes; with `partial`, some masks miss a part for some frames."""
    counts = Counter(each for seed in seeds for each in outcomes(moving_boxes(seed, partial=partial)))
    return dict(sorted(counts.items()))


def main() -> None:
    """Measure, print, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--partial", action="store_true", help="some masks miss a part for some frames")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    counts: dict[str, Any] = {"scenes": options.scenes, "partial": options.partial}
    counts |= measure(range(options.scenes), partial=options.partial)
    for name, count in counts.items():
        print(f"{count:6}  {name}")
    if options.json:
        options.json.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
