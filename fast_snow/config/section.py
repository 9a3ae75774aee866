"""What a section of the configuration is: numbers with their ranges."""

import math
from dataclasses import field, fields
from typing import Any, ClassVar

from fast_snow.errors import ConfigError


def between(default: Any, low: int | float, high: int | float = math.inf) -> Any:  # noqa: ANN401 (stands for dataclasses.field)
    """Declare a number and the closed range it may take."""
    return field(default=default, metadata={"low": low, "high": high})


class Section:
    """Refuses numbers outside the range their field declares; `section` is its place in the tree, for messages."""

    __slots__ = ()
    section: ClassVar[str]

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if "low" not in each.metadata or value is None or value == each.default:  # that may be `auto`
                continue
            low, high = each.metadata["low"], each.metadata["high"]
            if not low <= value <= high:  # also refuses NaN
                wanted = f"at least {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
                raise ConfigError(f"{self.section}.{each.name}: got {value}, expected {wanted}")
