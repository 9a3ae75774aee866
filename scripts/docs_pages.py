"""MkDocs hooks: README and its neighbours become pages of the site, and links between all pages stay right.

Links in the repository are relative to files, so that they work where the sources are read. A link to a file that is no
page of the site (code, results) becomes its text.
"""

import posixpath
import re
import shutil
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "out" / "docs-source" / "fast_snow"
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "RELEASING.md": "releasing.md",
    "SECURITY.md": "security.md",
}
"""Pages outside docs/, by their place in the site."""
SOURCES = {place: name for name, place in PAGES.items()}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s:#]+)(?P<anchor>#[^)\s]*)?\)")


def on_startup(command: str, dirty: bool) -> None:
    """Copy the package for the reference, with the `__init__.py` that some of its folders do without (ADR 1)."""
    del command, dirty
    shutil.rmtree(PACKAGE.parent, ignore_errors=True)
    for module in sorted((ROOT / "fast_snow").rglob("*.py")):
        copy = PACKAGE / module.relative_to(ROOT / "fast_snow")
        copy.parent.mkdir(parents=True, exist_ok=True)
        (copy.parent / "__init__.py").touch()
        shutil.copyfile(module, copy)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside docs/."""
    for name, place in PAGES.items():
        files.append(File.generated(config, place, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at places of the site, and drop those that lead out of it."""
    del config
    place = page.file.src_uri
    source = PurePosixPath(SOURCES.get(place, f"docs/{place}"))

    def moved(link: re.Match[str]) -> str:
        path = posixpath.normpath(str(source.parent / link["target"]))
        target = PAGES.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(target) is None:
            return link["text"]
        relative = posixpath.relpath(target, posixpath.dirname(place) or ".")
        return f"{link['image']}[{link['text']}]({relative}{link['anchor'] or ''})"

    return LINK.sub(moved, markdown)
