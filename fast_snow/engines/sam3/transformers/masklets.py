"""The objects that were prompted in one frame, carried frame by frame through the memory of SAM3 or its kin."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int32

from fast_snow.engines.sam3.features import KeptFeatures
from fast_snow.engines.sam3.images import NetworkImages, network_mask
from fast_snow.engines.sam3.presence import decoded_masks
from fast_snow.engines.sam3.prompting import Points, box_points, single_points
from fast_snow.engines.sam3.session import Started
from fast_snow.engines.sam3.transformers.network import TransformersNetwork
from fast_snow.engines.torch_runtime.devices import autocast
from fast_snow.types import BoxPrompt, GridShape, PointPrompt, Prompt

_HOST: Final = torch.device("cpu")
Features = Mapping[str, Sequence[torch.Tensor]]
"""As transformers names them: `vision_feats`, finest first, and `vision_pos_embeds`."""


class FeatureCache:
    """Kept features behind the methods of transformers' cache.

    Position codes are alike in all frames: one is kept, of the coarsest level, the only one that tracking reads.
    """

    def __init__(self, kept: KeptFeatures) -> None:
        self._kept = kept
        self._position: list[torch.Tensor] = []

    def get_vision_features(self, frame_idx: int) -> Features | None:
        """Return the features of a frame on the device, or None where they must be computed."""
        levels = self._kept.of(frame_idx)
        return None if levels is None else {"vision_feats": levels, "vision_pos_embeds": self._position}

    def cache_vision_features(self, frame_idx: int, features: Features) -> None:
        """Keep the features of a frame that were just computed."""
        if not self._position:
            self._position = [features["vision_pos_embeds"][-1].clone()]
        self._kept.keep(frame_idx, list(features["vision_feats"]))

    def clear_all(self) -> None:
        """Free all of it."""
        self._kept.clear()
        self._position = []


class ObjectLogits(NamedTuple):
    """What the network says of objects in one frame: coarse mask logits, of absent ones too, and of their presence."""

    local_id: Int32[np.ndarray, " m"]
    logits: Float[torch.Tensor, "m h w"]
    logit: Float[torch.Tensor, " m"]


class Masklets:
    """Objects that were prompted in one frame.

    Memory is flat in the length of the window: of the past, only what the network will look at again is kept. Each
    object is carried by itself; those of one frame share a session because the network takes their prompts together.
    """

    def __init__(
        self,
        network: TransformersNetwork,
        images: NetworkImages,
        features: FeatureCache,
        started: Sequence[Started],
        grid: GridShape,
    ) -> None:
        self.start = started[0].frame
        """The frame in which the objects were prompted."""
        self._network = network
        self.local_id = np.array([each.local_id for each in started], np.int32)
        """The objects' numbers in the tracking session."""
        self._session = _session(network, images, features)
        self._position: torch.Tensor | None = None
        for each in started:
            self._prompt(each.prompt, self._session.obj_id_to_idx(each.local_id), grid)
        self._session.obj_with_new_inputs = [each.local_id for each in started]

    def step(self, t: int, *, reverse: bool) -> ObjectLogits:
        """Carry the objects to a frame, from the one before it, or from the one after it where `reverse`.

        The first step must be to `start`, the others in order from there; those in reverse come last. Objects are
        answered for in the order in which they were started.
        """
        module = self._network.module
        with (
            autocast(self._network.device, self._network.precision),
            decoded_masks(module.mask_decoder) as decoded,
        ):  # object by object
            output = module(self._session, frame_idx=t, reverse=reverse)
        logit = torch.stack([self._settle(index, t, reverse=reverse) for index in range(len(self.local_id))])
        logits = torch.where(logit[:, None, None] > 0, output.pred_masks[:, 0], torch.cat(decoded)[:, 0])
        return ObjectLogits(self.local_id, logits, logit)

    def _prompt(self, prompt: Prompt, index: int, grid: GridShape) -> None:
        side, device = self._network.side, self._network.device
        if isinstance(prompt, BoxPrompt):
            self._session.add_point_inputs(index, prompt.frame, _point_inputs(box_points([prompt], grid, side)))
        elif isinstance(prompt, PointPrompt):
            self._session.add_point_inputs(index, prompt.frame, _point_inputs(single_points([prompt], grid, side)))
        else:
            self._session.add_mask_inputs(index, prompt.frame, network_mask(prompt.mask, side=side, device=device))

    def _settle(self, index: int, t: int, *, reverse: bool) -> Float[torch.Tensor, ""]:
        """Keep of an object's frame what later frames look at, forget what none will; return its score's logit."""
        kinds: Mapping[str, MutableMapping[int, dict[str, Any]]] = self._session.output_dict_per_obj[index]
        conditioning, others = kinds["cond_frame_outputs"], kinds["non_cond_frame_outputs"]
        memory = conditioning[t] if t in conditioning else others[t]
        (conditioning if t in conditioning else others)[t] = self._remembered(memory)
        self._forget(others, t, reverse=reverse)
        logit: torch.Tensor = memory["object_score_logits"]
        return logit.flatten()[0]

    def _remembered(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the network looks at again; masks at its full resolution are most of what it answers."""
        seen = outputs["maskmem_features"]
        if self._position is None:  # the same for all objects and frames
            self._position = outputs["maskmem_pos_enc"].clone()
        where = _HOST if self._network.state_on_host else self._network.device
        if self._network.precision == torch.float16:  # upstream makes it bf16, which autocast to fp16 refuses to join
            seen = seen.half()
        return {
            "maskmem_features": seen.to(where, non_blocking=True),
            "maskmem_pos_enc": self._position,
            "object_pointer": outputs["object_pointer"],
        }

    def _forget(self, others: MutableMapping[int, dict[str, Any]], t: int, *, reverse: bool) -> None:
        config = self._network.module.config
        for each in list(others):
            if not self._ahead_reaches(each, t, config.max_object_pointers_in_encoder - 1, reverse=reverse):
                del others[each]
            elif not self._ahead_reaches(each, t, config.num_maskmem - 1, reverse=reverse):
                others[each] = {"object_pointer": others[each]["object_pointer"]}

    def _ahead_reaches(self, past: int, t: int, reach: int, *, reverse: bool) -> bool:
        """Tell whether a later step looks at frame `past` where it looks back `reach` frames.

        The first steps backward see the first ones forward.
        """
        if reverse:
            return past < t + reach
        return past > t - reach or past < self.start + reach


def _session(network: TransformersNetwork, images: NetworkImages, features: FeatureCache) -> Any:  # noqa: ANN401 (partly typed)
    session: Any = network.architecture.session(
        inference_device=network.device,
        inference_state_device=network.device,
        video_storage_device=network.device,
        dtype=torch.float32,
    )
    session.processed_frames = images
    session.cache = features
    return session


def _point_inputs(points: Points) -> dict[str, torch.Tensor]:
    return {"point_coords": torch.tensor(points.xy)[None], "point_labels": torch.tensor(points.label)[None]}
