"""One model decides how things move: what it weighs, how sure it is, and that no two tools contradict each other."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from bench.motion import contradictions, outcomes
from bench.moving_boxes import ALONG, FRAMES, MovingBoxes, moving_boxes
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.hypothesis_tests import (
    LEVEL,
    Measurements,
    rest_test,
    smallest_noticed,
    total_change,
)
from fast_snow.reasoning.tools.motion_evidence import motion_of
from fast_snow.reasoning.tools.noise import noise_of
from fast_snow.reasoning.tools.size_evidence import UNCONFIRMED_MIDDLE, outline_error, size_evidence
from fast_snow.reasoning.tools.tool_answers import Grade, ToolAnswer
from fast_snow.reasoning.tools.tracks import trajectory_of
from fast_snow.types import DepthOrigin, SceneGraph, Sighting
from tests.reasoning.tools.truth import made, noisy

PLACES = {k: (x, 0.3, z) for k, (x, z) in enumerate([(-1.5, 6), (-0.5, 5), (0.6, 4), (1.4, 7), (0.1, 8)])}


def series(values, *, jitter=0.0, wander=0.0, freedom=10**5):
    n, k = values.shape
    eye = np.tile(np.eye(k), (n, 1, 1))
    return Measurements(
        x=np.arange(n, dtype=np.float64),
        values=values,
        jitter=jitter**2 * eye,
        wander=wander**2 * eye,
        drift=0 * eye,
        freedom=freedom,
    )


def still(origin: DepthOrigin) -> tuple[SceneGraph, int]:
    """A graph all of whose objects rest, and the number of one that is seen in every frame."""
    for scene in map(moving_boxes, range(80)):
        tracks = {k: track for k, track in scene.graph.tracks.items() if not scene.moving[k]}
        whole = [k for k, track in tracks.items() if len(track.observations) == FRAMES]
        if scene.graph.depth_origin == (origin,) and whole:
            return replace(scene.graph, tracks=MappingProxyType(tracks)), whole[0]
    raise AssertionError("no such scene")


def with_tokens(graph: SceneGraph, object_id: int, change) -> SceneGraph:
    track = graph.tracks[object_id]
    changed = replace(track, observations=tuple(change(i, each) for i, each in enumerate(track.observations)))
    return replace(graph, tracks=MappingProxyType({**graph.tracks, object_id: changed}))


def test_an_even_motion_is_found_though_the_path_strays_little_from_it():
    """By five standard deviations of its net change: a test of all blocks together leaves it open."""
    flat = series(np.zeros((40, 3)), wander=1.0)
    net = 5 * total_change(flat).sigma[0]
    rest = rest_test(replace(flat, values=np.outer(np.linspace(0, net, 40), (1, 0, 0))))
    assert rest.p_net < 1e-3
    assert rest.p_path == pytest.approx(1.0)
    assert rest.moves


def test_a_way_there_and_back_is_found_though_the_net_motion_is_nothing():
    flat = series(np.zeros((40, 3)), jitter=0.1, wander=0.1)
    rest = rest_test(replace(flat, values=np.outer(np.sin(np.linspace(0, np.pi, 40)), (2, 0, 0))))
    assert rest.p_net > 0.5
    assert rest.p_path < 1e-6


def test_the_smallest_noticed_motion_is_found_in_95_of_100_cases():
    rng, n, cases = np.random.default_rng(0), 36, 600
    flat = series(np.zeros((n, 3)), jitter=1.0, freedom=24)
    noticed = smallest_noticed(total_change(flat).covariance, 3, 24)
    net = 1 / np.sqrt(noticed[0, 0])
    path = np.outer(np.linspace(0, net, n), (1, 0, 0))
    # The size of the noise is itself estimated from as many residuals as `freedom` says.
    size = np.sqrt(rng.chisquare(24, cases) / 24)
    found = [
        rest_test(series(path + rng.normal(size=(n, 3)), jitter=each, freedom=24)).p_net < LEVEL / 2 for each in size
    ]
    assert 0.92 < np.mean(found) < 0.98


def test_a_graph_says_how_small_a_motion_it_would_have_noticed():
    graph, k = still(DepthOrigin.NETWORK)
    answer = call_tool(graph, "is_moving", {"object_id": k})
    motion = motion_of(graph, trajectory_of(graph, k))
    assert answer.value == "static"
    across = next(each for each in answer.figures if each.name == "smallest_noticed").value
    along = next(each for each in answer.figures if each.name == "smallest_noticed_towards_or_away").value
    assert across == motion.noticed_across
    sigma = motion.distance * motion.shift.sigma[:2].max()
    assert 3 * sigma < across < 8 * sigma
    assert across < along


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(4, 20), marks=pytest.mark.slow)])
def test_no_two_tools_contradict_each_other_and_what_is_stated_is_true(seeds):
    counted = [each for seed in seeds for each in outcomes(moving_boxes(seed))]
    assert [each for each in counted if each.startswith("contradiction")] == []
    assert counted.count("resting, moving stated") <= 0.05 * counted.count("resting")
    assert counted.count("left or right: stated wrong") == 0
    assert counted.count("left or right: clear and stated") >= 0.8 * counted.count("left or right: clear")
    assert counted.count("turning: stated wrong") == counted.count("spinning: stated wrong") == 0
    assert counted.count("spinning: stated") >= 0.7 * counted.count("spinning: clear")
    assert counted.count("not spinning: stated wrong") == 0


def test_what_may_turn_by_45_degrees_is_not_said_to_go_straight():
    """It turns by 58 degrees, and 51 plus or minus 30 are seen."""
    answer = call_tool(moving_boxes(35).graph, "turning", {"object_id": 7})
    assert answer.value is None
    assert "neither a turn nor a straight way" in answer.reason


def test_a_contradiction_would_be_found():
    told = {"is_moving": "static", "heading": "left", "motion_without_camera": "right", "approach": "coming closer"}
    answers = {name: ToolAnswer(value=value) for name, value in told.items()}
    answers |= {"speed": ToolAnswer(value=1.0), "turning": ToolAnswer(value=None)}
    assert len(contradictions(answers, camera_rests=True)) == 5


def test_sides_seen_from_the_camera_do_not_rest_on_depth():
    """Where depth is a guess, half of every offset is unsure, on every axis; the side is not."""
    scene = next(each for each in map(moving_boxes, range(40)) if guessed(each) and len(each.graph.tracks) > 8)
    t = int(np.bincount([each.t for track in scene.graph.tracks.values() for each in track.observations]).argmax())
    angle = {k: scene.angles(k, t)[t] for k in scene.graph.tracks if seen_at(scene, k, t)}
    for k, (right, _, _) in angle.items():
        answer = call_tool(scene.graph, "direction", {"object_id": k, "t": t})
        assert ("right" if right > 0 else "left") in answer.value or abs(right) < 0.03
        assert "ahead" in answer.value
    left = call_tool(scene.graph, "count", {"t": t, "side": "left"})
    assert set(left.figures[1].value) <= {k for k, each in angle.items() if abs(each[0]) < 0.03}
    one, other = min(angle, key=lambda k: angle[k][0]), max(angle, key=lambda k: angle[k][0])
    between = call_tool(scene.graph, "direction", {"object_id": one, "other_id": other, "t": t})
    assert "left" in between.value
    assert "left, right, above and below as seen in the image, since depth is a guess" in between.notes


def guessed(scene: MovingBoxes) -> bool:
    return scene.graph.depth_origin == (DepthOrigin.GROUND_PLANE_PRIOR,)


def seen_at(scene: MovingBoxes, k: int, t: int) -> bool:
    return any(each.t == t for each in scene.graph.tracks[k].observations)


def test_the_size_in_the_image_is_that_of_the_mask_and_not_of_its_pixels_with_depth():
    graph, k = still(DepthOrigin.GROUND_PLANE_PRIOR)
    fewer = with_tokens(graph, k, lambda i, token: replace(token, num_points=max(1, token.num_points // (1 + i))))
    one, other = (call_tool(each, "approach", {"object_id": k}) for each in (graph, fewer))
    assert one.value == other.value == "neither beyond noise"
    figure = next(each for each in other.figures if each.name == "by_size_in_image")
    assert abs(figure.value) < 3 * figure.sigma < 0.5


def test_evidence_that_differs_beyond_its_noise_is_conflicting_with_both():
    """The mask grows threefold, and triangulated depth, which presumes rest, says that nothing changes."""
    graph, k = still(DepthOrigin.TRIANGULATED)

    def grown(i, token):
        factor = np.float32(np.exp(1.1 * i / FRAMES))
        area, covariance = int(token.region.area * factor**2), token.region.covariance * factor**2
        return replace(token, region=replace(token.region, area=area, covariance=covariance))

    answer = call_tool(with_tokens(graph, k, grown), "approach", {"object_id": k})
    assert answer.value == "conflicting"
    assert {each.name for each in answer.figures} >= {"by_distance", "by_size_in_image"}
    assert answer.grade is Grade.UNKNOWN
    assert answer.notes[0].startswith("conflicting evidence of the distance from the camera: by distance")


@pytest.mark.parametrize(
    ("masks", "texture", "value"),
    [
        (1.0, 1.0, "coming closer"),
        (1.0, 0.0, "conflicting"),  # the mask grows onto its object
        (1.0, None, "neither beyond noise"),  # nothing confirms the mask
        (0.0, 1.0, "conflicting"),  # the mask lets go of its object
    ],
)
def test_a_mask_that_grows_comes_closer_only_where_its_texture_grows_too(masks, texture, value):
    """Of another object the texture is followed: that this one's is not tells something."""
    graph, k = still(DepthOrigin.GROUND_PLANE_PRIOR)
    other = next(each for each in graph.tracks if each != k)

    def seen(growth, outline):
        def change(i, token):
            factor = np.float32(np.exp(outline * i / FRAMES))
            region = replace(
                token.region,
                area=int(token.region.area * factor**2),
                covariance=token.region.covariance * factor**2,
                growth=np.full(2, np.nan if growth is None else growth / FRAMES, np.float32),
            )
            return replace(token, region=region)

        return change

    graph = with_tokens(with_tokens(graph, k, seen(texture, masks)), other, seen(0.0, 0.0))
    answer = call_tool(graph, "approach", {"object_id": k})
    assert answer.value == value
    assert ("by_texture" in {each.name for each in answer.figures}) == (texture is not None)


