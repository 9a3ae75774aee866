"""Writes a rendered scene as a video or as a recording folder."""

import json
from pathlib import Path

import av
import cv2
import numpy as np
from jaxtyping import UInt

from fast_snow.errors import OutputError
from fast_snow.inputs.sampling import exact
from fast_snow.synthetic.render import SyntheticScene

DEPTH_SCALE = 5000.0
"""Units per metre of written depth: steps of 0.2 mm up to 13 m."""

_ENCODER = {"crf": "20", "preset": "slow", "threads": "1"}


def write_video(scene: SyntheticScene, path: Path) -> None:
    """Write the images as H.264 (yuv420p) in MP4; the same scene gives the same bytes.

    Args:
        scene: what was rendered.
        path: the file to write.

    Raises:
        OutputError: the images have an odd width or height, or the file cannot be written.
    """
    height, width = scene.image.shape[1:3]
    if height % 2 or width % 2:
        raise OutputError(f"{path}: images of {width}x{height}; H.264 expects even sizes: render another size")
    rate = exact(scene.fps)
    try:
        with av.open(str(path), "w", options={"movflags": "faststart", "fflags": "bitexact"}) as container:
            stream = container.add_stream("libx264", rate=rate, options=_ENCODER)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for index, image in enumerate(scene.image):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = index, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (av.FFmpegError, OSError) as error:
        raise OutputError(
            f"{path}: cannot be written ({error}); expected a folder with room: give another path"
        ) from error


def write_recording(scene: SyntheticScene, folder: Path) -> None:
    """Write a recording folder: color/, depth/, masks/, poses_c2w.txt and meta.json.

    Args:
        scene: what was rendered.
        folder: where to; it must be new or empty.

    Raises:
        OutputError: the folder holds something, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise OutputError(f"{folder}: not empty; expected a new folder: give another name")
        for name in ("color", "depth", "masks"):
            (folder / name).mkdir()
        for index in range(len(scene)):
            file = f"{index:06d}.png"
            _write_png(folder / "color" / file, scene.image[index][:, :, ::-1])
            _write_png(folder / "depth" / file, np.rint(scene.depth[index] * DEPTH_SCALE).astype(np.uint16))
            _write_png(folder / "masks" / file, scene.ids[index].astype(np.uint8))
        lines = (" ".join(repr(float(number)) for number in pose.reshape(-1)) for pose in scene.T_world_camera)
        (folder / "poses_c2w.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "meta.json").write_text(json.dumps(_meta(scene), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error}); expected a folder with room: give another"
        ) from error


def _meta(scene: SyntheticScene) -> dict[str, float | dict[str, float]]:
    K = scene.intrinsics
    intrinsics = {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
    return {
        "fps": scene.fps,
        "depth_scale": DEPTH_SCALE,
        "intrinsics": {key: float(k) for key, k in intrinsics.items()},
    }


def _write_png(path: Path, image: UInt[np.ndarray, "..."]) -> None:
    if not cv2.imwrite(str(path), image):
        raise OSError(f"{path.name} was refused")
