"""Engines that stay loaded are opened once and closed at the end."""

from contextlib import contextmanager

import pytest

from fast_snow.perception import EngineOpeners
from fast_snow.residency import resident


def logged(log: list[str]) -> EngineOpeners:
    def opener(name: str):
        @contextmanager
        def open_engine():
            log.append(f"open {name}")
            try:
                yield name
            finally:
                log.append(f"close {name}")

        return open_engine

    return EngineOpeners(geometry=opener("geometry"), segmenter=opener("segmenter"), tracker=opener("tracker"))


def test_engines_are_opened_at_first_use_and_closed_at_the_end():
    log: list[str] = []
    with resident(logged(log)) as engines:
        for _ in range(2):
            for opener in (engines.geometry, engines.segmenter):
                with opener() as engine:
                    log.append(f"use {engine}")
    assert log == [
        "open geometry",
        "use geometry",
        "open segmenter",
        "use segmenter",
        "use geometry",
        "use segmenter",
        "close segmenter",
        "close geometry",
    ]


def test_a_failure_closes_what_was_opened():
    log: list[str] = []
    with pytest.raises(KeyError), resident(logged(log)) as engines, engines.tracker():
        raise KeyError
    assert log == ["open tracker", "close tracker"]
