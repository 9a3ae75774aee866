"""A run in the Rerun viewer: video, depth, outlines, camera, extents and trails on the timelines `t` and `time_s`."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8

from fast_snow.cameras import Intrinsics, pinhole, rescale
from fast_snow.errors import EngineError
from fast_snow.keyframes import KeyframeImage, decode_depth, decode_jpeg, depth_intrinsics, encode_jpeg
from fast_snow.types import GridShape, LabelledMasks, Merge, Observations, SceneGraph
from fast_snow.untrusted_images import decode_channel
from fast_snow.viewing.outlines import outlines
from fast_snow.viewing.page_text import headline, run_warnings
from fast_snow.viewing.palette import rgb_of

if TYPE_CHECKING:
    import rerun.blueprint as rrb
    from rerun import RecordingStream

Images = Iterable[tuple[int, UInt8[np.ndarray, "height width 3"]]]
DepthImages = Iterable[tuple[int, Shaped[np.ndarray, "_ _"]]]

WORLD: Final = "world"
OBJECTS: Final = "world/objects"
TRAILS: Final = "world/trails"
CAMERA: Final = "world/camera"
IMAGE: Final = "world/camera/image"
PICTURE: Final = "world/camera/image/picture"
MASKS: Final = "world/camera/image/masks"
DEPTH: Final = "world/depth"
CAMERA_PATH: Final = "world/camera_path"
LOG: Final = "log"


class _Part(IntEnum):
    """What is logged of a frame, in this order."""

    PICTURE = 0
    DEPTH = 1
    WORLD = 2
    MASKS = 3


TRAIL: Final = 50
"""Observations that a trail reaches back: 5 s at 10 Hz."""
_MAX_SIDE: Final = 960
_JPEG_QUALITY: Final = 80
_PLANE_SHARE: Final = 0.15
"""How far the image stands from the camera in 3D, of the median distance to the objects."""
_GREY: Final = (150, 150, 150)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShownRun:
    """What is shown of a run; masks and images are read once.

    Attributes:
        graph: the scene graph, which may still grow.
        masks: the objects of its frames.
        images: `(t, RGB image)` of some or all frames.
        depths: `(t, values)` of depth images as `keyframes.encode_depth` writes them.
        record: of the run (untrusted).
    """

    graph: SceneGraph
    masks: Iterable[LabelledMasks]
    images: Images = ()
    depths: DepthImages = ()
    record: Mapping[str, Any] = field(default_factory=dict)


def rrd(run: ShownRun) -> bytes:
    """Return the content of an .rrd file, with the layout in which it opens."""
    recording = new_recording(run.record)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.rrd"
        recording.save(path, default_blueprint=_blueprint(run.graph))
        log_run(recording, run)
        recording.flush()
        recording.disconnect()
        return path.read_bytes()


def show(run: ShownRun) -> None:
    """Show a run in the Rerun viewer, which is started unless it runs.

    Raises:
        EngineError: the viewer cannot be started.
    """
    recording = viewer(run.record, run.graph)
    log_run(recording, run)
    recording.flush()


def viewer(record: Mapping[str, Any], graph: SceneGraph | None = None) -> "RecordingStream":
    """Return a new recording that a viewer shows, which is started unless it runs; a known graph tells its frame rate.

    Raises:
        EngineError: Rerun is not installed, or its viewer cannot be started.
    """
    recording = new_recording(record)
    try:
        recording.spawn(default_blueprint=_blueprint(graph))
    except (RuntimeError, OSError) as error:
        raise EngineError(f"rerun: the viewer does not start ({error}); write a file with --rerun-save") from error
    return recording


def log_run(recording: "RecordingStream", run: ShownRun) -> None:
    """Log a run frame by frame."""
    log_frames(recording, run, frozenset(run.graph.ego.t.tolist()))
    _log_texts(recording, run.graph, run.record)


def log_window(
    recording: "RecordingStream",
    graph: SceneGraph,
    labelled: Sequence[LabelledMasks],
    pictures: Iterable[KeyframeImage],
) -> None:
    """Log what a window adds to a graph that grows; its keyframes are its images."""
    t_of = {each.path: each.t for each in graph.keyframes}
    shown = [each for each in pictures if each.path in t_of]
    run = ShownRun(
        graph=graph,
        masks=labelled,
        images=((t_of[each.path], decode_jpeg(each.jpeg)) for each in shown),
        depths=((t_of[each.path], decode_channel(each.depth, Path(each.path))) for each in shown if each.depth),
    )
    log_frames(recording, run, frozenset(each.t for each in labelled))


def log_frames(recording: "RecordingStream", run: ShownRun, frames: AbstractSet[int]) -> None:
    """Log some frames of a run, of which there may be more masks and images."""
    import rerun as rr

    graph = run.graph
    recording.log(WORLD, rr.ViewCoordinates.RDF, static=True)
    recording.log(CAMERA_PATH, rr.LineStrips3D([graph.ego.position], colors=[_GREY]), static=True)
    tokens, times = _by_frame(graph, frames), _times(graph, frames)
    plane, size, pictured = _PLANE_SHARE * _usual_distance(graph), graph.analysis_grid, -1
    parts: tuple[Iterable[tuple[int, _Part, Any]], ...] = (
        ((t, _Part.PICTURE, image) for t, image in run.images),
        ((t, _Part.DEPTH, values) for t, values in run.depths),
        ((t, _Part.WORLD, i) for i, t in enumerate(graph.ego.t.tolist())),
        ((frame.t, _Part.MASKS, frame) for frame in run.masks),
    )
    # A viewer shows what has come so far: all of a frame comes together.
    for t, part, value in merge(*parts, key=lambda each: each[:2]):
        if t not in times:
            continue
        _set_time(recording, t, times[t])
        if part is _Part.PICTURE:
            size, pictured = _log_image(recording, value), t
        elif part is _Part.DEPTH:
            _log_depth(recording, graph, int(np.searchsorted(graph.ego.t, t)), value, plane)
        elif part is _Part.MASKS:
            _log_masks(recording, value, size)
        else:
            if pictured != t:  # an older picture would not show what is outlined
                recording.log(PICTURE, rr.Clear(recursive=False))
            _log_camera(recording, graph, value, size, plane)
            _log_objects(recording, tokens.get(t, {}))


def _times(graph: SceneGraph, frames: AbstractSet[int]) -> dict[int, float]:
    pairs = zip(graph.ego.t.tolist(), graph.ego.time_s.tolist(), strict=True)
    return {t: time_s for t, time_s in pairs if t in frames}


def _set_time(recording: "RecordingStream", t: int, time_s: float) -> None:
    recording.set_time("t", sequence=t)
    if np.isfinite(time_s):
        recording.set_time("time_s", duration=time_s)


def new_recording(record: Mapping[str, Any]) -> "RecordingStream":
    """Return an empty recording with the name of the run's input.

    Raises:
        EngineError: Rerun is not installed.
    """
    try:
        import rerun as rr
    except ImportError as error:
        raise EngineError(f'rerun: not installed ({error}): uv pip install -e ".[view]"') from error
    recording = rr.RecordingStream("fast-snow")
    recording.set_log_tick_enabled(False)
    recording.set_log_time_enabled(False)
    recording.send_recording_name(headline(record))
    return recording


def _blueprint(graph: SceneGraph | None) -> "rrb.Blueprint":
    """Return the layout: the video over depth and log at the left, the scene at the right, the timeline below.

    A graph is played as fast as its clip is; without one, Rerun's own rate is left.
    """
    import rerun.blueprint as rrb

    intervals = np.zeros(1) if graph is None or graph.num_frames < 2 else np.diff(graph.ego.time_s)
    rate = 1 / float(np.median(intervals)) if np.median(intervals) > 0 else None
    video = rrb.Spatial2DView(origin=IMAGE, name="Video")
    depth = rrb.Spatial2DView(origin=DEPTH, name="Depth of the last keyframe")
    scene = rrb.Spatial3DView(origin=WORLD, name="Scene")
    log = rrb.TextLogView(origin=LOG, name="Merges and warnings")
    return rrb.Blueprint(
        rrb.Horizontal(rrb.Vertical(video, rrb.Horizontal(depth, log), row_shares=[2, 1]), scene, column_shares=[1, 1]),
        rrb.TimePanel(timeline="t", state="collapsed", fps=rate),
        rrb.BlueprintPanel(state="collapsed"),
        rrb.SelectionPanel(state="collapsed"),
    )


def _by_frame(graph: SceneGraph, frames: AbstractSet[int]) -> dict[int, dict[int, Observations]]:
    """Return, by frame and object, the observation in that frame after those that its trail reaches back to."""
    seen: dict[int, dict[int, Observations]] = {}
    for object_id, track in graph.tracks.items():
        for i, t in enumerate(track.observations.t.tolist()):
            if t in frames:
                seen.setdefault(t, {})[object_id] = track.observations[max(0, i + 1 - TRAIL) : i + 1]
    return seen


def _usual_distance(graph: SceneGraph) -> float:
    """Return the median distance of the objects from the camera; 1 where there are none."""
    position = dict(zip(graph.ego.t.tolist(), graph.ego.position, strict=True))
    offsets = [
        each.centroid - np.stack([position[t] for t in each.t.tolist()])
        for each in (track.observations for track in graph.tracks.values())
    ]
    return float(np.median(np.linalg.norm(np.concatenate(offsets), axis=1))) if offsets else 1.0


def _log_camera(recording: "RecordingStream", graph: SceneGraph, i: int, size: GridShape, plane: float) -> None:
    """Log pose and pinhole of a frame, where known; an image of `size` stands `plane` before the camera."""
    _log_pose(recording, CAMERA, graph, i)
    if (lens := _lens(graph, i)) is not None:
        _log_lens(recording, IMAGE, rescale(lens, graph.analysis_grid, size), size, plane)


def _log_pose(recording: "RecordingStream", entity: str, graph: SceneGraph, i: int) -> None:
    import rerun as rr

    quaternion = graph.ego.quaternion_xyzw[i]
    turn = {"quaternion": rr.Quaternion(xyzw=quaternion)} if np.isfinite(quaternion).all() else {}
    recording.log(entity, rr.Transform3D(translation=graph.ego.position[i], **turn))


def _log_depth(
    recording: "RecordingStream", graph: SceneGraph, i: int, values: Shaped[np.ndarray, "_ _"], plane: float
) -> None:
    """Log the depth image of a frame with its camera; Rerun shows it in the scene as points until the next one."""
    import rerun as rr

    _log_pose(recording, DEPTH, graph, i)
    unit, lens = 1.0 if graph.scale is None else graph.scale.metres_per_unit, _lens(graph, i)
    recording.log(DEPTH, rr.DepthImage(decode_depth(values) * np.float32(unit), meter=1.0, colormap="magma"))
    if lens is not None:
        _log_lens(recording, DEPTH, depth_intrinsics(lens, graph.analysis_grid), values.shape, plane)


def _lens(graph: SceneGraph, i: int) -> Intrinsics | None:
    """Return the pinhole of a frame of the analysis grid, where it is known."""
    intrinsics = graph.ego.intrinsics[i].astype(np.float64)
    if np.isfinite(intrinsics).all() and (intrinsics[:2] > 0).all() and min(graph.analysis_grid) > 0:
        return pinhole(*intrinsics.tolist())
    return None


def _log_lens(recording: "RecordingStream", entity: str, lens: Intrinsics, size: GridShape, plane: float) -> None:
    import rerun as rr

    lens = lens.copy()
    lens[:2, 2] += 0.5  # Rerun's pixels have their centres at a half
    shown = rr.Pinhole(image_from_camera=lens, width=size[1], height=size[0], image_plane_distance=plane, color=_GREY)
    recording.log(entity, shown)


def _log_image(recording: "RecordingStream", image: UInt8[np.ndarray, "height width 3"]) -> GridShape:
    """Log an image, made smaller where it is large, and return its height and width."""
    import rerun as rr

    share = min(1.0, _MAX_SIDE / max(image.shape[:2]))
    if share < 1:
        height, width = (max(1, round(share * side)) for side in image.shape[:2])
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    recording.log(PICTURE, rr.EncodedImage(contents=encode_jpeg(image, _JPEG_QUALITY), media_type="image/jpeg"))
    return image.shape[0], image.shape[1]


def _log_objects(recording: "RecordingStream", seen: Mapping[int, Observations]) -> None:
    import rerun as rr

    colors, labels = [rgb_of(each) for each in seen], [str(each) for each in seen]
    trails = [each.centroid for each in seen.values()]
    low, high = (
        np.array([getattr(each, name)[-1] for each in seen.values()], np.float64).reshape(-1, 3)
        for name in ("low", "high")
    )
    boxes = rr.Boxes3D(centers=(low + high) / 2, half_sizes=(high - low) / 2, colors=colors, labels=labels)
    recording.log(OBJECTS, boxes)
    recording.log(TRAILS, rr.LineStrips3D(trails, colors=colors))


def _log_masks(recording: "RecordingStream", frame: LabelledMasks, size: GridShape) -> None:
    """Log outlines and numbers in pixels of the image, half a pixel further as Rerun counts them."""
    import rerun as rr

    height, width = size
    scale = np.array([width, height]) / frame.masks.shape[::-1]
    shapes = list(outlines(frame))
    closed = [(rgb_of(each.object_id), np.concatenate([ring, ring[:1]])) for each in shapes for ring in each.polygons]
    strips, colors = [(ring + 0.5) * scale for _, ring in closed], [color for color, _ in closed]
    recording.log(MASKS, rr.LineStrips2D(strips, colors=colors))
    points = [(np.array(each.anchor) + 0.5) * scale for each in shapes]
    colors, labels = [rgb_of(each.object_id) for each in shapes], [str(each.object_id) for each in shapes]
    recording.log(f"{MASKS}/numbers", rr.Points2D(points, colors=colors, labels=labels, show_labels=True))


def _log_texts(recording: "RecordingStream", graph: SceneGraph, record: Mapping[str, Any]) -> None:
    """Log merges at their frames, and the run's warnings at the first frame."""
    import rerun as rr

    times = _times(graph, frozenset(graph.ego.t.tolist()))
    for t in list(times)[:1]:
        _set_time(recording, t, times[t])
        for warning in run_warnings(record):
            recording.log(f"{LOG}/warnings", rr.TextLog(warning, level=rr.TextLogLevel.WARN))
    for each in graph.merges:
        if each.t in times:
            _set_time(recording, each.t, times[each.t])
            recording.log(f"{LOG}/merges", rr.TextLog(_merge_text(each), level=rr.TextLogLevel.INFO))


def _merge_text(merge: Merge) -> str:
    """Say in a line what was merged, and on which evidence."""
    what = "a masklet joined" if merge.dropped is None else f"object {merge.dropped} became"
    known = (("IoU", merge.iou), ("distance", merge.distance))
    evidence = ", ".join(f"{name} {value:.3g}" for name, value in known if np.isfinite(value))
    return f"t {merge.t}: {what} object {merge.kept}{f' ({evidence})' if evidence else ''}"
