"""Damages documents and files as a stranger might, repeatably."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

BIG = "\N{REPLACEMENT CHARACTER}big\N{REPLACEMENT CHARACTER}"
"""Stands for an integer that JSON of Python would refuse to write."""
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63 - 1, -(2**63) + 1, BIG, 0.5, -0.0, 1e-320, 1e308, -1e308),
    *("", "a", "\0", "a\nb", "../x", "/x", "\ud800", "\u202e", "x" * 2000, "1" * 400, "nan"),
    *([], {}, [[]], [None], {"": {}}, {"a": 1}, [0] * 50, [1, 2, 3], ["a"], [[[[[[]]]]]]),
)


def documents(sound: Any, count: int, seed: int = 0) -> Iterator[str]:
    """Yield JSON texts of a document of which some values are replaced, dropped, doubled or moved."""
    rng = random.Random(seed)
    for _ in range(count):
        changed = copy.deepcopy(sound)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            changed = _changed(changed, rng)
        yield json.dumps(changed).replace(json.dumps(BIG), "1" + "0" * 400)


def _changed(document: Any, rng: random.Random) -> Any:
    places = list(_places(document))
    if not places:
        return rng.choice(VALUES)
    parent, key = rng.choice(places)
    match rng.randrange(6):
        case 0 if isinstance(parent, dict):
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        case 2:
            other, name = rng.choice(places)
            parent[key] = copy.deepcopy(other[name])
        case 3 if isinstance(parent, dict):
            parent[rng.choice(("", "x" * 300, "a\nb", "id"))] = parent.pop(key)
        case _:
            parent[key] = copy.deepcopy(rng.choice(VALUES))
    return document


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    remaining = [document]
    while remaining:
        current = remaining.pop()
        keys = list(current) if isinstance(current, dict) else range(len(current)) if isinstance(current, list) else ()
        for key in keys:
            yield current, key
            remaining.append(current[key])


def damaged(sound: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield files of which some bytes are changed, dropped, doubled, or the rest cut off."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(sound)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(5):
                case 0:
                    del data[at : at + rng.choice((1, 4, 64))]
                case 1:
                    data[at:at] = data[: rng.choice((1, 4, 64))]
                case 2 if rng.random() < 0.3:
                    del data[at:]
                case 3:
                    data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x80", b"9999"))
                case _:
                    data[at : at + 1] = bytes([rng.randrange(256)])
        yield bytes(data)
