"""The networks that could give a graph in an unknown scale its metres."""

from collections.abc import Sequence
from dataclasses import replace

from fast_snow.config import Config
from fast_snow.protocols import OpenMetricDepth
from fast_snow.selection.candidates import Candidate
from fast_snow.selection.requirements import installed, weights_present
from fast_snow.weights import damage, on_disk, weights_folder


def candidates(config: Config) -> Sequence[Candidate[OpenMetricDepth]]:
    """Return the networks for metric depth, the best first; none is taken unless it is asked for."""
    path = config.metric_depth.model_path
    folder = replace(config, da3=replace(config.da3, model_path=path))
    problem = damage(on_disk(path))

    def da3() -> OpenMetricDepth:
        from fast_snow.engines.da3 import metric_depth

        size, device = config.da3.process_res, config.runtime.device
        return lambda: metric_depth.open_metric_depth(weights_folder(path), process_res=size, device=device)

    def yolo() -> OpenMetricDepth:
        from fast_snow.engines import yolo26_depth

        return lambda: yolo26_depth.open_metric_depth(on_disk(path), device=config.runtime.device)

    return (
        Candidate(
            name="da3metric",
            meaning="scale from metric depth of Depth Anything 3 (da3metric-large) and the focal length",
            opener=da3,
            missing=installed("torch", "depth_anything_3") + weights_present(folder, "da3"),
        ),
        Candidate(
            name="yolo26-depth",
            meaning="scale from metric depth of YOLO26, a rough prior",
            opener=yolo,
            missing=installed("torch", "ultralytics")
            + (() if problem is None else (f"needs its weights: metric_depth.model_path {path} {problem}",)),
        ),
    )
