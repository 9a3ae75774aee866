"""How objects move in the image, as seen and with the camera's own motion taken out."""

from fast_snow.reasoning.tools.findings import Figure, Finding, Frame, finding, times
from fast_snow.reasoning.tools.image_tracks import (
    image_measurements,
    image_path,
    without_camera,
)
from fast_snow.reasoning.tools.motion import require_several
from fast_snow.reasoning.tools.noise import noise_of
from fast_snow.reasoning.tools.reference_frames import words
from fast_snow.reasoning.tools.significance import Measurements, change, rest
from fast_snow.reasoning.tools.tracks import Path, path
from fast_snow.types import SceneGraph

_WAYS = (("left", "right"), ("up", "down"))
_AND_BACK = "not moving on the whole: it ends near where it began"


@finding
def motion_in_image(
    graph: SceneGraph, *, object_id: int, t_from: int | None = None, t_to: int | None = None
) -> Finding:
    """Tell which way an object moves across the image, as it looks on screen: the camera's own motion is part of it.

    Args:
        graph: the graph.
        object_id: number of the object.
        t_from: first frame; null for the object's first.
        t_to: last frame; null for the object's last.
    """
    some, places, floor = image_path(graph, path(graph, object_id, t_from, t_to))
    require_several(some)
    return _told(some, image_measurements(some, places, floor, 0.0), ("the camera's own motion is part of it",))


@finding
def motion_without_camera(
    graph: SceneGraph, *, object_id: int, t_from: int | None = None, t_to: int | None = None
) -> Finding:
    """Tell which way an object moves left, right, up or down in the image once the camera's own motion is taken out.

    This answers "which way does it move": an object that the camera follows stays in the middle of the image, and moves
    all the same.

    Args:
        graph: the graph.
        object_id: number of the object.
        t_from: first frame; null for the object's first.
        t_to: last frame; null for the object's last.
    """
    some, places, floor = image_path(graph, path(graph, object_id, t_from, t_to))
    require_several(some)
    corrected, wander, how = without_camera(graph, some, places, noise_of(graph))
    return _told(some, image_measurements(some, corrected, floor, wander), (how,))


def _told(some: Path, measurements: Measurements, notes: tuple[str, ...]) -> Finding:
    found, still = change(measurements), rest(measurements)
    named = words(found, _WAYS) if found.there and still.moves else ()
    u, v = found.value.tolist()
    sigma_u, sigma_v = found.sigma.tolist()
    return Finding(
        value=", ".join(named) or (_AND_BACK if still.moves else "not moving"),
        frame=Frame.IMAGE,
        figures=(
            Figure(name="to_the_right", value=u, unit="pixels", sigma=sigma_u),
            Figure(name="down", value=v, unit="pixels", sigma=sigma_v),
            Figure(name="p_of_rest", value=still.p),
        ),
        evidence=times(some.t),
        notes=notes,
    )
