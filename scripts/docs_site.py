"""Builds the documentation in English and in Arabic, each a site of its own, below ``site/`` or a named folder.

``scripts/docs.sh`` installs what this needs. The generator takes one folder of pages for one language; here the Arabic
pages lie below the English ones, and both lead to files outside of ``docs/``. So the pages of each language are first
put into a temporary folder of their own, with their links turned accordingly.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# What the pages lead to outside of docs/; becomes part of the English site.
NEIGHBOURS = ("ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "examples", "deploy", "render.yaml")
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]*)")


def pages_of(nav: list[Any]) -> list[str]:
    """Return the files that a navigation names, in its order."""
    found: list[str] = []
    for entry in nav:
        (target,) = entry.values()
        found += [target] if isinstance(target, str) else pages_of(target)
    return found


def stage_english(target: Path) -> None:
    """Copy the English pages, and beside them the neighbours that they lead to."""
    shutil.copytree(DOCS, target, ignore=shutil.ignore_patterns("ar", "site"))
    for name in NEIGHBOURS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, target / name)
    for page in target.rglob("*.md"):
        depth = len(page.relative_to(target).parts) - 1
        original = DOCS / page.relative_to(target)

        def turned(match: re.Match[str], original: Path = original, depth: int = depth) -> str:
            link = match[1]
            if not original.exists():  # it stood beside docs/, and stands among the pages now
                return link.removeprefix("docs/")
            aim = os.path.relpath(os.path.normpath(original.parent / link), ROOT)
            if aim.startswith("docs"):
                return link
            if aim == "README.md":
                aim = "index.md"
            return "../" * depth + aim

        text = LINK.sub(turned, page.read_text("utf-8"))
        page.write_text(text, "utf-8")


def stage_arabic(target: Path) -> None:
    """Copy the Arabic pages; what leads to an English page leads into the other site, which lies above."""
    shutil.copytree(DOCS / "ar", target)
    for shared in (*DOCS.glob("*.svg"), *DOCS.glob("*.css")):
        shutil.copy(shared, target / shared.name)
    for page in target.rglob("*.md"):

        def turned(match: re.Match[str]) -> str:
            link = match[1]
            if link.endswith(".svg"):
                return link.removeprefix("../")
            if not link.startswith("../"):
                return link
            outside = link.startswith("../../")
            return "../" + re.sub(r"\.md$", ".html", link.removeprefix("../../" if outside else "../"))

        page.write_text(LINK.sub(turned, page.read_text("utf-8")), "utf-8")


def build(language: str, stage: Path) -> Path:
    """Build one language and return the folder of its site; a warning of the generator is an error."""
    place = stage / language
    place.mkdir()
    (stage_arabic if language == "ar" else stage_english)(place / "pages")
    config = (DOCS / "site" / f"{language}.toml").read_text("utf-8")
    missing = [
        name
        for name in pages_of(tomllib.loads(config)["project"]["nav"])
        if not (place / "pages" / name).exists()
    ]
    if missing:
        raise SystemExit(f"docs/site/{language}.toml names pages that are not there: {', '.join(missing)}")
    (place / "zensical.toml").write_text(config, "utf-8")
    program = Path(sys.executable).with_name("zensical")
    if subprocess.run([program, "build", "--strict", "--clean"], cwd=place, check=False).returncode:
        raise SystemExit(f"the {language} site has faults; see above")
    return place / "site"


def main() -> None:
    """Build both languages into one tree."""
    site = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site"
    with tempfile.TemporaryDirectory() as made:
        english, arabic = build("en", Path(made)), build("ar", Path(made))
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(english, site)
        shutil.copytree(arabic, site / "ar")
    print(f"built {site}/index.html and {site}/ar/index.html")


if __name__ == "__main__":
    main()
