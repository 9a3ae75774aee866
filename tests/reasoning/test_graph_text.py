"""The graph as text: few tokens, and every number there to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.errors import FastSnowError
from fast_snow.reasoning.prompt.compose import compose_prompt
from fast_snow.reasoning.prompt.graph_text import (
    camera_lines,
    cell_texts,
    observation_lines,
    pixels_per_cell,
    shortest_numbers,
)
from fast_snow.types import Observations
from tests.reasoning.graphs import PIXELS, any_graph, graph, of_tracks, token
from tests.reasoning.reading import bits, blocks, poses

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
@settings(max_examples=50)
def test_a_prompt_gives_back_every_step_token_bit_for_bit(seed):
    whole = any_graph(seed)
    read = blocks(compose_prompt(whole, "?", (), budget=10**9), pixels_per_cell(whole.grid_size, whole.analysis_grid))
    assert list(read) == list(whole.tracks)
    for track in whole.tracks.values():
        block = read[track.object_id]
        assert (block.seen, block.theta, block.listed) == (len(track.observations), track.theta, block.seen)
        assert list(block.observations) == [each.t for each in track.observations]
        for each in track.observations:
            found, cells = block.observations[each.t]
            assert bits(found) == bits(np.concatenate([each.centroid, each.sigma, each.low, each.high]))
            places = zip(each.row.tolist(), each.col.tolist(), strict=True)
            assert {place: bits(share) for place, share in cells.items()} == dict(
                zip(places, bits(each.coverage), strict=True)
            )


@given(seeds)
@settings(max_examples=50)
def test_a_prompt_gives_back_the_camera_bit_for_bit(seed):
    whole = any_graph(seed)
    ego, intrinsics = whole.ego, np.full(4, np.nan, np.float32)
    for i, (t, time_s, position, quaternion, K) in enumerate(poses(compose_prompt(whole, "?", (), budget=10**9))):
        assert (t, time_s) == (ego.t[i], None if np.isnan(ego.time_s[i]) else ego.time_s[i])
        assert bits(position) == bits(ego.position[i])
        known = not np.isnan(ego.quaternion_xyzw[i]).any()
        assert (bits(quaternion) == bits(ego.quaternion_xyzw[i])) if known else quaternion is None
        intrinsics = intrinsics if K is None else K
        assert np.isnan(ego.intrinsics[i]).all() or bits(intrinsics) == bits(ego.intrinsics[i])
    assert i + 1 == len(ego)


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ([], ""),
        ([(1, 2, 1)], "1:2"),
        ([(1, 1, 1), (1, 2, 1), (1, 3, 1)], "1:1-3"),
        ([(1, 0, 20 / 24), (1, 1, 1), (1, 2, 1), (1, 3, 21 / 28)], "1:0-3=20*21"),
        ([(1, 0, 1), (1, 1, 0.71), (1, 2, 1)], "1:0-1=*.71 1:2"),
        ([(1, 0, 20 / 24), (1, 1, 21 / 28)], "1:0-1=20,21"),
        ([(3, 0, 1), (0, 3, 1), (0, 1, 1)], "0:1 0:3 3:0"),
        ([(0, 0, 0.0), (0, 1, -0.0)], "0:0-1=0,-.0"),
        ([(0, 0, 2.0), (0, 1, 1e-7)], "0:0-1=48,1e-07"),
    ],
)
def test_tau_as_runs(cells, text):
    row, col, share = (np.array([cell[i] for cell in cells]) for i in range(3))
    one = token(0, row=row.astype(np.uint8), col=col.astype(np.uint8), coverage=share.astype(np.float32))
    assert pixels_per_cell(4, (16, 26))[1].tolist() == [24, 28, 24, 28]
    assert cell_texts(Observations.of([one]), 4, (16, 26))[0] == text


def test_shares_stay_shares_where_the_pixels_of_a_cell_are_not_known():
    twice = token(0, coverage=np.array([2, 1, 20 / 30], np.float32))
    assert cell_texts(Observations.of([twice]), 4, (0, 0)) == ["1:0-2=2.*.6666667"]


def test_numbers_have_the_fewest_digits():
    given = np.array([0.71, -0.71, 5, -0.0, 0, 1e-35, 0.1], np.float32)
    assert shortest_numbers(given) == [".71", "-.71", "5", "-.0", "0", "1e-35", ".1"]


def test_lines_of_a_graph():
    small = graph({3: [4]}, n=2)
    assert list(camera_lines(small.ego)) == ["0|0|0 0 0|0 0 0 1|20.5 20.5 20.5 20.5\n", "1|.1|0 0 0|0 0 0 1\n"]
    observations = small.tracks[3].observations
    cells = cell_texts(observations, 4, PIXELS)
    shape = "5.12 -.3 1.05|1.12 .5 .25|2.9 -3 .5|7.4 -1 1.5"
    assert list(observation_lines(observations, shape=True, cells=cells)) == [f"4|{shape}|1:0-2=20*.71\n"]
    assert list(observation_lines(observations, shape=False, cells=cells)) == ["4|1:0-2=20*.71\n"]
    assert list(observation_lines(observations, shape=True, cells=[""])) == [f"4|{shape}\n"]
    assert list(observation_lines(Observations.of(()), shape=True, cells=[])) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(bad):
    tracks = dict(graph({3: [4]}).tracks)
    broken = token(4, centroid=np.array([1, bad, 2], np.float32))
    tracks[3] = type(tracks[3])(object_id=3, observations=(broken,), theta=(4, 4))
    with pytest.raises(FastSnowError, match="expected finite numbers"):
        compose_prompt(of_tracks(tracks, graph({}).ego), "?", (), budget=10**9)
