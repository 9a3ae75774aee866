"""The geometry engine: chunks come together in one world, confidence is a share, and memory that runs out is met."""

import itertools
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fast_snow.config import Da3Config
from fast_snow.engines.da3.chunks import spans
from fast_snow.engines.da3.estimator import intrinsics, open_geometry, relative_confidence, world_to_camera
from fast_snow.engines.da3.variants import VARIANTS
from fast_snow.errors import ConfigError, EngineError, FastSnowWarning
from fast_snow.types import DepthOrigin, GeometryPrior
from tests.engines.da3 import box_room
from tests.engines.da3.box_room import COUNT, GRID, RoomNetwork, frames, opened


def estimate(network, *, count=COUNT, variant="da3-small", most_frames=0, progress=None, prior=None, **config):
    told = {} if progress is None else {"progress": progress}
    with open_geometry(
        Da3Config(process_res=max(GRID), **config),
        open_network=partial(opened, network),
        variant=VARIANTS[variant],
        most_frames=most_frames,
        prior=prior,
        **told,
    ) as engine:
        return engine(frames(count))


def assert_is_the_room(geometry, atol):
    """The cameras relative to the first, and depth, are the truth in the scale of the first chunk."""
    count = len(geometry)
    scale = np.median(geometry.depth[0] / box_room.depths()[0])
    np.testing.assert_allclose(geometry.depth / scale, box_room.depths()[:count], rtol=atol)
    wanted = world_to_camera(box_room.encodings()[:count].astype(np.float32))
    wanted = wanted @ np.linalg.inv(wanted[0])
    found = geometry.T_camera_world @ np.linalg.inv(geometry.T_camera_world[0])
    found[:, :3, 3] /= scale
    np.testing.assert_allclose(found, wanted, atol=atol)


def test_a_window_in_one_chunk():
    network = RoomNetwork()
    geometry = estimate(network)
    assert network.asked == [list(range(COUNT))]
    assert (geometry.grid, geometry.metric, geometry.origin) == (GRID, False, DepthOrigin.NETWORK)
    assert (geometry.confidence == 0.5).all(), "equally sure of every pixel, so none is rejected"
    assert_is_the_room(geometry, 1e-5)


@pytest.mark.parametrize(("size", "overlap"), [(8, 3), (6, 1), (22, 5), (3, 2), (2, 1)])
def test_chunks_of_any_world_and_scale_come_together(size, overlap):
    network = RoomNetwork()
    geometry = estimate(network, chunk_size=size, chunk_overlap=overlap)
    assert len(network.asked) > 1
    assert {len(each) for each in network.asked} == {size}
    assert_is_the_room(geometry, 1e-3)


class ToldNetwork(RoomNetwork):
    """Answers like the room, and keeps what it was told of the cameras."""

    told: ClassVar[list[dict]] = []

    def __call__(self, inputs):
        self.told.append({name: value for name, value in inputs.items() if name != "images"})
        return super().__call__(inputs)


def given_cameras(shift=0.0, length=1.0):
    """Return the true cameras of the room in another world, their path made longer or shorter."""
    T_camera_world = world_to_camera(box_room.encodings().astype(np.float32))
    T_camera_world[:, :3, 3] *= length
    elsewhere = np.eye(4)
    elsewhere[:3, 3] = shift
    K = intrinsics(box_room.encodings().astype(np.float32), GRID)
    return lambda frames: GeometryPrior(T_camera_world=(T_camera_world @ elsewhere)[frames.t], intrinsics=K[frames.t])


@pytest.mark.parametrize("size", [0, 8])
def test_known_cameras_are_told_and_give_the_scale(size):
    ToldNetwork.told.clear()
    prior = given_cameras(shift=5.0)
    geometry = estimate(ToldNetwork(), chunk_size=size, chunk_overlap=3, prior=prior)
    known = prior(frames())
    assert geometry.metric
    np.testing.assert_array_equal(geometry.T_camera_world, known.T_camera_world)
    np.testing.assert_allclose(geometry.intrinsics, known.intrinsics)
    np.testing.assert_allclose(geometry.depth, box_room.depths(), rtol=1e-3)
    for told in ToldNetwork.told:
        np.testing.assert_allclose(told["T_camera_world"][0], np.eye(4), atol=1e-5)
        assert told["T_camera_world"].shape[0] == told["intrinsics"].shape[0] == (size or COUNT)


