"""The table of limits."""

import re
from pathlib import Path

from fast_snow import limits
from fast_snow.output import graph_json

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "limits.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == limits.table(), "write it again: python -m fast_snow.limits"


def test_every_limit_is_used():
    package = Path(limits.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.name != "limits.py")
    names = [name for name, value in vars(limits).items() if isinstance(value, limits.Limit)]
    assert [name for name in names if not re.search(rf"\b{name}\b", source)] == []


def test_the_schema_has_the_same_limit_of_paths():
    anchor = graph_json.schema()["properties"]["metadata"]["properties"]["visual_anchor"]["items"]
    assert anchor["properties"]["path"]["maxLength"] == limits.PATH_LENGTH.largest
