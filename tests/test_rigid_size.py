"""What moves keeps its size: guessed distances follow how large it looks, and what is measured stays to the bit."""

from dataclasses import replace

import numpy as np
import pytest

from fast_snow.rigid_size import SHAPE, tied
from fast_snow.step import SIGMA_OF_GUESS
from fast_snow.types import DepthOrigin, Ego, Observations

GRID = (240, 320)
N = 30
TRIANGULATED = DepthOrigin.TRIANGULATED
MEASURED = 0.05
FOCAL = 300.0
NONE = Observations.of(())


def ego(n: int = N) -> Ego:
    position = np.outer(np.arange(n), (0.02, 0.0, 0.01)).astype(np.float32)
    return Ego(
        t=np.arange(n, dtype=np.int32),
        time_s=np.arange(n) / 10,
        source_frame=np.arange(n),
        position=position,
        quaternion_xyzw=np.tile(np.array([0, 0, 0, 1], np.float32), (n, 1)),
        intrinsics=np.tile(np.array([FOCAL, FOCAL, 160, 120], np.float32), (n, 1)),
    )


def seen(distance: np.ndarray, told: np.ndarray, share: np.ndarray | float, *, box=(100, 60, 180, 140)) -> Observations:
    """Return a thing 2 units large at true distances, placed at distances as told."""
    n, camera = len(told), ego(len(told)).position
    ray = np.array([0.1, 0.05, 1.0]) / np.linalg.norm([0.1, 0.05, 1.0])
    centroid = (camera + told[:, None] * ray).astype(np.float32)
    length = FOCAL * 2 / distance
    empty = np.zeros((n, 3), np.float32)
    return Observations(
        t=np.arange(n, dtype=np.int32),
        cells=replace(NONE.cells, offset=np.zeros(n + 1, np.int32)),
        centroid=centroid,
        sigma=empty + np.float32(0.5),
        low=centroid - 1,
        high=centroid + 1,
        num_points=np.full(n, 900, np.int32),
        score=np.ones(n),
        area=np.round(length**2).astype(np.int32),
        box=np.tile(np.array(box, np.int32), (n, 1)),
        uv=empty[:, :2] + 120,
        moments=np.stack([length**2 / 12, 0 * length, length**2 / 12], axis=1).astype(np.float32),
        rotation=empty,
        growth=empty[:, :2],
        centroid_sigma=np.stack([0.005 * told, told * share], axis=1).astype(np.float32),
    )


def distances(observations: Observations) -> np.ndarray:
    return np.linalg.norm(observations.centroid - ego(len(observations)).position, axis=1)


WAY = np.linspace(20, 10, N)
JUMPS = WAY * np.exp(0.6 * np.random.default_rng(0).normal(size=N))


def test_guesses_that_jump_follow_the_size_in_the_image():
    guesses = seen(WAY, JUMPS, SIGMA_OF_GUESS)
    placed = tied(NONE, guesses, ego(), GRID, TRIANGULATED)
    off = np.log(distances(placed) / WAY)
    assert np.std(np.log(JUMPS / WAY)) > 0.4
    assert np.std(off) < 0.05
    assert abs(np.median(off)) < 0.2


def test_a_guess_is_moved_along_the_line_of_sight_with_all_its_points_and_is_no_surer():
    guesses = seen(WAY, JUMPS, SIGMA_OF_GUESS)
    placed, camera = tied(NONE, guesses, ego(), GRID, TRIANGULATED), ego().position
    factor = (distances(placed) / JUMPS)[:, None]
    for name in ("centroid", "low", "high"):
        before, after = getattr(guesses, name) - camera, getattr(placed, name) - camera
        assert after == pytest.approx(factor * before, rel=1e-4, abs=1e-4)
    assert placed.sigma == pytest.approx(factor * guesses.sigma, rel=1e-4)
    share = placed.centroid_sigma[:, 1] / distances(placed)
    assert (share >= SIGMA_OF_GUESS).all()
    assert (share >= np.abs(np.log(factor[:, 0])) - 1e-4).all()
    unmoved = ("t", "area", "box", "uv", "moments", "num_points", "score")
    assert all(np.array_equal(getattr(placed, name), getattr(guesses, name)) for name in unmoved)


