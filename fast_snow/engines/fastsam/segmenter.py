"""FastSAM around its network, on whatever backend that runs. Returned detections own their buffers."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from fast_snow.config import FastSamConfig
from fast_snow.engines.compiled.network import Arrays, Network, OpenNetwork
from fast_snow.engines.fastsam.detections import BOXES, COEFFICIENTS, PROTOTYPES, SCORES, NetworkOutput, detections
from fast_snow.engines.fastsam.preprocessing import IMAGES, to_network
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.protocols import Progress, Segmenter, silent
from fast_snow.types import Detections, Frames, Geometry, GridShape, ImageStack


@contextmanager
def open_segmenter(
    config: FastSamConfig, *, open_network: OpenNetwork, threads: int, progress: Progress = silent
) -> Iterator[Segmenter]:
    """Open FastSAM on a network; so many frames are prepared or outlined at once, 0: one per core."""
    with open_network() as network, ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        yield _FastSamSegmenter(config, network, pool, progress)


@dataclass(frozen=True, slots=True)
class _FastSamSegmenter:
    config: FastSamConfig
    network: Network
    pool: Executor
    progress: Progress

    def __call__(self, frames: Frames, geometry: Geometry) -> Sequence[Detections]:
        # The pool's threads multiply small matrices: threads of BLAS on top of them would only get in their way.
        with threadpool_limits(limits=1, user_api="blas"):
            return in_smaller_pieces(
                lambda size: self._in_batches(size, frames, geometry),
                self.config.batch_size,
                what="FastSAM: frames per batch",
                advice="set a smaller --fastsam.imgsz, or --runtime.device cpu",
            )

    def _in_batches(self, size: int, frames: Frames, geometry: Geometry) -> Sequence[Detections]:
        results: list[Detections] = []
        waiting: list[Future[Detections]] = []
        for first in range(0, len(frames), size):
            images = frames.image[first : first + size]
            outputs = self.network({IMAGES: to_network(images, self.config.imgsz, self.pool)})
            # One batch is outlined while the network works on the next; more would only fill memory with prototypes.
            results += self._finished(waiting, len(results), len(frames))
            waiting = self._outline(outputs, images, geometry.grid)
        return [*results, *self._finished(waiting, len(results), len(frames))]

    def _outline(self, outputs: Arrays, images: ImageStack, grid: GridShape) -> list[Future[Detections]]:
        count, height, width, _ = images.shape
        return [
            self.pool.submit(detections, _answer(outputs, index), (height, width), grid, self.config)
            for index in range(count)
        ]

    def _finished(self, waiting: Sequence[Future[Detections]], before: int, count: int) -> Iterator[Detections]:
        for done, each in enumerate(waiting, before + 1):
            yield each.result()
            self.progress("FastSAM", done, count)


def _answer(outputs: Arrays, index: int) -> NetworkOutput:
    boxes, scores, coefficients, prototypes = (
        outputs[name][index].astype(np.float32, copy=False) for name in (BOXES, SCORES, COEFFICIENTS, PROTOTYPES)
    )
    return NetworkOutput(boxes=boxes, scores=scores, coefficients=coefficients, prototypes=prototypes)
