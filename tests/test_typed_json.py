"""Dataclasses from untrusted JSON: what fits is built, what does not is refused by its place in one line."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal

import pytest

from fast_snow.errors import InputError
from fast_snow.typed_json import at_least, build_dataclass, entries, in_range, matching, more_than


class Colour(StrEnum):
    RED = "red"


class Ending(Enum):
    DONE = "it is done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Scalars, each with its check."""

    size: Annotated[int, in_range(1, 10)]
    ratio: Annotated[float, more_than(0)] = 1.0
    name: Annotated[str, matching("[a-z]+", "small letters")] = "a"
    known: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What is made of others."""

    version: Literal[1]
    parts: Annotated[tuple[Part, ...], entries(1, 2)]
    pair: tuple[int, float] = (0, 0.0)
    by_name: Mapping[Annotated[str, matching("[a-z]", "one letter")], Part] = field(default_factory=dict)
    colour: Colour = Colour.RED
    ending: Ending = Ending.DONE
    axis: int | str = 0
    anything: Any = None
    count: Annotated[int, at_least(0)] = 0


SOUND = {"version": 1, "parts": [{"size": 2}]}


def test_absent_members_have_their_defaults():
    assert build_dataclass(Whole, SOUND, "x.json") == Whole(version=1, parts=(Part(size=2),))


def test_every_kind_of_member_is_built():
    given = {
        "version": 1,
        "parts": [{"size": 2.0, "ratio": 3, "name": "b", "known": True}],
        "pair": [1, 2],
        "by_name": {"c": {"size": 1}},
        "colour": "red",
        "ending": "DONE",
        "axis": "n",
        "anything": {"a": [None]},
        "count": 3,
    }
    built = build_dataclass(Whole, given, "x.json")
    assert built.parts == (Part(size=2, ratio=3.0, name="b", known=True),)
    assert type(built.parts[0].size) is int
    assert type(built.parts[0].ratio) is float
    assert (built.pair, built.by_name) == ((1, 2.0), {"c": Part(size=1)})
    assert (built.colour, built.ending, built.axis) == (Colour.RED, Ending.DONE, "n")
    assert (built.anything, built.count) == ({"a": [None]}, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "x.json: version: got 2, expected one of 1"),
        ({"version": True}, "x.json: version: got true, expected one of 1"),
        ({"parts": []}, "x.json: parts: got an array of 0, expected 1 to 2 entries"),
        ({"parts": {}}, "x.json: parts: got an object of 0, expected array"),
        ({"parts": [3]}, "x.json: parts[0]: got 3, expected object"),
        ({"parts": [{}]}, "x.json: parts[0]: has no 'size', expected one"),
        ({"parts": [{"size": 0}]}, "x.json: parts[0].size: got 0, expected 1 to 10"),
        ({"parts": [{"size": True}]}, "x.json: parts[0].size: got true, expected integer"),
        ({"parts": [{"size": 1.5}]}, "x.json: parts[0].size: got 1.5, expected integer"),
        ({"parts": [{"size": 1, "ratio": 0}]}, "x.json: parts[0].ratio: got 0, expected more than 0"),
        ({"parts": [{"size": 1, "ratio": "1"}]}, 'x.json: parts[0].ratio: got "1", expected number'),
        ({"parts": [{"size": 1, "name": "a\nb"}]}, 'x.json: parts[0].name: got "a\\nb", expected small letters'),
        ({"parts": [{"size": 1, "known": None}]}, "x.json: parts[0].known: got null, expected boolean"),
        ({"pair": [1]}, "x.json: pair: got an array of 1, expected 2 entries"),
        ({"pair": [1, None]}, "x.json: pair[1]: got null, expected number"),
        ({"by_name": {"c": {}}}, "x.json: by_name.c: has no 'size', expected one"),
        ({"by_name": {"a\nb": {}}}, 'x.json: by_name."a\\nb": got "a\\nb", expected one letter'),
        ({"colour": "blue"}, 'x.json: colour: got "blue", expected one of red'),
        ({"ending": "it is done"}, 'x.json: ending: got "it is done", expected one of DONE'),
        ({"axis": None}, "x.json: axis: got null, expected integer or string"),
        ({"coulor": "red"}, 'x.json: has "coulor"; did you mean colour?'),
        ({"zzz": 1}, 'x.json: has "zzz"; expected version, parts'),
    ],
)
def test_what_does_not_fit_is_refused_by_its_place(change, message):
    with pytest.raises(InputError) as caught:
        build_dataclass(Whole, SOUND | change, "x.json")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_members_of_no_interest_may_be_ignored():
    assert build_dataclass(Part, {"size": 1, "zzz": None}, "x.json", extra=True) == Part(size=1)


def test_a_complete_document_has_every_member_and_null_for_none():
    part = Part(size=3)
    assert build_dataclass(Part, asdict(part), "x.json", complete=True) == part
    with pytest.raises(InputError, match="has no 'ratio'"):
        build_dataclass(Part, {"size": 3}, "x.json", complete=True)
