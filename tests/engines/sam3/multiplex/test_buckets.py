"""Objects are distributed over states as upstream distributes them over its sessions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_snow.engines.sam3.multiplex.buckets import states_of_sweep


def sizes(prompted_at: list[int], *, frames: int = 20, most: int = 64, reverse: bool = False) -> list[dict[int, int]]:
    """Per state, how many objects join in each frame."""
    states = states_of_sweep(prompted_at, frames=frames, bucket=16, most=most, reverse=reverse)
    return [{frame: len(some) for frame, some in each.items()} for each in states]


@pytest.mark.parametrize(
    ("prompted_at", "expected"),
    [
        ([], []),
        ([3], [{3: 1}]),
        ([0] * 16 + [5], [{0: 16}, {5: 1}]),
        ([0] * 20, [{0: 20}]),  # two buckets of one state
        ([0] * 20 + [4] * 12 + [6], [{0: 20, 4: 12}, {6: 1}]),
        ([0] * 10 + [2] * 10 + [4] * 6, [{0: 10, 4: 6}, {2: 10}]),  # as many free slots in both: the first
        ([0] * 10 + [2] * 12 + [4] * 4, [{0: 10}, {2: 12, 4: 4}]),  # the fuller one that still has room
        ([19] * 3 + [4], [{4: 1}]),  # nothing follows the last frame
    ],
)
def test_as_upstream_fills_them(prompted_at: list[int], expected: list[dict[int, int]]) -> None:
    assert sizes(prompted_at) == expected


def test_a_state_carries_no_more_than_it_may() -> None:
    assert sizes([0] * 40, most=16) == [{0: 16}, {0: 16}, {0: 8}]
    assert sizes([0] * 3 + [5] * 2, most=4) == [{0: 3}, {5: 2}]
    assert sizes([0] * 3 + [5] * 2, most=1) == [{0: 1}] * 3 + [{5: 1}] * 2


def test_the_whole_group_joins_or_none() -> None:
    assert sizes([0] * 14 + [5] * 3) == [{0: 14}, {5: 3}]


@given(
    prompted_at=st.lists(st.integers(0, 11), max_size=60),
    bucket=st.integers(1, 16),
    most=st.integers(1, 40),
    reverse=st.booleans(),
)
def test_everyone_once_in_the_order_of_the_sweep(prompted_at: list[int], bucket: int, most: int, reverse: bool) -> None:
    states = states_of_sweep(prompted_at, frames=12, bucket=bucket, most=most, reverse=reverse)
    last = 0 if reverse else 11
    carried = [i for each in states for some in each.values() for i in some]
    assert sorted(carried) == [i for i, at in enumerate(prompted_at) if at != last]
    for each in states:
        assert list(each) == sorted(each, reverse=reverse)
        assert all(prompted_at[i] == frame for frame, some in each.items() for i in some)
        first, *later = (len(some) for some in each.values())
        assert first + sum(later) <= min(most, -(-first // bucket) * bucket)


@given(prompted_at=st.lists(st.integers(0, 11), max_size=40))
def test_backwards_is_forwards_in_a_mirror(prompted_at: list[int]) -> None:
    mirrored = [11 - at for at in prompted_at]
    backwards = states_of_sweep(prompted_at, frames=12, bucket=16, most=64, reverse=True)
    forwards = states_of_sweep(mirrored, frames=12, bucket=16, most=64, reverse=False)
    assert [{11 - frame: some for frame, some in each.items()} for each in backwards] == forwards
