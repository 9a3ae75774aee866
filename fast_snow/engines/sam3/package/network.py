"""The network of the package `sam3` as four functions: encode an image, start objects, remember them, follow them.

Only `Sam3TrackerBase`'s arithmetic is used, never the predictor's session: that holds one prompt frame, refuses new
objects once tracking has begun and keeps every frame. The steps between are those of the predictor.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from jaxtyping import Float, Int

from fast_snow.engines.sam3.package.attention import has_fused_kernel
from fast_snow.engines.sam3.package.memory import MemoryLimits, Recalled
from fast_snow.engines.sam3.package.memory_keys import memory_keys
from fast_snow.engines.sam3.package.workarounds import UpstreamTracker, attention_to, chunked_attention, on_device
from fast_snow.engines.sam3.presence import decoded_masks
from fast_snow.engines.torch_runtime.devices import autocast

ABSENT = -1024.0
"""Mask logit of what is certainly not the object (upstream's `NO_OBJ_SCORE`)."""


class Seen(NamedTuple):
    """`m` objects as the network sees them in one frame.

    Attributes:
        logits: masks at a quarter of the input's side, before the sigmoid; of absent objects too.
        pointer: object pointers.
        presence: logit of whether the object is in the frame at all (upstream's `object_score_logits`); the score of a
            masklet is its sigmoid.
    """

    logits: Float[torch.Tensor, "m 1 l l"]
    pointer: Float[torch.Tensor, "m c"]
    presence: Float[torch.Tensor, "m 1"]

    def remembered(self) -> "Seen":
        """Return what memory is made of: as upstream, no mask of an object that is more likely absent."""
        return self._replace(logits=torch.where(self.presence[..., None, None] > 0, self.logits, ABSENT))


class Followed(NamedTuple):
    """`m` objects that were followed into a frame, and their spatial memory of it.

    The score, predicted IoU times presence, decides whether they are remembered by it.
    """

    seen: Seen
    spatial: Float[torch.Tensor, "m c h w"]
    score: Float[torch.Tensor, " m"]


class TrackingNetwork:
    """A `Sam3TrackerBase` on its device, in one precision."""

    def __init__(
        self, tracker: UpstreamTracker, device: torch.device, dtype: torch.dtype, *, fp8_attention: bool = False
    ) -> None:
        self._tracker = tracker
        self._fp8_attention = fp8_attention
        self.device = device
        self._dtype = dtype
        self.side = int(tracker.image_size)
        self.mask_side = int(tracker.low_res_mask_size)
        self.mask_input_side = int(tracker.input_mask_size)
        self._image_position: Sequence[torch.Tensor] | None = None
        self._memory_position: torch.Tensor | None = None
        width = int(tracker.hidden_dim)
        self._fused = has_fused_kernel(device, dtype, width=width)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute for inference, in this network's precision, on its device."""
        attention = nullcontext() if self._fused else chunked_attention()
        with torch.inference_mode(), autocast(self.device, self._dtype), on_device(self.device), attention:
            yield

    def encode(self, image: Float[torch.Tensor, "1 3 s s"]) -> Sequence[torch.Tensor]:
        """Return the feature maps of an image, finest first."""
        levels = int(self._tracker.num_feature_levels)
        out = self._tracker.forward_image(image)
        if self._image_position is None:
            self._image_position = [each.clone() for each in out["vision_pos_enc"][-levels:]]
        return [each.contiguous() for each in out["backbone_fpn"][-levels:]]

    def start_from_points(
        self, maps: Sequence[torch.Tensor], xy: Float[torch.Tensor, "m p 2"], label: Int[torch.Tensor, "m p"]
    ) -> Seen:
        """Start objects from points in pixels of the network's input (labels as in `prompting`)."""
        return self._start(maps, len(xy), {"point_coords": xy, "point_labels": label}, None)

    def start_from_masks(self, maps: Sequence[torch.Tensor], inside: Float[torch.Tensor, "m 1 i i"]) -> Seen:
        """Start objects from masks in [0, 1] of `mask_input_side` pixels."""
        return self._start(maps, len(inside), None, inside)

    def remember_prompted(
        self, maps: Sequence[torch.Tensor], logits: Float[torch.Tensor, "m 1 s s"], presence: Float[torch.Tensor, "m 1"]
    ) -> torch.Tensor:
        """Return the spatial memory of prompted objects, from their mask logits at the size of the network's input."""
        features, _, sizes = self._flat(maps, len(logits))
        spatial, position = self._tracker._encode_new_memory(
            image=None,
            current_vision_feats=features,
            feat_sizes=sizes,
            pred_masks_high_res=logits,
            object_score_logits=presence,
            is_mask_from_pts=True,
        )
        return self._stored(spatial, position)

    @property
    def memory_limits(self) -> MemoryLimits:
        """How much of the past it uses."""
        return MemoryLimits(
            spatial=int(self._tracker.num_maskmem) - 1,
            pointers=int(self._tracker.max_obj_ptrs_in_encoder) - 1,
            good_score=float(self._tracker.mf_threshold),
        )

    def follow(self, maps: Sequence[torch.Tensor], memories: Sequence[Recalled], *, num_frames: int) -> Followed:
        """Find objects in a frame of a window by what it looks at of each one's memory."""
        tracker = self._tracker
        with patch.object(tracker, "_prepare_memory_conditioned_features", self._conditioned):
            out, logits = self._track(
                maps,
                len(memories),
                frame_idx=1,
                is_init_cond_frame=False,
                point_inputs=None,
                mask_inputs=None,
                output_dict=memories,
                num_frames=num_frames,
            )
        spatial = self._stored(out["maskmem_features"], out["maskmem_pos_enc"])
        score = [
            tracker.cal_mem_score(*pair) for pair in zip(out["object_score_logits"], out["iou_score"], strict=True)
        ]
        return Followed(Seen(logits, out["obj_ptr"], out["object_score_logits"]), spatial, torch.stack(score))

    def _conditioned(
        self,
        *,
        current_vision_feats: Sequence[torch.Tensor],
        current_vision_pos_embeds: Sequence[torch.Tensor],
        feat_sizes: Sequence[tuple[int, int]],
        output_dict: Sequence[Recalled],
        num_frames: int,
        **_unused: object,
    ) -> Float[torch.Tensor, "m c h w"]:
        """Fuse a frame's features with each object's memory, in place of upstream's step of that name."""
        assert self._memory_position is not None, "remember_prompted comes first"
        keys = memory_keys(self._tracker, output_dict, self._memory_position, num_frames=num_frames, dtype=self._dtype)
        with attention_to(keys.alike, fp8=self._fp8_attention):
            fused = self._tracker.transformer.encoder(
                src=list(current_vision_feats),
                src_key_padding_mask=[None],
                src_pos=list(current_vision_pos_embeds),
                prompt=keys.memory.transpose(0, 1),
                prompt_pos=keys.position.transpose(0, 1),
                feat_sizes=list(feat_sizes),
                num_obj_ptr_tokens=keys.pointer_tokens,
            )
        return fused["memory"].permute(1, 2, 0).unflatten(2, feat_sizes[-1])

    def _start(
        self,
        maps: Sequence[torch.Tensor],
        count: int,
        points: dict[str, torch.Tensor] | None,
        masks: torch.Tensor | None,
    ) -> Seen:
        out, logits = self._track(
            maps,
            count,
            frame_idx=0,
            is_init_cond_frame=True,
            point_inputs=points,
            mask_inputs=masks,
            output_dict={"cond_frame_outputs": {}, "non_cond_frame_outputs": {}},
            num_frames=1,
            run_mem_encoder=False,
        )
        return Seen(logits, out["obj_ptr"].float(), out["object_score_logits"].float())

    def _track(self, maps: Sequence[torch.Tensor], count: int, **step: object) -> tuple[dict[str, Any], torch.Tensor]:
        """Run upstream's step on a frame's features; returns its answer, and the masks before they are voided."""
        features, position, sizes = self._flat(maps, count)
        with decoded_masks(self._tracker.sam_mask_decoder) as decoded:
            out = self._tracker.track_step(
                current_vision_feats=features, current_vision_pos_embeds=position, feat_sizes=sizes, image=None, **step
            )
        return out, decoded[-1]

    def _flat(
        self, maps: Sequence[torch.Tensor], count: int
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], list[tuple[int, int]]]:
        """Lay maps out as upstream's attention takes them, `(pixels, objects, channels)`, without a copy per object."""
        assert self._image_position is not None, "encode comes first"

        def flat(maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
            return [each.expand(count, -1, -1, -1).flatten(2).permute(2, 0, 1) for each in maps]

        return flat(maps), flat(self._image_position), [(each.shape[-2], each.shape[-1]) for each in maps]

    def _stored(self, spatial: torch.Tensor, position: Sequence[torch.Tensor]) -> torch.Tensor:
        if self._memory_position is None:
            self._memory_position = position[-1][:1].clone()  # the same for all frames and objects
        return spatial.to(self._dtype)