def test_a_path_that_is_too_short_for_a_scale_is_not_believed():
    still, network = given_cameras(length=0.0), RoomNetwork()
    with pytest.warns(FastSnowWarning, match="too short to scale depth"):
        geometry = estimate(network, prior=still, chunk_size=12, chunk_overlap=3)
    assert not geometry.metric
    assert_is_the_room(geometry, 1e-3)
    assert [each[0] for each in network.asked] == [0, 0, 9, 11], "given up after the first chunk"


def test_poses_without_intrinsics_are_not_told():
    ToldNetwork.told.clear()
    poses = given_cameras()
    geometry = estimate(ToldNetwork(), prior=lambda frames: GeometryPrior(T_camera_world=poses(frames).T_camera_world))
    assert (ToldNetwork.told, geometry.metric) == ([{}], False)


def test_wrong_distances_of_a_few_frames_do_not_change_the_scale():
    prior = given_cameras()
    poses = prior(frames()).T_camera_world.copy()
    poses[4, :3, 3] += 3.0
    geometry = estimate(RoomNetwork(), prior=lambda _: replace(prior(frames()), T_camera_world=poses))
    np.testing.assert_allclose(geometry.depth, box_room.depths(), rtol=0.02)


def test_one_frame():
    assert_is_the_room(estimate(RoomNetwork(), count=1, chunk_size=4, chunk_overlap=2), 1e-5)


def test_metric_chunks_keep_their_scale():
    network = RoomNetwork(scales=(0.9, 1.1))
    geometry = estimate(network, variant="da3nested-giant-large", chunk_size=15, chunk_overlap=5)
    assert geometry.metric
    ratio = np.median(geometry.depth / box_room.depths(), axis=(1, 2))
    assert len(set(ratio.round(4))) == 2, "each chunk has the scale that the network gave it"
    assert_is_the_room(
        estimate(RoomNetwork(scales=(1.0, 1.0)), variant="da3nested-giant-large", chunk_size=8, chunk_overlap=3), 1e-3
    )


def test_a_network_compiled_for_few_frames_gets_few():
    network = RoomNetwork()
    assert_is_the_room(estimate(network, most_frames=10), 1e-3)
    assert {len(each) for each in network.asked} == {10}


def test_tells_how_far_it_is():
    told = []
    estimate(RoomNetwork(), chunk_size=12, chunk_overlap=2, progress=lambda *each: told.append(each))
    assert told == [("geometry: depth", done, COUNT) for done in (12, 22, 23)]


def test_confidence_is_a_share_whatever_the_network_says():
    class Odd(RoomNetwork):
        def __call__(self, inputs):
            answer = super().__call__(inputs)
            answer["confidence"][:, 0, :5] = [1.0, np.inf, np.nan, 0.0, 2.0]
            return answer

    confidence = estimate(Odd(), count=2).confidence
    np.testing.assert_allclose(
        confidence[0, 0, :5], [0, 1, 0, 0, 1 / 3], rtol=1e-6
    )  # odds of 1 against 2, where others say 3
    assert confidence.min() >= 0
    assert confidence.max() <= 1


@pytest.mark.parametrize(
    ("level", "spread"), [(-6.0, 0.5), (-3.5, 1.0), (-2.0, 1.0), (0.0, 1.0), (3.0, 2.0)], ids=lambda x: f"{x}"
)
def test_the_gate_keeps_what_upstream_keeps(level, spread):
    """Upstream rejects a pixel below the 40th percentile, but not above 1.05 nor above the 90th percentile."""
    c = 1 + np.exp(np.random.default_rng(0).normal(level, spread, (5, 40, 60))).astype(np.float32)
    kept = relative_confidence(1 - 1 / c, Da3Config()) >= 0.5
    upstream = c >= min(max(1.05, np.percentile(c, 40)), np.percentile(c, 90))
    assert np.mean(kept != upstream) < 1e-3
    assert 0.09 < kept.mean() < 0.61


