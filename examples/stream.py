"""The graph while it grows: each frame's view tells what the last ten frames saw.

Run it: python examples/stream.py examples/scene.mp4
"""

import sys

import fast_snow


def line(view: fast_snow.SceneGraph) -> str:
    """Describe a view: its last frame, which objects are seen in it, and how far the camera has come."""
    t = int(view.ego.t[-1])
    seen = [number for number, track in view.tracks.items() if track.observations[-1].t == t]
    x, y, z = view.ego.position[-1]
    return f"t = {t:3d}  camera ({x:.2f}, {y:.2f}, {z:.2f})  {len(seen)} objects: {', '.join(map(str, seen))}"


if __name__ == "__main__":
    for view in fast_snow.stream(sys.argv[1]):
        print(line(view), flush=True)
