"""The choice of the rule that leaves out outliers in depth."""

from bench.damaged_masks import boxes, planks
from bench.depth_outliers import errors_of, remaining, summarised
from fast_snow.kernels.depth_range import RULE, GapRule

GREEDY = GapRule(least_gap=0.02, most_within=0.05)


def test_a_rule_that_takes_a_part_of_exact_objects_is_not_chosen():
    by_set = {"boxes": errors_of(boxes(4, 1), (None, RULE, GREEDY), 0)}
    plain, found = (summarised(by_set["boxes"], rule) for rule in (None, RULE))
    assert found["extent_cm"] < 0.5 * plain["extent_cm"]
    assert found["most_left_out_exact"] == 0
    assert remaining(by_set, RULE) < 0.8
    assert remaining(by_set, GREEDY) == float("inf")


def test_planks_are_rectangles_that_recede():
    for view in planks(3, 0):
        depth = view.depth[view.masks[0]]
        assert 1.1 < depth.max() / depth.min() < 6.5
        assert view.depth.max() > depth.max()
