"""What is timed, and what is not."""

from bench.timing import Timing, measure


def test_the_first_run_of_each_warms_up_and_rounds_take_turns():
    ran = []
    found = measure({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, 3)
    assert "".join(ran) == "ab" * 4
    assert {name: len(each.seconds) for name, each in found.items()} == {"a": 3, "b": 3}
    assert all(each.warm_up_s > 0 for each in found.values())


def test_a_timing_is_the_middle_run():
    timing = Timing(seconds=(3.0, 1.0, 2.0), warm_up_s=9.0)
    assert timing.median == 2
    assert timing.as_json()["spread_s"] == (1, 3)
    assert str(timing).strip() == "2000.00 ms (1000.00 to 3000.00)"
