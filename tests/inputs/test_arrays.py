"""Recordings in memory: what can mean but one thing is taken, everything else is refused in one line."""

from inspect import unwrap
from pathlib import Path

import numpy as np
import pytest

from fast_snow import build_graph, stream
from fast_snow.cameras import pinhole
from fast_snow.config import SamplingConfig
from fast_snow.errors import InputError
from fast_snow.inputs import InputKind, from_recording, open_input
from fast_snow.inputs.recording import IGNORE, recording_from_arrays
from tests.inputs.recording_files import frames_of
from tests.inputs.video_files import grey, write

COUNT, SIZE = 2, (6, 8)
IMAGE = np.arange(COUNT * 6 * 8 * 3, dtype=np.uint8).reshape(COUNT, *SIZE, 3)
DEPTH = np.linspace(1, 5, COUNT * 6 * 8, dtype=np.float32).reshape(COUNT, *SIZE)
IDS = np.tile(np.arange(8, dtype=np.int32) % 3, (COUNT, 6, 1))
POSES = np.tile(np.eye(4), (COUNT, 1, 1))
K = pinhole(7.0, 7.5, 3.5, 2.5)
GIVEN = {"image": IMAGE, "fps": 10.0, "depth": DEPTH, "ids": IDS, "T_world_camera": POSES, "intrinsics": K}
recorded = unwrap(recording_from_arrays)
"""As callers have it, whose types nobody checks."""


def content(**changes):
    """All that a recording of the given arrays holds."""
    recording = recorded(**GIVEN | changes)
    frames = frames_of(recording, *range(COUNT))
    prior = recording.prior(frames)
    colors = [recording.read_color(index) for index in range(COUNT)]
    ids = recording.id_maps(frames)
    return np.stack(colors), prior.depth, ids, prior.T_camera_world, prior.intrinsics, recording.time


@pytest.mark.parametrize(
    "changes",
    [
        {"image": list(IMAGE)},
        {"image": tuple(IMAGE)},
        {"image": IMAGE[..., ::-1].copy()[..., ::-1]},
        {"T_world_camera": POSES[:, :3]},
        {"T_world_camera": list(POSES.astype(np.float32))},
        {"T_world_camera": POSES.astype(int)},
        {"intrinsics": (7, 7.5, 3.5, 2.5)},
        {"intrinsics": np.array([7, 7.5, 3.5, 2.5], np.float32)},
        {"intrinsics": K.tolist()},
        {"depth": DEPTH.astype(np.float64)},
        {"depth": DEPTH.astype(">f4")},
        {"depth": list(DEPTH)},
        {"ids": IDS.astype(np.uint8)},
        {"ids": IDS.astype(np.uint64)},
        {"fps": 10},
        {"fps": np.float32(10)},
    ],
)
def test_what_means_one_thing_is_taken(changes):
    for taken, expected in zip(content(**changes), content(), strict=True):
        np.testing.assert_array_equal(taken, expected)
        assert np.asarray(taken).dtype == np.asarray(expected).dtype


@pytest.mark.parametrize("none", [np.nan, np.inf, -np.inf, -1.0, 1e300])
def test_what_is_no_distance_is_no_measurement(none):
    depth = DEPTH.astype(np.float64)
    depth[0, 1, 2] = none
    taken = content(depth=depth)[1]
    assert taken[0, 1, 2] == 0
    assert (taken > 0).sum() == DEPTH.size - 1


def test_one_bit_is_one_object_and_ignored_pixels_stay():
    assert content(ids=IDS > 0)[2].tolist() == (IDS > 0).astype(int).tolist()
    assert content(ids=np.full((COUNT, *SIZE), IGNORE, np.int8))[2].min() == IGNORE


def test_masks_and_colour_of_nearly_the_same_aspect_reach_the_grid_of_the_depth():
    """As in ScanNet: 1296x968 with 640x480."""
    color, grid = (121, 162), (60, 80)
    ids = np.zeros((COUNT, *color), np.int32)
    ids[:, 30:90, 40:120] = 7
    recording = recording_from_arrays(
        np.zeros((COUNT, *color, 3), np.uint8),
        10.0,
        depth=np.full((COUNT, *grid), 2.0, np.float32),
        ids=ids,
        T_world_camera=POSES,
        intrinsics=pinhole(80.0, 80.0, 39.5, 29.5),
    )
    (track,) = build_graph(recording).graph.tracks.values()
    seen = track.observations[0]
    assert seen.centroid.tolist() == pytest.approx([0, 0, 2], abs=0.02)


