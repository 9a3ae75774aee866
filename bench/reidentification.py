"""Is an object that comes back known again? IDF1 with and without `fusion.reidentify`, on clips of known identities.

Run from the root of the repository: `python -m bench.reidentification --clips CLIPS`. True masks play a tracker that
loses whatever is out of sight for `LOST` frames and takes it for something new when it comes back. Each clip is folded
as one window and in windows of 25 frames that share 5. Per set of clips: mean IDF1 in percent without and with
re-identification, what was recognised rightly and wrongly, and the clip that lost most. Depth of MOTS and DAVIS is that
of a wall.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import tyro

from bench.occlusions import Known, known_clips
from bench.timing import hardware
from fast_snow.config import Config, DepthFilterConfig, FusionConfig
from fast_snow.evaluation.metrics.tracking import as_objects, score_tracking
from fast_snow.evaluation.readers.objects import from_masks
from fast_snow.graph import fold, start
from fast_snow.inputs.cuts import is_cut, look_of
from fast_snow.kernels.colours import colour_shares
from fast_snow.kernels.mask_measures import area
from fast_snow.kernels.masks import encode_labels
from fast_snow.types import Health, Incidents, LabelledMasks, Masks, Merge, Perception, StageSeconds, TrackedFrame

LOST: Final = 3
LENGTHS: Final = {"one window": (10_000, 1), "windows of 25": (25, 5)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one clip: IDF1 in percent, and how many recognitions were right and wrong."""

    idf1: float
    right: int
    wrong: int


def perceptions(clip: Known, length: int, overlap: int) -> Iterator[Perception]:
    """Yield the windows of a clip as a tracker would see them that forgets what it does not see."""
    n, first, index = len(clip.ids), 0, 0
    looks = [look_of(image, t / 10) for t, image in enumerate(clip.image)]
    while True:
        rows = np.arange(first, min(first + length, n))
        last_seen: dict[int, int] = {}
        local: dict[int, int] = {}
        tracked, added = [], rows[(rows > first) & (rows >= first + overlap * (index > 0))]
        cuts = tuple(t for t in added.tolist() if is_cut(looks[t - 1], looks[t]))
        for t in rows.tolist():
            masks, ids = _masks(clip, t)
            for each in ids.tolist():
                if each not in last_seen or t - last_seen[each] > LOST:
                    local[each] = len(last_seen) + 1000 * t
                last_seen[each] = t
            tracked.append(
                TrackedFrame(
                    run_id=np.full(len(ids), index, np.int32),
                    local_id=np.array([local[each] for each in ids.tolist()], np.int32),
                    masks=masks,
                    score=np.ones(len(ids), np.float32),
                    appearance=colour_shares(masks, clip.image[t]),
                )
            )
        yield Perception(
            window=index,
            shared=overlap if index else 0,
            t=rows.astype(np.int32),
            time_s=rows / 10,
            source_frame=rows.astype(np.int64),
            geometry=clip.geometry[rows],
            tracked=tuple(tracked),
            health=Health(incidents=Incidents(cuts=cuts)),
            seconds=StageSeconds(),
        )
        if rows[-1] == n - 1:
            return
        first, index = first + length - overlap, index + 1


def _masks(clip: Known, t: int) -> tuple[Masks, np.ndarray]:
    ids = np.unique(clip.ids[t])
    ids = ids[ids > 0].astype(np.int32)
    masks = encode_labels(clip.ids[t], ids)
    large = area(masks) >= 12
    return masks[large], ids[large]


def outcome(clip: Known, *, reidentify: bool, window: str) -> Outcome:
    """Fold a clip and compare its identities with the true ones."""
    config = Config(
        fusion=FusionConfig(reidentify=reidentify), depth_filter=DepthFilterConfig(min_points=10, max_extent=1e6)
    )
    state, labelled = start(config), list[LabelledMasks]()
    for perception in perceptions(clip, *LENGTHS[window]):
        state = fold(state, perception, config=config)
        labelled += state.labelled
    n, grid = len(clip.ids), clip.ids.shape[1:]
    truth = [from_masks(t, ids.astype(np.int64), masks) for t in range(n) for masks, ids in [_masks(clip, t)]]
    scores = score_tracking(truth, as_objects(labelled, np.arange(n), grid), by="mask")
    again = [_is_right(each, labelled, clip) for each in state.graph.merges if each.appearance >= 0]
    return Outcome(idf1=100 * scores.idf1, right=sum(again), wrong=len(again) - sum(again))


def _is_right(merge: Merge, labelled: list[LabelledMasks], clip: Known) -> bool:
    """Return whether an object shows the same before and after it was recognised."""
    shown = {each.t: _shown(each, merge.kept, clip) for each in labelled if merge.kept in each.object_id}
    return shown[max(t for t in shown if t < merge.t)] == shown[merge.t]


def _shown(labelled: LabelledMasks, object_id: int, clip: Known) -> int:
    pixel = int(labelled.masks[labelled.object_id == object_id].start[0])
    return int(clip.ids[labelled.t].reshape(-1)[pixel])


def main(clips: Path | None = None, seeds: int = 5, json_path: Path | None = None) -> None:
    """Measure and print.

    Args:
        clips: folder of the development clips; generated clips alone where it is left out.
        seeds: generated clips per length of the gap.
        json_path: where the figures are written.
    """
    print(hardware("numpy", "motmetrics", "trackeval"))
    found: dict[tuple[str, str], list[tuple[str, Outcome, Outcome]]] = {}
    for group, clip in known_clips(clips, seeds):
        for window in LENGTHS:
            without, with_it = (outcome(clip, reidentify=each, window=window) for each in (False, True))
            found.setdefault((group, window), []).append((clip.name, without, with_it))
    rows: list[dict[str, Any]] = []
    for (group, window), each in found.items():
        worst = min(each, key=lambda one: one[2].idf1 - one[1].idf1)
        rows.append(
            {
                "clips": group,
                "windows": window,
                "count": len(each),
                "without": round(float(np.mean([one[1].idf1 for one in each])), 1),
                "with": round(float(np.mean([one[2].idf1 for one in each])), 1),
                "right": sum(one[2].right for one in each),
                "wrong": sum(one[2].wrong for one in each),
                "worst_change": round(worst[2].idf1 - worst[1].idf1, 1),
                "worst": worst[0],
            }
        )
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    if json_path is not None:
        json_path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
