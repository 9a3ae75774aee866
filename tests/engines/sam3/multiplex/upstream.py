"""What upstream's own predictor of SAM 3.1 answers: run as a module, it writes the golden file.

Its session holds one state in which objects share buckets. New masks are added in the frame to which the state has been
propagated; where its buckets have no room for them, another session begins: the rule of upstream's detector-driven
tracker, which is applied here to the session's own count of free slots. Forwards and backwards are sessions of their
own, since an object that was added cannot be followed back past frames in which the others were tracked before.

    python -m tests.engines.sam3.multiplex.upstream tests/golden/sam3.1-multiplex.json
"""

import base64
import hashlib
import json
import sys
import zlib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch

from fast_snow.engines.sam3.images import network_images
from fast_snow.engines.sam3.package.workarounds import import_builder, on_device
from fast_snow.kernels.masks import decode
from fast_snow.types import Frames, MaskPrompt
from tests.engines.sam3.multiplex.scenes import CPU, SIDE, fresh_tracker, twenty_masks
from tests.engines.sam3.package.scenes import GRID, moving_shapes

SEED, FRAMES = 0, 20
_PREDICTOR = "sam3.model.video_tracking_multiplex_demo"
_FILES = ("video_tracking_multiplex.py", "video_tracking_multiplex_demo.py", "multiplex_utils.py")


class Answer(NamedTuple):
    """Per frame and object."""

    inside: np.ndarray
    score: np.ndarray


class _MemoryInFp32:
    """Torch, for upstream's predictor, which stores memory as bf16 whatever it computes in."""

    bfloat16 = torch.float32

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def upstream(tracker: Any, frames: Frames, prompts: Sequence[MaskPrompt]) -> Answer:
    """Run upstream's predictor over a window, forwards and backwards."""
    n = len(frames)
    answer = Answer(np.zeros((n, len(prompts), *GRID), np.bool_), np.zeros((n, len(prompts)), np.float32))
    with (
        torch.inference_mode(),
        on_device(CPU),
        patch.object(import_module(_PREDICTOR), "torch", _MemoryInFp32()),
    ):
        features = _features(tracker, frames)
        for reverse in (False, True):
            _sweep(tracker, features, prompts, answer, reverse=reverse)
    return answer


def _features(tracker: Any, frames: Frames) -> dict[int, Any]:
    from sam3.model.data_misc import NestedTensor

    prepared = network_images(frames.image, side=SIDE, device=CPU, on_host=True)
    found: dict[int, Any] = {}
    for t in range(len(frames)):
        image = NestedTensor(tensors=prepared[t][None], mask=None)
        found[t] = (
            image.tensors,
            tracker.forward_image(image, need_interactive_out=True, need_propagation_out=True),
        )
    return found


def _sweep(
    tracker: Any, features: dict[int, Any], prompts: Sequence[MaskPrompt], answer: Answer, *, reverse: bool
) -> None:
    sessions: list[Any] = []
    last = 0 if reverse else len(features) - 1

    def propagate(session: Any, begin: int, end: int) -> None:
        for t, ids, logits, _, presence in tracker.propagate_in_video(
            session, begin, abs(end - begin), reverse, tqdm_disable=True
        ):
            on_grid = torch.nn.functional.interpolate(logits, size=GRID, mode="bilinear", align_corners=False)
            answer.inside[t, ids] = (on_grid[:, 0] > 0).numpy()
            answer.score[t, ids] = presence[:, 0].sigmoid().numpy()

    position = last
    for frame in [*sorted({each.frame for each in prompts} - {last}, reverse=reverse), last]:
        for session in sessions:
            propagate(session, position, frame)
        position = frame
        new = [i for i, each in enumerate(prompts) if each.frame == frame] if frame != last else []
        if new:
            session = _with_room(tracker, sessions, len(new), features)
            masks = torch.stack([torch.tensor(decode(prompts[i].mask)[0]) for i in new])
            tracker.add_new_masks(session, frame, new, masks)
            tracker.propagate_in_video_preflight(session, run_mem_encoder=True)
            propagate(session, frame, frame)


def _with_room(tracker: Any, sessions: list[Any], count: int, features: dict[int, Any]) -> Any:
    suitable = [each for each in sessions if each["multiplex_state"].available_slots >= count]
    if suitable:
        return min(suitable, key=lambda each: each["multiplex_state"].available_slots)
    session = tracker.init_state(
        video_height=GRID[0],
        video_width=GRID[1],
        num_frames=len(features),
        cached_features=features,
        offload_state_to_cpu=True,
    )
    session["device"] = CPU  # upstream names the GPU
    sessions.append(session)
    return session


def load(path: Path) -> Answer:
    """Read a golden file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    score = np.array([row.split() for row in content["score"]], np.float32)
    bits = np.frombuffer(zlib.decompress(base64.b64decode("".join(content["inside"]))), np.uint8)
    return Answer(np.unpackbits(bits, count=score.size * GRID[0] * GRID[1]).reshape(*score.shape, *GRID) > 0, score)


def _save(path: Path, answer: Answer) -> None:
    packed = base64.b64encode(zlib.compress(np.packbits(answer.inside).tobytes(), 9)).decode()
    content = {
        "what": "what the predictor of SAM 3.1 answers: tests/engines/sam3/multiplex/upstream.py",
        "package": f"facebookresearch/sam3, sam3 {sys.modules['sam3'].__version__}, SAM 3.1 of 2026-03-27",
        "git_blobs": {name: _git_blob(name) for name in _FILES},
        "torch": torch.__version__,
        "score": [" ".join(f"{each:.6f}" for each in row) for row in answer.score],
        "inside": [packed[k : k + 120] for k in range(0, len(packed), 120)],
    }
    path.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


def _git_blob(name: str) -> str:
    content = (Path(import_module(_PREDICTOR).__file__ or "").parent / name).read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    torch.set_num_threads(1)
    import_builder()
    _save(Path(sys.argv[1]), upstream(fresh_tracker(SEED), moving_shapes(FRAMES), twenty_masks()))