@pytest.mark.parametrize("origin", [each for each in DepthOrigin if each is not DepthOrigin.GROUND_PLANE_PRIOR])
def test_what_is_measured_stays_to_the_bit(origin):
    measured = seen(WAY, JUMPS, MEASURED)
    assert tied(NONE, measured, ego(), GRID, origin) == measured


def test_before_a_camera_that_only_turns_what_rests_stays_to_the_bit():
    guesses = seen(WAY, WAY, SIGMA_OF_GUESS)
    rests = replace(guesses, centroid=np.tile(guesses.centroid[0], (N, 1)))
    assert tied(NONE, rests, ego(), GRID, DepthOrigin.GROUND_PLANE_PRIOR) == rests


def test_of_a_track_that_is_partly_a_guess_what_is_measured_stays():
    share = np.where(np.arange(N) < 8, SIGMA_OF_GUESS, MEASURED)
    told = np.where(np.arange(N) < 8, 2.0, 1.0) * WAY
    partly = seen(WAY, told, share)
    placed = tied(NONE, partly, ego(), GRID, TRIANGULATED)
    assert placed[8:] == partly[8:]
    assert np.log(distances(placed)[:8] / WAY[:8]) == pytest.approx(np.zeros(8), abs=SHAPE)


def test_triangulated_depth_of_a_mover_that_contradicts_its_size_is_a_guess_too():
    share = np.where(np.arange(N) < 8, SIGMA_OF_GUESS, MEASURED)
    told = np.where(np.arange(N) == 20, 0.2, 1.0) * WAY
    placed = tied(NONE, seen(WAY, told, share), ego(), GRID, TRIANGULATED)
    assert distances(placed)[20] == pytest.approx(WAY[20], rel=0.2)
    assert placed.centroid_sigma[20, 1] > SIGMA_OF_GUESS * distances(placed)[20]


def test_what_the_border_cuts_stays_a_guess_but_does_not_jump():
    told = np.where(np.arange(N) == 15, 0.1, 1.0) * WAY
    guesses = seen(WAY, told, SIGMA_OF_GUESS)
    box, area = guesses.box.copy(), guesses.area.copy()
    box[12:18, 0] = 0
    area[12:18] //= 4
    placed = tied(NONE, replace(guesses, box=box, area=area), ego(), GRID, TRIANGULATED)
    assert distances(placed)[[12, 13, 14, 16, 17]] == pytest.approx(WAY[[12, 13, 14, 16, 17]], rel=1e-5)
    assert distances(placed)[15] == pytest.approx(WAY[15], rel=0.1)


def test_a_part_of_a_thing_does_not_tell_how_far_away_it_is():
    """Half of its width is hidden for some frames."""
    guesses = seen(WAY, WAY, SIGMA_OF_GUESS)
    area, moments = guesses.area.copy(), guesses.moments.copy()
    area[10:16] = area[10:16] * 9 // 20
    moments[10:16, 0] *= 0.2
    placed = tied(NONE, replace(guesses, area=area, moments=moments), ego(), GRID, TRIANGULATED)
    assert distances(placed)[10:16] == pytest.approx(WAY[10:16], rel=1e-5)


def test_later_windows_keep_the_size_that_earlier_ones_found():
    guesses = seen(WAY, JUMPS, SIGMA_OF_GUESS)
    first = tied(NONE, guesses[:20], ego(), GRID, TRIANGULATED)
    second = tied(first, guesses[20:], ego(), GRID, TRIANGULATED)
    off = np.log(
        np.concatenate([distances(first), np.linalg.norm(second.centroid - ego().position[20:], axis=1)]) / WAY
    )
    assert np.std(off) < 0.05


def test_before_a_camera_that_only_turns_what_moves_is_tied():
    aside = seen(WAY, np.full(N, 15.0), SIGMA_OF_GUESS)
    centroid = aside.centroid + np.outer(np.arange(N), (0.3, 0, 0)).astype(np.float32)
    placed = tied(NONE, replace(aside, centroid=centroid), ego(), GRID, DepthOrigin.GROUND_PLANE_PRIOR)
    ratio = distances(placed)[-1] / distances(placed)[0]
    assert ratio == pytest.approx(0.5 * np.linalg.norm(centroid[-1]) / np.linalg.norm(centroid[0]), rel=0.6)
    assert ratio < 0.7
