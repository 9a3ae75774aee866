"""The checks of `scripts/test --all` leave alone what they do not check."""

import warnings

import pytest

from tests.run_time_types import checked


def test_what_other_threads_warn_of_is_not_caught_while_a_function_is_decorated(monkeypatch: pytest.MonkeyPatch):
    def caught(_: warnings.catch_warnings) -> None:
        raise AssertionError("all warnings are caught")

    def doubled(value: float) -> float:
        return 2 * value

    with monkeypatch.context() as patch:
        patch.setattr(warnings.catch_warnings, "__enter__", caught)
        refusing = checked(doubled)
    assert refusing(3) == 6
    with pytest.raises(Exception, match="violates type hint"):
        refusing("3")
