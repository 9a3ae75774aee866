"""A segmenter of one's own, in a few lines: bright regions become objects.

Run it: python examples/own_engine.py examples/scene.mp4
"""

import sys

import cv2
import numpy as np

import fast_snow


def bright_regions(image: np.ndarray) -> np.ndarray:
    """Return one mask per bright region of an RGB image (H, W, 3): bool, (m, H, W)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((image.min(axis=2) > 140).astype(np.uint8))
    large = [k for k in range(1, count) if 300 < stats[k, cv2.CC_STAT_AREA] < image[..., 0].size / 4]
    return np.stack([labels == k for k in large]) if large else np.zeros((0, *labels.shape), bool)


if __name__ == "__main__":
    engine = fast_snow.SegmenterFunction(bright_regions, name="bright regions")
    result = fast_snow.build_graph(sys.argv[1], engines=fast_snow.Engines(segmenter=engine))
    print(result.graph)
