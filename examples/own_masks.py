"""Masks and depth of one's own, as NumPy arrays in memory: a box passes a wall, and its track is printed as a table.

Run it: python examples/own_masks.py
"""

import numpy as np

import fast_snow

FRAMES, HEIGHT, WIDTH, FOCAL = 12, 120, 160, 150.0


def arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (n, H, W, 3), depth in metres (n, H, W) and id maps (n, H, W): 0 is background, 1 the box."""
    ids = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    for t in range(FRAMES):
        ids[t, 40:80, 20 + 6 * t : 60 + 6 * t] = 1  # 6 pixels per frame at 2 m: 8 cm
    depth = np.where(ids == 1, 2.0, 4.0)
    image = np.where(ids[..., None] == 1, (200, 80, 40), (90, 90, 110)).astype(np.uint8)
    return image, depth, ids


if __name__ == "__main__":
    image, depth, ids = arrays()
    recording = fast_snow.recording_from_arrays(
        image,
        fps=10.0,
        depth=depth,
        ids=ids,
        T_world_camera=np.tile(np.eye(4), (FRAMES, 1, 1)),  # the camera stands still
        intrinsics=[FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2],
    )
    table = fast_snow.build_graph(recording).graph.table()  # or pandas.DataFrame(table)
    print("object_id  time_s      x      y      z")
    for object_id, *numbers in zip(*(table[name] for name in ("object_id", "time_s", "x", "y", "z")), strict=True):
        print(f"{object_id:9d}", *(f"{number:6.2f}" for number in numbers))
