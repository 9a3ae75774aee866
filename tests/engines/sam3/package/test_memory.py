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
    return Remembered(spatial=torch.zeros(3, 8, 4, 4, dtype=torch.bfloat16), pointer=torch.zeros(3, 16), score=score)


def bank(prompted_at: int) -> MemoryBank:
    position = torch.zeros(1, 8, 4, 4)
    return MemoryBank(prompted_at, remembered(1.0), position=position, limits=LIMITS, device=CPU, on_host=True)


def kept(of: MemoryBank) -> tuple[list[int], list[int]]:
    """Frames with pointers, and those of them with spatial memory."""
    past = of.as_upstream()["non_cond_frame_outputs"]
    return sorted(past), sorted(t for t, each in past.items() if each["maskmem_features"] is not None)


def test_the_nearest_good_frames_and_the_last_are_kept():
    memory = bank(0)
    for t, score in enumerate([0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.1], start=1):
        memory.remember(t, remembered(score))
    assert kept(memory) == ([2, 4, 5, 6, 7], [5, 6, 7])


def test_backwards_begins_with_the_good_frames_after_the_prompt():
    memory = bank(10)
    for t in range(11, 30):
        memory.remember(t, remembered(0.9 if t % 2 else 0.1))
    memory.turn()
    assert kept(memory) == ([11, 13, 15, 17], [11, 13])
    memory.remember(9, remembered(0.9))
    assert kept(memory) == ([9, 11, 13, 15], [9, 11])
    memory.remember(8, remembered(0.1))
    assert kept(memory) == ([8, 9, 11, 13, 15], [8, 9, 11])


def test_the_prompt_is_never_forgotten():
    memory = bank(5)
    for t in range(6, 40):
        memory.remember(t, remembered(0.9))
    prompted = memory.as_upstream()["cond_frame_outputs"]
    assert list(prompted) == [5]
    assert prompted[5]["maskmem_features"].shape == (3, 8, 4, 4)
    assert prompted[5]["maskmem_pos_enc"][0].shape == (3, 8, 4, 4)


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
