"""Prints the cameras and the registered images of a COLMAP model as JSON: `python colmap_reader.py FOLDER`.

A process of its own, with bounded memory where the system can bound it: see `colmap_model`.
"""

import json
import sys
from contextlib import suppress
from typing import Final

_MEMORY: Final = 4 * 2**30


def main() -> None:
    """Read the model of the folder that the command line names."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such module
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    import pycolmap

    try:
        model = pycolmap.Reconstruction(sys.argv[1])
        answer = {
            "cameras": {
                str(key): {
                    "model": camera.model.name,
                    "width": camera.width,
                    "height": camera.height,
                    "params": [float(number) for number in camera.params],
                }
                for key, camera in model.cameras.items()
            },
            "images": [
                {
                    "name": image.name,
                    "camera": str(image.camera_id),
                    "T_camera_world": image.cam_from_world().matrix().tolist(),
                }
                for image in model.images.values()
                if image.has_pose
            ],
        }
        print(json.dumps(answer))
    except Exception as error:  # noqa: BLE001 (whatever a damaged file leads to is told in one line)
        lines = str(error).splitlines()
        raise SystemExit(lines[-1] if lines else type(error).__name__) from None


if __name__ == "__main__":
    main()
