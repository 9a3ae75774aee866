"""What tests of recordings write and ask for."""

import cv2
import numpy as np

from fast_snow.types import Frames


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def frames_of(recording, *indices, size=None):
    count = len(indices)
    return Frames(
        image=np.zeros((count, *(size or recording.color_size), 3), np.uint8),
        t=np.arange(count, dtype=np.int32),
        time_s=np.zeros(count),
        source_frame=np.array(indices, dtype=np.int64),
    )