A_GENERATOR = (each for each in IMAGE)
REFUSED = {
    "depth in integers": (
        {"depth": (DEPTH * 1000).astype(np.uint16)},
        "depth of uint16; expected metres .*divide by 1000",
    ),
    "depth in floats of millimetres": ({"depth": DEPTH * 1000}, r"depths of 1,\d+ m .median.; expected metres"),
    "depth that is nowhere": ({"depth": DEPTH * np.nan}, "depth holds no finite number above 0"),
    "depth behind the camera": ({"depth": -DEPTH}, "depth holds no finite number above 0"),
    "depth with a channel": ({"depth": DEPTH[..., None]}, r"depth of shape \(2, 6, 8, 1\); expected \(frames, h"),
    "depth without pixels": ({"depth": DEPTH[:, :0]}, r"depth of shape \(2, 0, 8\)"),
    "one depth image": ({"depth": DEPTH[0]}, r"depth of shape \(6, 8\)"),
    "depth for one image": ({"depth": DEPTH[:1]}, "1 depth for 2 images"),
    "depth of another view": ({"depth": DEPTH[:, :, :4]}, "expected one aspect ratio"),
    "depth without intrinsics": ({"intrinsics": None}, "depth without intrinsics"),
    "masked depth": ({"depth": np.ma.masked_less(DEPTH, 2)}, "masked array"),
    "images of floats": ({"image": IMAGE / 255}, "image of float64; .*multiply by 255"),
    "images of 16 bits": ({"image": IMAGE.astype(np.uint16)}, "image of uint16; expected RGB in 8 bits"),
    "channels first": ({"image": IMAGE.transpose(0, 3, 1, 2)}, r"\(2, 3, 6, 8\); .*: move the channels to the end"),
    "grey images": ({"image": IMAGE[..., 0]}, r"\(2, 6, 8\); .*repeat the channel of grey images"),
    "grey images in a list": ({"image": list(IMAGE[..., 0])}, r"\(2, 6, 8\); .*repeat the channel of grey images"),
    "grey images with a channel": ({"image": IMAGE[..., :1]}, "repeat the grey channel three times"),
    "images with opacity": ({"image": np.repeat(IMAGE, 2, axis=3)[..., :4]}, "drop the channel of opacity"),
    "one image": ({"image": IMAGE[0]}, "put a single image into a list"),
    "images of several sizes": (
        {"image": [IMAGE[0], IMAGE[1, :4]]},
        r"image\[1\] of shape \(4, 8, 3\) after \(6, 8, 3\)",
    ),
    "no images": ({"image": []}, "no frame"),
    "images without pixels": ({"image": IMAGE[:, :0]}, "no frame"),
    "None as images": ({"image": None}, "image of object"),
    "a path as images": ({"image": "frames"}, "image of <U6; expected RGB"),
    "a generator": ({"image": A_GENERATOR}, "image of object; expected RGB"),
    "images that are none": ({"image": [None, None]}, "image of object"),
    "ragged images": ({"image": [[[1], [1, 2]]]}, r"image\[0\] is a list that NumPy cannot take"),
    "ids of floats": ({"ids": IDS.astype(float)}, "ids of float64; expected whole numbers"),
    "ids beyond 32 bits": ({"ids": IDS.astype(np.int64) << 32}, "ids from 0 to 8589934592; expected"),
    "ids below the lowest": ({"ids": IDS - 2}, "ids from -2 to 0"),
    "ids in colours": ({"ids": IMAGE}, r"ids of shape \(2, 6, 8, 3\)"),
    "ids of another view": ({"ids": IDS[:, :, :4]}, "masks of 4x6 and colour images of 8x6"),
    "poses of three numbers": ({"T_world_camera": POSES[:, :3, 3]}, r"T_world_camera of shape \(2, 3\)"),
    "poses for three images": ({"T_world_camera": POSES[[0, 0, 0]]}, "3 T_world_camera for 2 images"),
    "complex poses": ({"T_world_camera": POSES * 1j}, "T_world_camera of complex128; expected real numbers"),
    "poses that scale": ({"T_world_camera": POSES * 2}, r"T_world_camera\[0\]: not a rigid pose"),
    "poses that are lost": ({"T_world_camera": POSES * np.nan}, r"T_world_camera\[0\]: the pose holds NaN"),
    "a projection": ({"intrinsics": np.eye(3, 4)}, r"intrinsics of shape \(3, 4\); expected one pinhole matrix"),
    "intrinsics by image": ({"intrinsics": np.stack([K, K])}, r"intrinsics of shape \(2, 3, 3\)"),
    "intrinsics by name": ({"intrinsics": {"fx": 1.0}}, "intrinsics of object"),
    "intrinsics of another size": ({"intrinsics": (70, 75, 35, 25)}, "outside the 8x6 images"),
    "a rate in words": ({"fps": "10"}, "fps is a str; expected a number"),
    "no rate": ({"fps": None}, "fps is a NoneType"),
    "a rate that is true": ({"fps": True}, "fps is a bool"),
    "a rate without end": ({"fps": float("inf")}, "inf frames per second"),
    "a negative rate": ({"fps": -1}, "-1 frames per second"),
    "a rate beyond floats": ({"fps": 10**400}, "1000.* frames per second"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused_in_one_line(case):
    changes, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as refused:
        recorded(**GIVEN | changes)
    assert "\n" not in str(refused.value)


def test_any_types_and_shapes_end_in_a_recording_or_a_refusal():
    random = np.random.default_rng(0)
    dtypes = ["u1", "u2", "i4", "i8", "f2", "f4", "f8", "?", "c8", "O", "U3", "M8[s]"]
    taken = 0
    for _ in range(700):
        changes = {}
        for what in random.choice(list(GIVEN), random.integers(1, 3), replace=False):
            shape = list(np.shape(GIVEN[what]))
            if random.random() < 0.5 and shape:
                shape[random.integers(len(shape))] = int(random.integers(0, 5))
            if random.random() < 0.3:
                shape.insert(int(random.integers(len(shape) + 1)), int(random.integers(0, 3)))
            values = np.array(random.choice([0, 1, 3, 255], shape)).astype(random.choice(dtypes))
            if values.dtype.kind in "iuf" and random.random() < 0.3:
                values = values.astype("f8") * 1e300
            changes[what] = values if random.random() < 0.5 else values.tolist()
        try:
            recording = recorded(**GIVEN | changes)
        except InputError:
            continue
        recording.prior(frames_of(recording, 0))
        taken += 1
    assert taken > 20


# ------------------------------------------------------------------------------------------------ where they are given


def test_a_recording_can_be_given_in_place_of_a_path():
    recording = recording_from_arrays(
        **GIVEN
        | {
            "image": IMAGE[:1].repeat(COUNT, 0),  # noise that changes would be cuts
            "ids": IDS.repeat(8, 1).repeat(8, 2),
            "depth": np.full((COUNT, 48, 64), 2.0, np.float32),
        },
    )
    result, expected = build_graph(recording), build_graph(from_recording(recording, SamplingConfig()))
    assert sorted(result.graph.tracks) == sorted(expected.graph.tracks) == [1, 2]
    assert result.record["input"] == expected.record["input"]
    assert open_input(recording, SamplingConfig(max_side=4)).size == (3, 4)
    assert len(list(stream(recording))) == COUNT


def test_paths_may_be_words_and_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "clip.mp4", [grey(k) for k in range(3)])
    for given in ("~/clip.mp4", Path("~/clip.mp4"), str(tmp_path / "clip.mp4")):
        assert open_input(given, SamplingConfig()).kind is InputKind.VIDEO
    with pytest.raises(InputError, match="~nobody-of-this-name"):
        open_input("~nobody-of-this-name/clip.mp4", SamplingConfig())


@pytest.mark.parametrize("given", [None, 3, b"clip.mp4", "", [IMAGE[0]], IMAGE, {"image": IMAGE}])
@pytest.mark.parametrize("take", [unwrap(build_graph), lambda given: unwrap(open_input)(given, SamplingConfig())])
def test_what_is_no_source_is_refused_in_one_line(given, take):
    with pytest.raises(InputError, match=r"^source: .*recording_from_arrays\(images, fps\)$") as refused:
        take(given)
    assert "\n" not in str(refused.value)
