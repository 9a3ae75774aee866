"""SAM3's tracker of transformers, counted at full size; it carries one object after the other."""

from functools import partial
from typing import Any

import torch
from transformers import Sam3TrackerVideoConfig, Sam3TrackerVideoInferenceSession, Sam3TrackerVideoModel

from bench.cost.costs import NOTHING, Network
from bench.cost.counting import counted, weight_bytes, without_numbers
from bench.cost.sam3 import FRAMES, NOW

Session = Any
"""A session of transformers, which is partly typed."""


def count() -> Network:
    """Count the components for one object; several cost so many times as much."""
    with without_numbers():
        network = Sam3TrackerVideoModel(Sam3TrackerVideoConfig()).eval()
        side = network.config.image_size
        image = torch.zeros(3, side, side)
        first = _session(image, None)
        return Network(
            weight_bytes=weight_bytes(network),
            encode=counted(partial(network.get_image_features, image[None])),
            detect=NOTHING,
            start={1: counted(lambda: network(_session(image, first), frame_idx=0))},
            step={1: counted(partial(network, _at_full_memory(network, first), frame_idx=NOW))},
        )


def _session(image: torch.Tensor, shared: Session | None) -> Session:
    session = Sam3TrackerVideoInferenceSession(
        inference_device="cpu", inference_state_device="cpu", video_storage_device="cpu", dtype=torch.float32
    )
    session.processed_frames = dict.fromkeys(range(FRAMES), image)
    if shared is not None:
        session.cache = shared.cache  # image features
    point = {"point_coords": torch.zeros(1, 1, 2, 2), "point_labels": torch.zeros(1, 1, 2, dtype=torch.int32)}
    session.add_point_inputs(session.obj_id_to_idx(1), 0, point)
    session.obj_with_new_inputs = [1]
    return session


def _at_full_memory(network: torch.nn.Module, session: Session) -> Session:
    network(session, frame_idx=0)
    network(session, frame_idx=1)
    others = session.output_dict_per_obj[0]["non_cond_frame_outputs"]
    others.update(dict.fromkeys(range(2, NOW), others[1]))
    return session
