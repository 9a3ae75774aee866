"""SAM 3.1's tracker, which attends to memory once per bucket of 16 objects instead of once per object.

The package `sam3` 0.1.4 does not contain it: its counts are read from `bench/results/cost_multiplex.json`. With a
package that does on the path (facebookresearch/sam3 of March 2026), its modules are counted, and
`python -m bench.cost.multiplex` writes that file.
"""

import json
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.cost.costs import Cost, Network, network_from_json

Upstream = Any
"""An object of the package, which has no types."""
BUCKET = 16
COMMITTED = Path(__file__).parents[1] / "results" / "cost_multiplex.json"
_COUNTED_OBJECTS = (BUCKET, 2 * BUCKET, 8 * BUCKET)
_MODULE = "model/video_tracking_multiplex.py"
_MASK_SIDE = 1152
_NOTE = (
    "Counted by `python -m bench.cost.multiplex` on the network that facebookresearch/sam3 of March 2026 builds"
    " (build_sam3_multiplex_video_model, 487 million parameters), of which only shapes existed. It attends to memory"
    " once per bucket of 16 objects, and so do its mask decoder and memory encoder; masks are per object."
)


def network(detect: Cost) -> Network:
    """Return SAM 3.1's components.

    Args:
        detect: what finds objects by a text; SAM3's stands for it, whose architecture it shares.
    """
    counted = (
        count() if _is_installed() else network_from_json(json.loads(COMMITTED.read_text(encoding="utf-8"))["network"])
    )
    return replace(counted, detect=detect)


def _is_installed() -> bool:
    package = find_spec("sam3")
    folders = () if package is None else package.submodule_search_locations or ()
    return any((Path(each) / _MODULE).is_file() for each in folders)


def count() -> Network:
    """Count the components on the real modules: one, two and eight full buckets."""
    import torch

    from bench.cost.costs import NOTHING
    from bench.cost.counting import CPU, counted, weight_bytes, without_numbers
    from fast_snow.engines.sam3.package.workarounds import import_builder

    builder = import_builder()
    with without_numbers():
        tracker = builder.build_sam3_multiplex_video_model(
            checkpoint_path=None, load_from_HF=False, device="cpu"
        ).eval()
    states = {
        m: tracker.multiplex_controller.get_state(m, CPU, torch.float32, random=False, object_ids=list(range(m)))
        for m in _COUNTED_OBJECTS
    }
    with without_numbers():
        image = torch.zeros(1, 3, tracker.image_size, tracker.image_size)
        encode = partial(tracker.forward_image, image, need_interactive_out=True, need_propagation_out=True)
        features = tracker._prepare_backbone_features(encode())
        return Network(
            weight_bytes=weight_bytes(tracker),
            unit=BUCKET,
            encode=counted(encode),
            detect=NOTHING,
            start={m: counted(partial(_start, tracker, features, state)) for m, state in states.items()},
            step={m: counted(partial(_step, tracker, features, state)) for m, state in states.items()},
        )


def _start(tracker: Upstream, features: Upstream, state: Upstream) -> dict[str, Any]:
    import torch

    masks = torch.zeros(state.total_valid_entries, 1, _MASK_SIDE, _MASK_SIDE)
    return _track(tracker, features, state, masks=masks, cond={}, others={}, frame=0)


def _step(tracker: Upstream, features: Upstream, state: Upstream) -> dict[str, Any]:
    from bench.cost.sam3 import NOW

    if not hasattr(state, "seen"):  # the call that is not counted fills the memory
        state.seen = _start(tracker, features, state) | {"eff_iou_score": 1.0}
    others = {t: dict(state.seen) for t in range(1, NOW)}
    return _track(tracker, features, state, masks=None, cond={0: dict(state.seen)}, others=others, frame=NOW)


def _track(
    tracker: Upstream, features: Upstream, state: Upstream, *, masks: object, cond: object, others: object, frame: int
) -> dict[str, Any]:
    from bench.cost.sam3 import FRAMES

    out: dict[str, Any] = tracker.track_step(
        frame_idx=frame,
        is_init_cond_frame=masks is not None,
        backbone_features_interactive=features["interactive"],
        backbone_features_propagation=features["sam2_backbone_out"],
        image=None,
        point_inputs=None,
        mask_inputs=masks,
        gt_masks=None,
        frames_to_add_correction_pt=[],
        output_dict={"cond_frame_outputs": cond, "non_cond_frame_outputs": others},
        num_frames=FRAMES,
        multiplex_state=state,
    )
    return out


def main() -> None:
    """Count and write."""
    if not _is_installed():
        raise SystemExit(
            f"bench.cost.multiplex: the package sam3 holds no {_MODULE}, expected one that does on the path"
        )
    from bench.timing import hardware
    from fast_snow.atomic_files import store

    content = {"note": _NOTE, "hardware": hardware("torch"), "network": count().as_json()}
    store(COMMITTED, f"{json.dumps(content, indent=1)}\n".encode())


if __name__ == "__main__":
    main()
