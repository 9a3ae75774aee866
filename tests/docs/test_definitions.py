"""The page of definitions: every name, default and test on it is that of the code."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest

from tests.docs.pages import ARCHITECTURE, DEFINITIONS, defaults, exists, is_test, text

RULELESS = "What has no rule"
RULED = ("sampling", "window", "depth_filter", "fusion", "step")
"""Sections of the configuration that consist of rules: all their settings are on the page."""
VALUE, NAME = r"`[\w.]+` = `[^`]+`", r"`[^`]+`"
CELLS = {
    "settings": rf"none|{VALUE}(, {VALUE})*",
    "constants": rf"{VALUE}(, {VALUE})*",
    "code": rf"{NAME}(, {NAME})*",
    "tests": rf"{NAME}(, {NAME})*",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A section of the page: its text, and the cells of its table by their heading."""

    title: str
    body: str
    cells: Mapping[str, str]

    def values(self, heading: str) -> list[tuple[str, str]]:
        return re.findall(r"`([\w.]+)` = `([^`]+)`", self.cells.get(heading, ""))

    def names(self, heading: str) -> list[str]:
        return re.findall("`([^`]+)`", self.cells[heading])


def rules() -> list[Rule]:
    found = []
    for section in text(DEFINITIONS).split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        rows = re.findall(r"^\| (\w+) \| (.+) \|$", body, re.MULTILINE)
        found.append(Rule(title=title, body=body, cells=dict(rows)))
    return [rule for rule in found if rule.title != RULELESS]


RULES = rules()
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.title)


DEFAULTS = {name: repr(value) for name, value in defaults().items()}


@each_rule
def test_a_rule_has_formula_settings_code_and_tests(rule: Rule):
    assert rule.body.count("```text\n") == 1
    wanted = [heading for heading in CELLS if heading in rule.cells or heading != "constants"]
    assert list(rule.cells) == wanted
    for heading, cell in rule.cells.items():
        assert re.fullmatch(CELLS[heading], cell), f"{heading}: {cell}"


@each_rule
def test_defaults_are_those_of_the_configuration(rule: Rule):
    assert rule.values("settings") == [(name, DEFAULTS.get(name)) for name, _ in rule.values("settings")]


@each_rule
def test_constants_have_the_values_of_the_code(rule: Rule):
    for name, value in rule.values("constants"):
        module, _, constant = name.rpartition(".")
        assert repr(plain(getattr(import_module(module), constant))) == value, name


def plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


@each_rule
def test_functions_exist(rule: Rule):
    assert [name for name in rule.names("code") if not (name.startswith("fast_snow.") and exists(name))] == []


@each_rule
def test_tests_are_tests(rule: Rule):
    assert [name for name in rule.names("tests") if not is_test(name)] == []


@pytest.mark.parametrize("page", [DEFINITIONS, ARCHITECTURE], ids=lambda page: page.stem)
def test_names_in_prose_exist(page):
    words = set(re.findall(r"`([a-z_]\w*(?:\.\w+)+)`", text(page)))
    names = {word for word in words if word.startswith("fast_snow.")}
    settings = {word for word in words if word.partition(".")[0] in {name.partition(".")[0] for name in DEFAULTS}}
    assert {name for name in names if not exists(name)} | (settings - DEFAULTS.keys()) == set()


def test_every_setting_of_a_rule_is_on_the_page():
    stated = {name for rule in RULES for name, _ in rule.values("settings")}
    ruled = {name for name in DEFAULTS if name.startswith(tuple(f"{section}." for section in RULED))}
    assert ruled - stated == set()


def test_every_rule_is_in_the_list_at_the_top():
    head = text(DEFINITIONS).partition("\n## ")[0]
    listed = re.findall(r"\[([^\]]+)\]\(#", head)
    assert listed == [*(rule.title for rule in RULES), RULELESS]
    assert all(one != other for one, other in pairwise(sorted(listed)))
