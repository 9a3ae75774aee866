"""What stands beside the code: the reference names what is public, scripts and forms are whole."""

import os
import re
import subprocess
import tomllib
from collections import Counter

import pytest

import fast_snow
from tests.docs.pages import PACKAGE, PAGES, ROOT, text

API = ROOT / "docs" / "reference" / "api"
SCRIPTS = ("bench", "check", "docs", "test", "test-lowest")
ADDED = {"index.md", "contributing.md", "changelog.md", "releasing.md", "security.md"}
"""Made by scripts/docs_pages.py."""
FORMS = ("bug.yml", "result.yml")


def test_the_reference_names_each_public_name_once():
    named = Counter(
        name for page in API.glob("*.md") for name in re.findall(r"^::: fast_snow\.(\w+)$", text(page), re.M)
    )
    assert set(named) == set(fast_snow.__all__) - {"__version__"}
    assert set(named.values()) == {1}


def test_the_page_of_the_interface_groups_them_alike():
    groups = re.findall(r"^\| (.+) \| (`.+`) \|$", text(ROOT / "docs" / "reference" / "python.md"), re.M)
    listed = sorted(sorted(re.findall(r"`(\w+)`", names)) for _, names in groups)
    pages = sorted(sorted(re.findall(r"^::: fast_snow\.(\w+)$", text(page), re.M)) for page in API.glob("*.md"))
    assert pages == listed


def test_every_page_is_in_the_navigation():
    nav = text(ROOT / "mkdocs.yml").partition("\nnav:")[2]
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert set(re.findall(r"[\w./-]+\.md", nav)) == pages | ADDED


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_shell_that_parses(name: str):
    script = ROOT / "scripts" / name
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], capture_output=True).returncode == 0
    assert f"scripts/{name}" in text(ROOT / "CONTRIBUTING.md") + text(ROOT / ".ci" / "run")


def test_the_workflow_calls_what_decides():
    assert "run: .ci/run" in text(ROOT / ".github" / "workflows" / "ci.yml")
    assert "scripts/check" in text(ROOT / ".ci" / "run")
    assert "entry: scripts/check" in text(ROOT / ".pre-commit-config.yaml")


@pytest.mark.parametrize("name", FORMS)
def test_forms_ask_for_the_record_and_the_doctor(name: str):
    form = text(ROOT / ".github" / "ISSUE_TEMPLATE" / name)
    assert "label: run.json" in form
    assert "fast-snow doctor" in form


def test_messages_and_pages_install_extras_in_one_way():
    """The package is on no index: a command must work in a clone."""
    extras = set(tomllib.loads(text(ROOT / "pyproject.toml"))["project"]["optional-dependencies"])
    sources = [text(path) for path in (*PACKAGE.rglob("*.py"), *(ROOT / "bench").rglob("*.py"), *PAGES)]
    named = [names for source in sources for names in re.findall(r"uv pip install -e \"\.\[([a-z,]+)\]", source)]
    assert len(named) > 10
    assert {name for names in named for name in names.split(",")} <= extras
    assert [source[:80] for source in sources if re.search(r"pip install \S*fast[-_]snow\S*\[", source)] == []
