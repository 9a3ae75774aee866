"""The clips that `bench.objects` measures on, with geometry and true masks: the example scene, DAVIS, RedKitchen."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from fast_snow.config import Config
from fast_snow.engines.classical.geometry.estimator import open_geometry
from fast_snow.engines.recorded import open_geometry as open_recorded_geometry
from fast_snow.inputs import open_input
from fast_snow.inputs.windows import windows
from fast_snow.synthetic.files import write_video
from fast_snow.synthetic.render import render
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import DepthOrigin, Frames, Geometry, Window

SCENE = "scene"
DAVIS = ("blackswan", "car-shadow", "dance-twirl", "horsejump-high", "libby", "scooter-black", "soapbox")
KITCHEN = "redkitchen_dev"

_CONFIG = Config()
_IS_OBJECT = 127


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """One clip with what is known of it.

    Attributes:
        name: of the clip.
        window: all its frames.
        geometry: of these, as recorded or by the classical engine.
        truth: object ids on the analysis grid, 0 where there is none; nothing but 0 where nobody marked the objects.
    """

    name: str
    window: Window
    geometry: Geometry
    truth: UInt8[np.ndarray, "n h w"]


def load(name: str, clips: Path, cache: Path) -> Clip:
    """Read a clip, and estimate its geometry unless the cache holds it.

    Args:
        name: `scene`, `scene-N` with textures of seed N, `redkitchen_dev`, or a clip of DAVIS.
        clips: folder of the development clips.
        cache: folder for rendered scenes and estimated geometry.
    """
    if name == KITCHEN:
        return _kitchen(clips / name)
    scene = name.startswith(SCENE)
    video, ids = _scene(name, cache) if scene else (clips / "davis" / name / "video.mp4", None)
    window = next(windows(open_input(video, _CONFIG.sampling), _CONFIG.window))
    geometry = _geometry(cache / f"{name}.geometry.npz", window.frames)
    if ids is None:
        ids = _masks(clips / "davis" / name / "gt", window.frames)
    size = geometry.grid[::-1]
    truth = np.stack([cv2.resize(each, size, interpolation=cv2.INTER_NEAREST) for each in ids])
    return Clip(name=name, window=window, geometry=geometry, truth=truth)


def _kitchen(folder: Path) -> Clip:
    opened = open_input(folder, _CONFIG.sampling)
    if opened.recording is None:
        raise SystemExit(f"{folder}: expected an RGB-D recording")
    window = next(windows(opened, _CONFIG.window))
    with open_recorded_geometry(opened.recording) as estimate:
        geometry = estimate(window.frames)
    return Clip(name=KITCHEN, window=window, geometry=geometry, truth=np.zeros(geometry.depth.shape, np.uint8))


def _scene(name: str, cache: Path) -> tuple[Path, UInt8[np.ndarray, "n h w"]]:
    video, ids = cache / f"{name}.mp4", cache / f"{name}.ids.npy"
    if not ids.exists():
        scene = render(SceneConfig(seed=int(name.removeprefix(SCENE).lstrip("-") or 0)))
        write_video(scene, video)
        np.save(ids, scene.ids.astype(np.uint8))
    return video, np.load(ids)


def _masks(folder: Path, frames: Frames) -> UInt8[np.ndarray, "n h w"]:
    images = [cv2.imread(str(folder / f"{i:05d}.png"), cv2.IMREAD_GRAYSCALE) for i in frames.source_frame]
    return np.stack([(image > _IS_OBJECT).astype(np.uint8) for image in images if image is not None])


def _geometry(path: Path, frames: Frames) -> Geometry:
    if not path.exists():
        with open_geometry(_CONFIG.classical.geometry, seed=_CONFIG.runtime.seed, threads=1) as estimate:
            answer = estimate(frames)
        np.savez(
            path,
            depth=answer.depth,
            confidence=answer.confidence,
            intrinsics=answer.intrinsics,
            T_camera_world=answer.T_camera_world,
            metric=answer.metric,
            origin=answer.origin.name,
        )
    with np.load(path) as stored:
        return Geometry(
            depth=stored["depth"],
            confidence=stored["confidence"],
            intrinsics=stored["intrinsics"],
            T_camera_world=stored["T_camera_world"],
            metric=bool(stored["metric"]),
            origin=DepthOrigin[str(stored["origin"])],
        )