def test_a_recorded_mask_needs_no_texture_to_confirm_it():
    graph, k = still(DepthOrigin.GROUND_PLANE_PRIOR)
    trajectory = trajectory_of(graph, k)
    followed = with_tokens(
        graph,
        next(each for each in graph.tracks if each != k),
        lambda _, token: replace(token, region=replace(token.region, growth=np.zeros(2, np.float32))),
    )
    named = replace(followed.tracks[k], source_id=k)
    recorded = replace(followed, tracks=MappingProxyType({**followed.tracks, k: named}))
    sigma = [size_evidence(each, trajectory).sigma for each in (graph, followed, recorded)]
    assert sigma[2] == sigma[0] < sigma[1]
    assert [outline_error(each, trajectory) for each in (graph, followed, recorded)] == [0.0, UNCONFIRMED_MIDDLE, 0.0]


def test_the_middle_of_an_outline_is_as_unsure_as_its_size_strays_from_its_texture():
    graph, k = still(DepthOrigin.GROUND_PLANE_PRIOR)

    def error(outline):
        def change(i, token):
            factor = np.exp(outline * i / FRAMES)
            region = replace(
                token.region, area=int(token.region.area * factor**2), growth=np.full(2, 0.4 / FRAMES, np.float32)
            )
            return replace(token, region=region)

        changed = with_tokens(graph, k, change)
        return outline_error(changed, trajectory_of(changed, k))

    # What changes evenly from end to end strays by its change over the root of 12.
    assert error(0.4) < 0.1
    assert error(0.0) == pytest.approx(2 * 0.4 / np.sqrt(12), rel=0.25)
    assert error(1.4) == pytest.approx(2 * 1.0 / np.sqrt(12), rel=0.25)


