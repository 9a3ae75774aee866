"""Superpixels, region trees, and which regions last."""

import numpy as np

from fast_snow.engines.classical.region_tree import region_tree
from fast_snow.engines.classical.segmentation.moving_objects import clearly_moving
from fast_snow.engines.classical.segmentation.region_chains import Regions, best_outlined, choose, lasting_scores
from fast_snow.engines.classical.superpixels import edges_of, superpixels


def painted() -> np.ndarray:
    features = np.zeros((40, 60, 3), np.float32)
    features[10:30, 10:25] = (30, 40, 0)
    features[10:30, 25:40] = (30, 20, 0)
    return features


def test_superpixels_part_an_image_at_its_edges():
    labels = superpixels(edges_of(painted()))
    assert labels.max() == 2
    assert len({int(labels[part].ravel()[0]) for part in ((0, 0), (20, 15), (20, 30))}) == 3


def test_a_tree_merges_the_most_alike_first_and_counts_right():
    features = painted()
    edges = edges_of(features)
    tree = region_tree(superpixels(edges), features, edges)
    pair = int(np.flatnonzero(tree.area == 600)[0])
    np.testing.assert_array_equal(tree.box[pair], [10, 10, 40, 30])
    assert tree.perimeter[pair] == 100
    assert tree.at_border[pair] == 0
    assert tree.area[-1] == 40 * 60
    assert tree.perimeter[-1] == 0
    np.testing.assert_array_equal(tree.members() @ np.bincount(tree.leaf.ravel()), tree.area)
    np.testing.assert_array_equal(np.flatnonzero(tree.parent < 0), [len(tree.parent) - 1])


def one_square(u: int, score: float) -> Regions:
    label = np.zeros((20, 60), np.int32)
    label[5:15, u : u + 10] = 1
    return Regions(label, np.array([[False, True]]), np.array([score], np.float32))


def test_regions_are_linked_along_the_flow_and_share_their_mean_score():
    moves = np.zeros((20, 60, 2), np.float32)
    moves[..., 0] = 9
    regions = [one_square(5 + 9 * k, score) for k, score in enumerate((0.39, 0.4, 0.39, 0.4))]
    np.testing.assert_allclose(lasting_scores(regions, [moves] * 3), [[0.395]] * 4, rtol=1e-6)
    stays = np.zeros_like(moves)
    np.testing.assert_array_equal(lasting_scores(regions, [stays] * 3), [[0.0]] * 4)


def test_a_still_region_is_answered_where_it_is_almost_best_outlined():
    stays = np.zeros((20, 60, 2), np.float32)
    scores = lasting_scores([one_square(5, each) for each in (0.3, 0.8, 0.78, 0.78)], [stays] * 3)
    np.testing.assert_allclose(scores, np.array([[0.0], [0.665], [0.665], [0.665]], np.float32), rtol=1e-6)


def test_what_only_shares_colours_with_what_moves_does_not_move_clearly():
    labels = np.repeat([[0, 1, 2, 3]], 2, axis=0).astype(np.int32)
    evidence = np.array([[0, 2, 0.5, -1], [0, 2, 0.1, 0.5]], np.float32)
    np.testing.assert_allclose(clearly_moving(labels, evidence), [1.0, 0.3, 0.0], rtol=1e-6)


def test_only_the_best_outlined_regions_of_a_chain_keep_their_score():
    stays = np.zeros((20, 60, 2), np.float32)
    scores = best_outlined([one_square(5, each) for each in (0.3, 0.8, 0.78)], [stays] * 2)
    np.testing.assert_array_equal(scores, np.array([[0.0], [0.8], [0.78]], np.float32))
    alone = [
        one_square(5, 0.8),
        Regions(np.zeros((20, 60), np.int32), np.zeros((0, 1), np.bool_), np.zeros(0, np.float32)),
    ]
    np.testing.assert_array_equal(best_outlined(alone, [stays])[0], [0.0])


def test_the_better_of_two_alike_regions_is_picked_and_parts_of_moving_ones_are_not():
    members = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, 1]], np.bool_)
    area = np.array([10, 10, 10, 10, 2], np.float32)
    score = np.array([0.4, 0.9, 0.5, 0.6], np.float32)
    moves = np.array([True, False, False, False])
    np.testing.assert_array_equal(choose(members, area, score, moves, 9), [0, 3])
    np.testing.assert_array_equal(choose(members, area, score, moves, 1), [0])
    np.testing.assert_array_equal(choose(members, area, score, ~moves & moves, 9), [1, 3])
