"""Which layouts of recordings are known, and how each is recognised: the first that fits is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fast_snow.config import SourceConfig
from fast_snow.inputs.layouts import colmap_model, lerobot, ros_bags, scans, transforms_json
from fast_snow.inputs.layouts.ros_reading import METADATA
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.recording_folder import read_recording_folder
from fast_snow.inputs.tum import read_tum_folder


@dataclass(frozen=True, slots=True)
class Layout:
    """What another tool writes; `is_at` opens nothing."""

    name: str
    is_at: Callable[[Path], bool]
    read: Callable[[Path, SourceConfig], Recording]


def _folders(*names: str) -> Callable[[Path], bool]:
    return lambda path: all((path / name).is_dir() for name in names)


def _is_bag(path: Path) -> bool:
    if path.is_dir():
        return (path / METADATA).is_file()
    return path.suffix.lower() in ros_bags.SUFFIXES and path.is_file()


def _is_transforms(path: Path) -> bool:
    if path.is_dir():
        return (path / transforms_json.NAME).is_file()
    return path.suffix.lower() == ".json" and path.is_file()


BAG: Final = "ROS bag or MCAP"
LAYOUTS: Final = (
    Layout("TUM RGB-D", lambda path: (path / "rgb.txt").is_file(), lambda path, _: read_tum_folder(path)),
    Layout("ScanNet", _folders("color", "pose", "intrinsic"), scans.read_scannet),
    Layout("recording folder", _folders("color"), lambda path, options: read_recording_folder(path, fps=options.fps)),
    Layout("ScanNet++", lambda path: (path / "iphone" / scans.POSE_FILE).is_file(), scans.read_scannetpp),
    Layout("ARKitScenes", lambda path: (path / "lowres_wide.traj").is_file(), scans.read_arkit_scenes),
    Layout("Replica", lambda path: (path / "traj.txt").is_file() and (path / "results").is_dir(), scans.read_replica),
    Layout("transforms.json", _is_transforms, transforms_json.read_transforms),
    Layout(
        "COLMAP",
        lambda path: path.is_dir() and colmap_model.model_folder(path) is not None,
        colmap_model.read_colmap_model,
    ),
    Layout(BAG, _is_bag, ros_bags.read_bag),
)


def others(path: Path) -> str:
    """Return the name of what is none of the layouts: a dataset of videos, images alone or a video."""
    if (path / lerobot.INFO).is_file():
        return "LeRobot dataset"
    return "images" if path.is_dir() else "video"