def test_motion_of_a_mask_whose_texture_is_lost_is_likely_at_most():
    """Nothing shows that it stays on one thing. A recorded mask does; older graphs say nothing of texture."""

    def stated(graph, k):
        answer = call_tool(graph, "is_moving", {"object_id": k})
        return answer.value == "moving" and answer.grade is Grade.STATED

    graph, k = next(
        (each.graph, k) for each in map(moving_boxes, range(40)) for k in each.graph.tracks if stated(each.graph, k)
    )
    other = next(each for each in graph.tracks if each != k)
    still_texture = np.zeros(2, np.float32)
    followed = with_tokens(
        graph, other, lambda _, token: replace(token, region=replace(token.region, growth=still_texture))
    )
    named = replace(followed.tracks[k], source_id=k)
    recorded = replace(followed, tracks=MappingProxyType({**followed.tracks, k: named}))
    told = [call_tool(each, "is_moving", {"object_id": k}) for each in (graph, followed, recorded)]
    assert [each.value for each in told] == ["moving"] * 3
    assert [each.grade for each in told] == [Grade.STATED, Grade.LIKELY, Grade.STATED]


def test_sizes_that_may_as_well_differ_are_not_equal():
    graph, other = still(DepthOrigin.SENSOR)
    one = next(k for k in graph.tracks if k != other)
    rng, seen = np.random.default_rng(0), graph.tracks[other].observations[0]
    extent = float((seen.high - seen.low).max())

    def unsteady(_, token):
        half = np.float32(extent / 2 * np.exp(rng.normal() * 2))
        return replace(token, low=token.centroid - half, high=token.centroid + half)

    answer = call_tool(with_tokens(graph, one, unsteady), "compare_sizes", {"object_id": one, "other_id": other})
    assert answer.value is None
    assert "which leaves open which is larger" in answer.reason


