"""What pages and docstrings point to is in the repository."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PACKAGE, PAGES, ROOT, prose, text

FOLDERS = r"(?:fast_snow|tests|bench|configs|docs|examples|scripts|\.ci|\.github)/"
FETCHED = "fast_snow/models"
"""Weights lie here once they are fetched."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    wrong = []
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(target)
    return wrong


@each_page
def test_links_resolve(page: Path):
    assert broken(page) == []


@each_page
def test_paths_in_code_font_exist(page: Path):
    paths = re.findall(rf"`({FOLDERS}[^`\s:]*)[`:]", prose(page))
    assert [path for path in paths if not path.startswith(FETCHED) and not (ROOT / path).exists()] == []


def test_sources_point_to_pages_that_exist():
    """Addresses of other sites, in which `docs/` follows a slash, do not count."""
    pattern = re.compile(r"(?<![\w./-])(docs/[\w./-]*\w|[\w/-]+\.md)\b")
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in PACKAGE.rglob("*.py")
        for name in pattern.findall(text(path))
        if not (ROOT / name).exists()
    }
    assert missing == set()


def test_a_broken_link_is_found(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](#one-two) [b](#three) [c](page.md) [d](none.md) [e](https://none.example)\n")
    assert broken(page) == ["#three", "none.md"]
