"""Memory does not grow with the clip, and keeps the frames that memory selection can choose."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")
pytestmark = pytest.mark.torch
from fast_snow.engines.sam3.package.memory import MemoryBank, MemoryLimits, Remembered  # noqa: E402

CPU = torch.device("cpu")
LIMITS = MemoryLimits(spatial=2, pointers=4, good_score=0.5)


def remembered(score: float) -> Remembered:
    return Remembered(spatial=torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16), pointer=torch.zeros(1, 16), score=score)


def bank(prompted_at: int) -> MemoryBank:
    return MemoryBank(prompted_at, remembered(1.0), limits=LIMITS, device=CPU, on_host=True)


def ranks(of: MemoryBank, frame: int, *, reverse: bool = False, num_frames: int = 100) -> tuple[list[int], list[int]]:
    """Ranks of the frames whose spatial memory is looked at, and distances of the pointers."""
    recalled = of.recall(frame, num_frames=num_frames, reverse=reverse)
    return [rank for rank, _ in recalled.spatial], [away for away, _ in recalled.pointers]


def test_the_frame_after_the_prompt_looks_at_the_prompt_alone():
    assert ranks(bank(0), 1) == ([0], [1])


def test_the_nearest_good_frames_and_the_last_are_looked_at():
    """Upstream leaves out the pointer of the furthest frame that it considers."""
    memory = bank(0)
    for t, score in enumerate([0.9, 0.9, 0.1, 0.9, 0.9, 0.9], start=1):
        memory.remember(t, remembered(score))
    assert ranks(memory, 7) == ([0, 1, 2], [7, 1, 2, 3])  # of 6, 5, 4 and 2
    memory.remember(7, remembered(0.1))
    assert ranks(memory, 8) == ([0, 1, 2], [8, 1, 2, 3, 4])  # of 7, 6, 5, 4 and 2


def test_backwards_begins_with_the_good_frames_after_the_prompt():
    memory = bank(10)
    for t in range(11, 30):
        memory.remember(t, remembered(0.9 if t % 2 else 0.1))
    memory.turn()
    assert ranks(memory, 9, reverse=True) == ([0, 2], [1, 2, 3, 4])  # first the prompt, then 11, 13, 15 and 17
    memory.remember(9, remembered(0.9))
    assert ranks(memory, 8, reverse=True) == ([0, 1, 2], [2, 1, 2, 3])
    memory.remember(8, remembered(0.1))
    assert ranks(memory, 7, reverse=True) == ([0, 1, 2], [3, 1, 2, 3, 4])


def test_a_short_window_considers_fewer_frames():
    memory = bank(0)
    for t in (1, 2):
        memory.remember(t, remembered(0.9))
    assert ranks(memory, 3, num_frames=3) == ([0, 1, 2], [3, 1])


def test_the_prompt_is_never_forgotten():
    memory = bank(5)
    for t in range(6, 40):
        memory.remember(t, remembered(0.9))
    (rank, spatial), *_ = memory.recall(40, num_frames=100, reverse=False).spatial
    assert rank == 0
    assert spatial.shape == (1, 8, 4, 4)


def test_a_batch_is_not_kept_for_one_of_its_objects():
    batch = torch.zeros(64, 8, 4, 4)
    memory = bank(0)
    memory.remember(1, Remembered(spatial=batch[:1], pointer=torch.zeros(1, 16), score=0.9))
    _, (_, spatial) = memory.recall(2, num_frames=9, reverse=False).spatial
    assert spatial.untyped_storage().nbytes() == batch[:1].nbytes


@pytest.mark.parametrize("good", [0.0, 0.5, 1.0])
def test_memory_is_flat_in_the_clips_length(good):
    rng = np.random.default_rng(0)
    memory = bank(0)
    sizes = []
    for t in range(1, 200):
        memory.remember(t, remembered(0.9 if rng.random() < good else 0.1))
        sizes.append(memory.nbytes)
    one = remembered(1.0)
    both = one.spatial.nbytes + one.pointer.nbytes
    spatial, pointers = LIMITS.spatial, LIMITS.pointers
    assert max(sizes) <= both + 2 * (pointers * one.pointer.nbytes + spatial * one.spatial.nbytes) + both
