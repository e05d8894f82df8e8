"""Every link in the pages leads somewhere."""

import re
import tomllib
import unicodedata
from pathlib import Path

import pytest

from doc_pages import FENCE, PAGES, ROOT

ALL = [*PAGES, ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors_of(page: Path) -> set[str]:
    """Return the names of the headings of a page, as links spell them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip().lower()
        kept = "".join(c for c in plain if c in " -_" or unicodedata.category(c)[0] in "LNM")
        found.add(kept.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    """What a link names is in the repository; what stands behind # is a heading there."""
    wrong = []
    for link in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        aim = page.parent / path if path else page
        if not aim.exists() or (anchor and aim.suffix == ".md" and anchor not in anchors_of(aim)):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_navigation_names_every_page_once(language: str) -> None:
    """No page of a language is left out of its navigation, and none of the other language is in it."""
    nav = tomllib.loads((ROOT / "docs" / "site" / f"{language}.toml").read_text("utf-8"))["project"]["nav"]
    named = pages_of(nav)
    folder = ROOT / "docs" / ("ar" if language == "ar" else "")
    there = {page.name for page in folder.glob("*.md")}
    assert len(named) == len(set(named))
    assert there <= set(named)
    assert {name for name in named if not (folder / name).exists()} <= {"ARCHITECTURE.md", "CHANGELOG.md"}


def pages_of(nav: list[dict[str, str | list]]) -> list[str]:
    """Return the files that a navigation names."""
    found = []
    for entry in nav:
        for target in entry.values():
            found += [target] if isinstance(target, str) else pages_of(target)
    return found