def test_what_is_likely_is_told_so():
    answer = ToolAnswer(value="left", grade=Grade.LIKELY, notes=("from its mask",)).as_json()
    assert (answer["grade"], answer["notes"]) == ("likely", ["likely, not certain: say so", "from its mask"])
    assert ToolAnswer(value="left").as_json()["grade"] == "stated"
    unseen = ToolAnswer(value=None, reason="not seen")
    assert unseen.grade is Grade.UNKNOWN
    assert unseen.as_json()["grade"] == "unknown"


def test_frames_without_a_place_are_frames_in_which_it_is_visible():
    graph, k = still(DepthOrigin.SENSOR)
    track = graph.tracks[k]
    hidden = tuple(
        Sighting(t=each.t, row=each.row, col=each.col, coverage=each.coverage, score=1.0, region=each.region)
        for each in track.observations[10:14]
    )
    placed = (*track.observations[:10], *track.observations[14:])
    tracks = {**graph.tracks, k: replace(track, observations=placed, unplaced=hidden)}
    graph = replace(graph, tracks=MappingProxyType(tracks))
    where = call_tool(graph, "position", {"object_id": k, "t": 11})
    assert where.reason.startswith(f"object {k} is seen at t = 11, but too few of its pixels have trusted depth")
    seen = call_tool(graph, "when_visible", {"object_id": k})
    assert len(seen.entries) == 1
    assert seen.evidence == tuple(range(FRAMES))
    assert seen.notes == ("in 4 of them its place is not known",)


def test_wander_is_what_resting_objects_have_and_not_what_the_stillest_show():
    scenes = [moving_boxes(seed).graph for seed in range(1, 41, 4)]
    wander = [noise_of(each).wander.along for each in scenes if noise_of(each).resting]
    assert 0.9 < np.median(wander) / ALONG[DepthOrigin.NETWORK][1] < 1.1


