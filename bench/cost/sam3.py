"""SAM3's tracker and detector of the package `sam3`, counted at full size."""

from collections.abc import Sequence
from functools import partial
from types import ModuleType
from typing import Any

import torch

from bench.cost.costs import Cost, Network
from bench.cost.counting import CPU, counted, weight_bytes, without_numbers
from fast_snow.engines.sam3.package import model
from fast_snow.engines.sam3.package.workarounds import UpstreamTracker, import_builder

COUNTED_OBJECTS = (1, 2, 32)
NOW, FRAMES = 20, 30
"""A frame from which on memory is full, and how many frames there are."""
_PROMPT_TOKENS = 32


def count() -> Network:
    """Count the components: one image, the start and one step of some numbers of objects, one detection."""
    with without_numbers():
        tracker = model.untrained(CPU)
        image = torch.zeros(1, 3, tracker.image_size, tracker.image_size)
        encode = partial(tracker.forward_image, image)
        encoded = encode()
        return Network(
            weight_bytes=weight_bytes(tracker),
            encode=counted(encode),
            detect=detection(import_builder(), tracker.backbone.forward_image(image)),
            start={m: counted(partial(_start, tracker, encoded, m)) for m in COUNTED_OBJECTS},
            step={m: _step(tracker, encoded, m) for m in COUNTED_OBJECTS},
        )


def _start(tracker: UpstreamTracker, encoded: dict[str, Any], count: int) -> dict[str, Any]:
    points = {"point_coords": torch.zeros(count, 2, 2), "point_labels": torch.zeros(count, 2, dtype=torch.int32)}
    return _track(tracker, encoded, count, points=points, cond={}, others={}, frame=0)


def _step(tracker: UpstreamTracker, encoded: dict[str, Any], count: int) -> Cost:
    seen = _start(tracker, encoded, count) | {"eff_iou_score": 1.0}
    others = dict.fromkeys(range(1, NOW), seen)
    return counted(partial(_track, tracker, encoded, count, points=None, cond={0: seen}, others=others, frame=NOW))


def _track(
    tracker: UpstreamTracker,
    encoded: dict[str, Any],
    count: int,
    *,
    points: object,
    cond: object,
    others: object,
    frame: int,
) -> dict[str, Any]:
    maps, position = (encoded[name][-tracker.num_feature_levels :] for name in ("backbone_fpn", "vision_pos_enc"))
    out: dict[str, Any] = tracker.track_step(
        frame_idx=frame,
        is_init_cond_frame=points is not None,
        current_vision_feats=_flat(maps, count),
        current_vision_pos_embeds=_flat(position, count),
        feat_sizes=[tuple(each.shape[-2:]) for each in maps],
        image=None,
        point_inputs=points,
        mask_inputs=None,
        output_dict={"cond_frame_outputs": cond, "non_cond_frame_outputs": others},
        num_frames=FRAMES,
    )
    return out


def _flat(maps: Sequence[torch.Tensor], count: int) -> list[torch.Tensor]:
    return [each.expand(count, -1, -1, -1).flatten(2).permute(2, 0, 1) for each in maps]


def detection(builder: ModuleType, encoded: dict[str, Any]) -> Cost:
    """Count what finds objects by a text in an image whose features are there; the text is encoded once per video."""
    from sam3.model.data_misc import FindStage

    detector = builder._create_sam3_model(
        None,
        builder._create_sam3_transformer(),
        builder._create_geometry_encoder(),
        builder._create_segmentation_head(),
        builder._create_dot_product_scoring(),
        None,
        True,
    ).eval()
    image = torch.zeros(1, dtype=torch.long)
    nothing = dict.fromkeys(("boxes", "boxes_mask", "boxes_label", "points", "points_mask"))
    stage = FindStage(img_ids=image, text_ids=image, **{f"input_{name}": None for name in nothing})
    prompt = detector._get_dummy_prompt()
    text = {
        "language_features": torch.zeros(_PROMPT_TOKENS, 1, 256),
        "language_mask": torch.zeros(1, _PROMPT_TOKENS, dtype=torch.bool),
    }
    return counted(lambda: detector.forward_grounding({**encoded, **text}, stage, None, prompt))