@given(
    arrays(np.float32, (1, 3, 4), elements=st.floats(0, 1, width=32)),
    st.floats(1, 10),
    st.floats(0, 100),
    st.floats(0, 100),
)
@example(np.ones((1, 3, 4), np.float32), 1.05, 40.0, 90.0)
def test_relative_confidence_keeps_the_order(share, floor, low, high):
    config = Da3Config(conf_floor=floor, conf_percentile=low, conf_max_percentile=high)
    relative = relative_confidence(share, config)
    order = np.argsort(share, axis=None)
    assert (np.diff(relative.ravel()[order]) >= -1e-6).all()
    assert ((relative >= 0) & (relative <= 1)).all()
    assert (relative[share == 0] < 0.5).all(), "no confidence at all is never trusted"
    assert (share == 0).all() or (relative >= 0.5).any()


def test_the_former_gate_is_a_setting():
    share = np.linspace(0, 1, 24, dtype=np.float32).reshape(1, 4, 6)
    config = Da3Config(conf_floor=2, conf_percentile=0, conf_max_percentile=100)
    np.testing.assert_allclose(relative_confidence(share, config), share, atol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["torch", "compiled"])
def test_smaller_chunks_where_memory_runs_out(name):
    torch = pytest.importorskip("torch")
    failure = {
        "torch": torch.OutOfMemoryError("CUDA out of memory"),
        "compiled": MemoryError("da3-small.onnx: out of memory in ONNX Runtime"),
    }[name]
    network = RoomNetwork(fits=5, failure=failure)
    with pytest.warns(FastSnowWarning, match=r"frames per chunk: out of memory: retrying with \d+") as warned:
        geometry = estimate(network)
    assert [str(each.message).rsplit(" ", 1)[1] for each in warned] == ["11", "5"]
    assert_is_the_room(geometry, 1e-3)


@pytest.mark.torch
def test_memory_that_holds_no_chunk_is_an_error():
    torch = pytest.importorskip("torch")
    network = RoomNetwork(fits=1, failure=torch.OutOfMemoryError("CUDA out of memory"))
    with (
        pytest.warns(FastSnowWarning, match="out of memory"),
        pytest.raises(EngineError, match=r"2 did not fit.*--da3\.process-res"),
    ):
        estimate(network)
    assert len(network.asked[-1]) == 2, "chunks of one frame cannot be aligned"


def test_other_failures_are_not_hidden():
    with pytest.raises(ValueError, match="something else"):
        estimate(RoomNetwork(fits=3, failure=ValueError("something else")))


def test_poses_that_are_no_poses_are_an_error():
    class Broken(RoomNetwork):
        def __call__(self, inputs):
            return {**super().__call__(inputs), "pose": np.full((len(inputs["images"]), 9), np.nan, np.float32)}

    with pytest.raises(EngineError, match="poses of frames 0 to 22 are not finite"):
        estimate(Broken())


def test_a_frame_without_any_depth_is_an_error():
    class Overflown(RoomNetwork):
        def __call__(self, inputs):
            answer = super().__call__(inputs)
            answer["depth"][0, :2] = np.inf
            answer["depth"][4] = np.nan
            return answer

    with pytest.raises(EngineError, match="depth of frames 4 to 22 are not finite"):
        estimate(Overflown())


@pytest.mark.parametrize("overlap", [0, 4, 9])
def test_chunks_that_cannot_be_aligned_are_refused(overlap):
    with pytest.raises(ConfigError, match=rf"chunk_overlap: got {overlap}, expected at least 1 and less than"):
        estimate(RoomNetwork(), chunk_size=4, chunk_overlap=overlap)


def test_spans_hold_every_frame():
    assert spans(5, 8, 3) == (range(5),)
    assert spans(1, 1, 0) == (range(1),)
    assert spans(10, 4, 1) == (range(4), range(3, 7), range(6, 10))
    assert spans(9, 4, 1) == (range(4), range(3, 7), range(5, 9)), "the last shares more rather than be shorter"
    for count in range(1, 30):
        for size in range(2, 10):
            for overlap in range(1, size):
                each = spans(count, size, overlap)
                assert sorted({t for span in each for t in span}) == list(range(count))
                assert all(a.stop - b.start >= overlap for a, b in itertools.pairwise(each))
                assert all(a.stop < b.stop and len(b) == min(size, count) for a, b in itertools.pairwise(each))