def test_motion_that_only_a_gap_shows_is_likely_at_most():
    graph, k = still(DepthOrigin.SENSOR)

    def elsewhere(i, token):
        right = np.array([30.0 if i >= FRAMES // 2 else 0.0, 0.0], np.float32)
        return replace(token, region=replace(token.region, centroid=token.region.centroid + right))

    moved = with_tokens(graph, k, elsewhere)
    seen = tuple(each for i, each in enumerate(moved.tracks[k].observations) if abs(i - FRAMES // 2) > 2)
    gap = replace(moved, tracks=MappingProxyType({**moved.tracks, k: replace(moved.tracks[k], observations=seen)}))
    answers = [call_tool(each, "is_moving", {"object_id": k}) for each in (moved, gap)]
    assert [(each.value, each.grade) for each in answers] == [("moving", Grade.STATED), ("moving", Grade.LIKELY)]


def driven_past(goes, *, factor: float = 1.0, guesses: int = FRAMES) -> SceneGraph:
    """The camera drives 3 m to the right, object 5 goes by `goes`; its depth is a guess, `factor` times too short.

    It is in the first `guesses` frames, and measured in the others.
    """
    way = np.outer(np.linspace(0, 3, FRAMES), (1, 0, 0))
    T = np.tile(np.eye(4), (FRAMES, 1, 1))
    T[:, :3, 3] = way
    paths = {k: np.tile(place, (FRAMES, 1)) for k, place in PLACES.items()}
    place = np.array([1.5, 0.3, 6.0]) + np.outer(np.linspace(0, 1, FRAMES), goes)
    paths[5] = way + (place - way) / factor
    graph = noisy(made(paths, T_world_camera=T, origin=DepthOrigin.TRIANGULATED), 0, across=0.002, along=0.01)

    def guessed(i, token):
        share = np.array([0.005, 0.5 if i < guesses else 0.05])
        return replace(token, centroid_sigma=(np.linalg.norm(token.centroid - way[i]) * share).astype(np.float32))

    return with_tokens(graph, 5, guessed)


def test_no_wrong_scale_makes_what_rests_go_as_far_as_the_camera():
    graph = driven_past((3.3, 0, 0))
    answers = [call_tool(graph, name, {"object_id": 5}) for name in ("is_moving", "heading", "motion_without_camera")]
    assert [each.value for each in answers] == ["moving", "right", "right"]
    assert {each.grade for each in answers} == {Grade.STATED}


@pytest.mark.parametrize(("factor", "moves"), [(1.5, False), (2.7, False), (8.0, True)])
def test_what_rests_seems_to_move_where_its_distance_is_guessed_wrong(factor, moves):
    """By about one, two and four standard deviations."""
    graph = driven_past((0, 0, 0), factor=factor)
    assert motion_of(graph, trajectory_of(graph, 5)).rest.moves is moves


@pytest.mark.parametrize(("guesses", "moves"), [(FRAMES // 3, True), (FRAMES, False)])
def test_guesses_in_some_frames_do_not_make_all_distances_wrong_together(guesses, moves):
    """Its size ties them to what is measured in the others."""
    graph = driven_past((-1, 0, 0), guesses=guesses)
    assert motion_of(graph, trajectory_of(graph, 5)).rest.moves is moves


def test_triangulated_depth_of_what_likely_moves_is_a_guess_too():
    graphs = (driven_past((-far, 0, 0), guesses=0) for far in np.arange(0.1, 2.0, 0.02))
    motions = (motion_of(each, trajectory_of(each, 5)) for each in graphs)
    motion = next(each for each in motions if each.moving)
    assert not motion.rest.moves
    assert motion.radial.scale >= 0.5


def test_which_way_across_the_image_is_not_told_where_a_wrong_scale_may_turn_it_around():
    graph = driven_past((0.6, 0, -4))
    assert call_tool(graph, "heading", {"object_id": 5}).value == "towards the camera"
    answer = call_tool(graph, "motion_without_camera", {"object_id": 5})
    assert answer.value is None
    assert answer.reason.startswith("object 5 moves, but which way across the image is not seen")


def test_static_is_likely_at_most_where_depth_presumes_it():
    """What moves along with the camera has triangulated depth, too: a wrong one, at which it seems to rest."""
    graph, k = still(DepthOrigin.TRIANGULATED)
    measured = replace(graph, depth_origin=(DepthOrigin.NETWORK,))
    answers = [call_tool(each, "is_moving", {"object_id": k}) for each in (measured, graph)]
    assert [(each.value, each.grade) for each in answers] == [("static", Grade.STATED), ("static", Grade.LIKELY)]


def test_static_is_stated_by_the_length_that_is_seen_and_not_by_what_guessed_depth_makes_of_it():
    graph, k = still(DepthOrigin.GROUND_PLANE_PRIOR)

    def stretched(_, token):
        corner = token.region.box[:2].astype(np.float32)
        small = np.concatenate([corner, corner + 3]).astype(np.int32)
        away = token.centroid / 2
        return replace(token, low=token.low - away, high=token.high + away, region=replace(token.region, box=small))

    answers = [call_tool(each, "is_moving", {"object_id": k}) for each in (graph, with_tokens(graph, k, stretched))]
    assert [(each.value, each.grade) for each in answers] == [("static", Grade.STATED), ("static", Grade.LIKELY)]
