"""Why a graph is empty: the gate that let nothing through, and how many it dropped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fast_snow import output
from fast_snow.api import Result, build_graph
from fast_snow.cli.main import main
from fast_snow.config import Config
from fast_snow.emptiness import doubts, why_empty
from fast_snow.errors import FastSnowWarning
from fast_snow.graph import fold, start
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import Health
from tests.building import perception, tracked
from tests.scenes import rendered

GRID = (24, 32)
EMPTY = fold(start(Config()), perception([tracked()] * 4), config=Config()).graph
FULL = fold(start(Config()), perception([tracked((0, 0, (2, 2, 14, 14)))] * 4), config=Config()).graph
SEEN = {"detections": 9, "first_pass_prompts": 2, "second_pass_prompts": 1}


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "the segmenter detected nothing in 4 frames"),
        ({"detections": 9}, "none of 9 detections started an object"),
        (
            {"detections": 9, "seeds_too_small": 9},
            "9 of 9 detections have fewer than depth_filter.min_points pixels; lower it",
        ),
        (SEEN, "the tracker followed none of 3 prompted objects"),
        (
            SEEN | {"masks": 8, "small_dropped": 8, "mask_pixels": 200, "untrusted_pixels": 50},
            "all 8 masks were dropped: 8 with fewer than depth_filter.min_points pixels of trusted depth (0 with none);"
            " 25% of their pixels have no trusted depth; lower depth_filter.min_points",
        ),
        (
            SEEN | {"masks": 8, "small_dropped": 8, "no_depth_dropped": 8, "mask_pixels": 200, "untrusted_pixels": 200},
            "(8 with none); 100% of their pixels have no trusted depth; check the depth images and their scale",
        ),
        (
            SEEN | {"masks": 8, "small_dropped": 1, "oversized_dropped": 7, "mask_pixels": 200},
            "1 with fewer than depth_filter.min_points pixels of trusted depth (0 with none), 7 longer than"
            " depth_filter.max_extent; 0% of their pixels have no trusted depth; check that depths are in metres",
        ),
    ],
)
def test_the_gate_is_named(counts: dict[str, int], message: str):
    said = why_empty(EMPTY, Health(**counts))
    assert said is not None
    assert said.startswith("no tracks: ")
    assert message in said
    assert "\n" not in said
    assert doubts(EMPTY, Health(**counts)) == (said,)


def test_objects_beyond_the_limit_are_named():
    assert doubts(FULL, Health(**SEEN, prompts_left_out=3)) == (
        "3 objects beyond tracker.max_objects were not tracked (the best detections were)",
    )


def test_nothing_to_say_of_a_sound_graph():
    assert why_empty(FULL, Health()) is None
    assert doubts(FULL, Health(mask_pixels=100, untrusted_pixels=50)) == ()


def test_depth_that_is_mostly_not_trusted_is_told():
    (said,) = doubts(FULL, Health(mask_pixels=100, untrusted_pixels=51))
    assert said.startswith("51% of the masks' pixels have no trusted depth")


def ran(depth: float, objects: bool = True) -> Result:
    """Run over a wall at a depth, with one recorded object or none."""
    ids = np.zeros((3, *GRID), np.int32)
    ids[:, 4:20, 4:20] = objects
    recording = recording_from_arrays(
        np.zeros((3, *GRID, 3), np.uint8),
        10.0,
        depth=np.full((3, *GRID), depth, np.float32),
        ids=ids,
        T_world_camera=np.tile(np.eye(4), (3, 1, 1)),
        intrinsics=np.array([[20.0, 0, 16], [0, 20, 12], [0, 0, 1]]),
    )
    return build_graph(from_recording(recording, Config().sampling))


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: ran(0.0), "all 3 masks were dropped: 3 with .* (3 with none)"),
        (lambda: ran(900.0), "all 3 masks were dropped: 3 longer than depth_filter.max_extent"),
        (lambda: ran(4.0, objects=False), "the segmenter detected nothing in 3 frames"),
    ],
)
def test_a_run_without_tracks_warns_and_records_it(work: Callable[[], Any], message: str):
    pattern = message.replace("(3", r"\(3").replace("none)", r"none\)")
    with pytest.warns(FastSnowWarning, match=f"^no tracks: {pattern}"):
        result = work()
    assert not result.graph.tracks
    assert result.record["warnings"][-1].startswith("no tracks: ")


def test_counts_of_a_run():
    record = ran(4.0).record
    health = record["health"]
    assert {name: health[name] for name in ("masks", "small_dropped", "no_depth_dropped", "oversized_dropped")} == {
        "masks": 3,
        "small_dropped": 0,
        "no_depth_dropped": 0,
        "oversized_dropped": 0,
    }
    assert (health["mask_pixels"], health["untrusted_pixels"]) == (3 * 16 * 16, 0)  # recorded: the whole mask
    assert record["config"]["step"]["mask_margin"] == 0
    assert record["config"]["depth_filter"]["remove_outliers"] is False


def test_the_command_line_says_it_in_summary_and_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    scene = rendered(SceneConfig(size=(120, 160), frames=4))
    write_recording(scene, tmp_path / "scene")
    for path in sorted((tmp_path / "scene" / "masks").glob("*.png")):
        blank(path)
    with pytest.raises(SystemExit) as end:
        main(["infer", str(tmp_path / "scene"), "-o", str(tmp_path / "out")])
    assert end.value.code in (None, 0)
    printed = " ".join(capsys.readouterr().out.split())
    assert "no tracks: the segmenter detected nothing in 4 frames" in printed
    assert output.read_record(tmp_path / "out")["warnings"][-1].startswith("no tracks: the segmenter detected nothing")


def blank(path: Path) -> None:
    import cv2

    cv2.imwrite(str(path), np.zeros_like(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))
