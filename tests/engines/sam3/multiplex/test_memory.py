"""The memory of a state forgets what upstream cannot ask for, and nothing else."""

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
from fast_snow.engines.sam3.multiplex.memory import MemoryLimits, Remembered, SharedMemory  # noqa: E402

CPU = torch.device("cpu")
SPATIAL, POINTERS = 6, 15


def remembered() -> Remembered:
    some = torch.zeros(2, 4, 3, 3)
    image = torch.zeros(9, 1, 4)
    return Remembered(spatial=some, position=some, image=image, image_position=image, pointers=torch.zeros(2, 16, 4))


def swept(begin: int, end: int) -> SharedMemory:
    memory = SharedMemory(MemoryLimits(spatial=SPATIAL, pointers=POINTERS), CPU, on_host=True)
    for frame in range(begin, end + 1) if end > begin else range(begin, end - 1, -1):
        memory.remember(frame, remembered())
    return memory


@pytest.mark.parametrize(("begin", "end", "step"), [(3, 40, 1), (40, 3, -1)])
def test_the_beginning_and_the_nearest_frames_stay(begin: int, end: int, step: int) -> None:
    held = swept(begin, end).as_upstream()
    assert list(held["cond_frame_outputs"]) == [begin]
    past = held["non_cond_frame_outputs"]
    following = end + step
    assert set(past) == {following - step * k for k in range(1, POINTERS + 1)}
    spatial = {frame for frame, each in past.items() if each["maskmem_features"] is not None}
    assert spatial == {following - step * k for k in range(1, SPATIAL + 1)}


def test_memory_is_flat_in_the_clips_length() -> None:
    assert swept(0, 40).nbytes == swept(0, 400).nbytes


def test_codes_are_kept_once_for_all_frames_and_buckets() -> None:
    held = swept(0, 9).as_upstream()["non_cond_frame_outputs"]
    codes = [each["maskmem_pos_enc"][-1] for each in held.values()]
    assert {each.data_ptr() for each in codes} == {codes[0].data_ptr()}
    assert all(each.shape == (2, 4, 3, 3) for each in codes)
