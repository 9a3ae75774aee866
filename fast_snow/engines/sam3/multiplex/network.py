"""The network of SAM 3.1 as a few functions: encode an image, start objects, follow all that share a state, remember.

Objects lie in buckets of 16 slots that go through memory attention, decoder and memory encoder as one. Upstream's
`MultiplexState` says which object has which slot, and upstream's tracking step does the arithmetic; the predictor's
session is not used: it keeps every frame. The steps between are those of the predictor.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int

from fast_snow.engines.sam3.multiplex.memory import MemoryLimits, Remembered, SharedMemory
from fast_snow.engines.sam3.package.attention import has_fused_kernel
from fast_snow.engines.sam3.package.network import Seen
from fast_snow.engines.sam3.package.workarounds import UpstreamTracker, any_attention_kernel, on_device
from fast_snow.engines.sam3.presence import decoded_masks
from fast_snow.engines.torch_runtime.devices import autocast

_LEVELS = 3  # of feature maps, finest first, for each of the decoder of prompts and the tracker
_Step = dict[str, Any]


class MultiplexNetwork:
    """A `VideoTrackingDynamicMultiplex` on its device, in one precision."""

    def __init__(self, tracker: UpstreamTracker, device: torch.device, dtype: torch.dtype) -> None:
        self._tracker = tracker
        self.device = device
        self._dtype = dtype
        self.side = int(tracker.image_size)
        self.mask_side = int(tracker.low_res_mask_size)
        self.mask_input_side = int(tracker.input_mask_size)
        self.slots = int(tracker.multiplex_controller.allowed_bucket_capacity)
        self._image_position: torch.Tensor | None = None
        heads = int(tracker.transformer.encoder.layers[0].num_heads)
        self._fused = has_fused_kernel(device, dtype, width=int(tracker.hidden_dim) // heads, heads=heads)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute for inference, in this network's precision, on its device."""
        attention = any_attention_kernel(fused=self._fused)
        with torch.inference_mode(), autocast(self.device, self._dtype), on_device(self.device), attention:
            yield

    def encode(self, image: Float[torch.Tensor, "1 3 s s"]) -> Sequence[torch.Tensor]:
        """Return the feature maps of an image: those that prompts are decoded with, then those that tracking takes."""
        from sam3.model.data_misc import NestedTensor

        out = self._tracker.forward_image(
            NestedTensor(tensors=image, mask=None), need_interactive_out=True, need_propagation_out=True
        )
        prompting, tracking = out["interactive"], out["sam2_backbone_out"]
        if self._image_position is None:
            self._image_position = _flat(tracking["vision_pos_enc"][-1]).clone()
        return [each.tensors for neck in (prompting, tracking) for each in neck["backbone_fpn"][-_LEVELS:]]

    def start_from_points(
        self, maps: Sequence[torch.Tensor], xy: Float[torch.Tensor, "m p 2"], label: Int[torch.Tensor, "m p"]
    ) -> Seen:
        """Start objects from points in pixels of the network's input (labels as in `prompting`)."""
        points = {"point_coords": xy, "point_labels": label}
        with decoded_masks(self._tracker.interactive_sam_mask_decoder) as decoded:
            out = self._tracker._forward_sam_heads(
                backbone_features=self._plain(maps),
                point_inputs=points,
                interactive_high_res_features=list(maps[: _LEVELS - 1]),
                multimask_output=self._tracker._use_multimask(True, points),
                multiplex_state=None,
                objects_to_interact=list(range(len(xy))),
            )
        return Seen(decoded[-1], out["obj_ptr"].float(), out["object_score_logits"].float())

    def start_from_masks(self, maps: Sequence[torch.Tensor], inside: Float[torch.Tensor, "m 1 i i"]) -> Seen:
        """Start objects from masks in [0, 1] of `mask_input_side` pixels."""
        out = self._tracker._use_mask_as_output(
            backbone_features=self._plain(maps),
            high_res_features=list(maps[: _LEVELS - 1]),
            mask_inputs=inside,
            multiplex_state=None,
            objects_in_mask=list(range(len(inside))),
        )
        return Seen(out["low_res_masks"].float(), out["obj_ptr"].float(), out["object_score_logits"].float())

    def memory(self, *, on_host: bool) -> SharedMemory:
        """Begin the memory of a state."""
        tracker = self._tracker
        limits = MemoryLimits(
            spatial=(int(tracker.num_maskmem) - 1) * int(tracker.memory_temporal_stride_for_eval),
            pointers=int(tracker.max_obj_ptrs_in_encoder) - 1,
        )
        return SharedMemory(limits, self.device, on_host=on_host)

    def join(
        self, maps: Sequence[torch.Tensor], memory: SharedMemory, frame: int, tracked: Seen | None, joining: Seen
    ) -> None:
        """Let objects join a state in the frame of their prompts, and remember all in it.

        The state's other objects have been `tracked` to the frame; None: there are none, the state begins here.
        """
        new = list(range(memory.objects, memory.objects + len(joining.logits)))
        if memory.slots is None:
            memory.slots = self._tracker.multiplex_controller.get_state(
                len(new), device=self.device, dtype=torch.float32, random=False
            )
        else:
            memory.slots.add_objects(new)
        memory.objects += len(new)
        known = [joining.remembered()] if tracked is None else [tracked.remembered(), joining.remembered()]
        every = Seen(*(torch.cat([part.float() for part in each]) for each in zip(*known, strict=True)))
        logits = torch.nn.functional.interpolate(
            every.logits, size=(self.side, self.side), mode="bilinear", align_corners=False
        )
        step = self._frame(maps)
        spatial, position = self._tracker._encode_new_memory(
            image=None,
            current_vision_feats=step["vision_feats"],
            feat_sizes=step["feat_sizes"],
            pred_masks_high_res=self._tracker._apply_non_overlapping_constraints(logits),
            object_score_logits=every.presence,
            is_mask_from_pts=True,
            conditioning_objects=new,
            multiplex_state=memory.slots,
        )
        memory.remember(frame, self._remembered(maps, spatial, position, memory.slots.mux(every.pointer)))

    def follow(
        self,
        maps: Sequence[torch.Tensor],
        memory: SharedMemory,
        frame: int,
        *,
        num_frames: int,
        reverse: bool,
        remember: bool,
    ) -> Seen:
        """Find the objects of a state in a frame, one step further than the last.

        The frame is added to the memory unless objects join in it. Upstream scales time by `num_frames` of the window
        where it is short.
        """
        with decoded_masks(self._tracker.sam_mask_decoder) as decoded:
            out = self._tracker.track_step(
                frame_idx=frame,
                is_init_cond_frame=False,
                backbone_features_interactive=None,
                backbone_features_propagation=self._frame(maps),
                image=None,
                point_inputs=None,
                mask_inputs=None,
                gt_masks=None,
                frames_to_add_correction_pt=[],
                output_dict=memory.as_upstream(),
                num_frames=num_frames,
                track_in_reverse=reverse,
                run_mem_encoder=remember,
                multiplex_state=memory.slots,
            )
        if remember:
            spatial, position = out["maskmem_features"], out["maskmem_pos_enc"]
            memory.remember(frame, self._remembered(maps, spatial, position, out["obj_ptr"]))
        assert memory.slots is not None, "join comes first"
        return Seen(decoded[-1][_slots(memory.slots)], memory.slots.demux(out["obj_ptr"]), out["object_score_logits"])

    def _remembered(
        self,
        maps: Sequence[torch.Tensor],
        spatial: torch.Tensor,
        position: Sequence[torch.Tensor],
        pointers: torch.Tensor,
    ) -> Remembered:
        return Remembered(
            spatial=spatial.to(self._dtype),
            position=position[-1],
            image=_flat(maps[-1]),
            image_position=self._positions(),
            pointers=pointers,
        )

    def _plain(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the coarsest map that prompts are decoded with, as one without memory."""
        height, width = maps[_LEVELS - 1].shape[-2:]
        return self._tracker._get_interactive_pix_mem([_flat(maps[_LEVELS - 1])], [(height, width)])

    def _frame(self, maps: Sequence[torch.Tensor]) -> _Step:
        """Lay out the maps that tracking takes as upstream does, `(pixels, 1, channels)`, without a copy."""
        tracking = maps[_LEVELS:]
        return {
            "vision_feats": [_flat(each) for each in tracking],
            "vision_pos_embeds": [self._positions()],
            "vision_masks": [None] * len(tracking),
            "feat_sizes": [(each.shape[-2], each.shape[-1]) for each in tracking],
        }

    def _positions(self) -> torch.Tensor:
        assert self._image_position is not None, "encode comes first"
        return self._image_position


def _flat(map_: Float[torch.Tensor, "1 c h w"]) -> Float[torch.Tensor, "hw 1 c"]:
    return map_.flatten(2).permute(2, 0, 1)


def _slots(state: Any) -> list[int]:  # noqa: ANN401 (upstream's, without types)
    """Return where each object is among the slots of all buckets."""
    every = [each for bucket in state.assignments for each in bucket]
    return [every.index(i) for i in range(state.total_valid_entries)]
