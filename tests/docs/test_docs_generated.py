"""What is written from the code is not older than the code."""

import importlib.util
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from browser import Browser
from doc_pages import ROOT, points
from waiting import wait_until
from watchdog_cli.core import supervisor
from watchdog_cli.core.events import Event
from watchdog_cli.core.phases import Phase
from watchdog_cli.core.policy import Policy


def script(name: str) -> ModuleType:
    """Load one of the scripts."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(120)
@pytest.mark.slow
def test_the_picture_and_the_table_of_states_are_those_of_the_code() -> None:
    """Asking the core again gives the picture and the tables that are in the manual."""
    states = script("states")
    found = states.arrows()
    assert len(found) > 40
    hint = "run: python scripts/states.py"
    assert states.PICTURE.read_text("utf-8") == states.picture(found), hint
    for page in states.PAGES:
        text = page.read_text("utf-8")
        assert text == states.renewed(text, states.table(found)), hint


def test_the_script_knows_every_event_and_every_phase_of_the_core() -> None:
    """Who adds an event or a phase to the core shows the script how it looks, or the picture would leave it out."""
    states = script("states")
    tried = {type(event) for event in states.events_in(supervisor.new(Policy()), 0.0)}
    assert tried == set(get_args(Event)), "give an example of each event in events_in() of scripts/states.py"
    assert set(states.WORDS) == {event.__name__ for event in get_args(Event)}
    placed = {name.partition(":")[0] for name in states.BOXES}
    assert placed == {phase.__name__ for phase in get_args(Phase)}


def test_the_picture_is_drawn_by_what_the_code_does() -> None:
    """The picture follows the core: an arrow that is not there is not drawn, one more is."""
    states = script("states")
    one = {("Spawning", "Starting"): {"ChildSpawned"}}
    more = one | {("Running", "Backoff"): {"ChildExited"}}
    assert ">Backoff<" not in states.picture(one)
    assert ">Backoff<" in states.picture(more)
    assert states.picture(one).count("<path") < states.picture(more).count("<path")
    ET.fromstring(states.picture(more))


def test_the_page_of_commands_is_that_of_the_commands() -> None:
    """docs/commands.md has every command and option with the words of --help."""
    commands = script("commands_page")
    assert commands.PAGE.read_text("utf-8") == commands.page(), "run: python scripts/commands_page.py"


def test_the_recorded_session_shows_a_freeze_found_and_healed() -> None:
    """The picture in the README is whole, and tells the story that the README tells."""
    picture = ET.parse(ROOT / "docs" / "session.svg")
    told = " ".join("".join(picture.getroot().itertext()).replace("\xa0", " ").split())
    for words in ("kill -STOP", "froze (its heartbeat went silent)", "healthy again", "running, healthy"):
        assert words in told


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manual as a site, built strictly."""
    site = tmp_path_factory.mktemp("built") / "site"
    built = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs_site.py", site],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return site


@pytest.mark.timeout(180)
@pytest.mark.slow
def test_the_site_is_built_without_a_warning_in_both_directions(site: Path) -> None:
    """Both are built strictly; the Arabic one runs from right to left, and neither holds the pages of the other."""
    english, arabic = (site / name for name in ("start.html", "ar/start.html"))
    assert '<html lang="ar"' in arabic.read_text("utf-8")
    assert 'dir="rtl"' in arabic.read_text("utf-8")
    assert 'dir="rtl"' not in english.read_text("utf-8")
    assert "ar/start.html" not in english.read_text("utf-8")
    assert (site / "states.svg").exists()
    assert (site / "ar" / "session.svg").exists()
    for page in (ROOT / "docs").rglob("*.md"):
        built = site / page.relative_to(ROOT / "docs").with_suffix(".html")
        if not built.exists():  # an index by another name
            continue
        article = built.read_text("utf-8").partition("<article")[2].partition("</article")[0]
        assert len(re.findall(r"<li[ >]", article)) == points(page), (
            f"a list of {page.name} ends too early: set in what belongs to a point by four blanks, then an empty line"
        )


@pytest.mark.timeout(180)
@pytest.mark.slow
def test_a_reader_copies_commands_and_not_what_they_show(site: Path, tmp_path: Path) -> None:
    """In both languages the button leaves prompt and answer out, and day and night follow the reader's system."""
    copied = "document.execCommand = () => { window.copied = String(getSelection()); return true }"
    browser = Browser(tmp_path)
    try:
        browser.begin()
        for page in (site / "start.html", site / "ar" / "start.html"):
            for dark, scheme in ((True, "slate"), (False, "default")):
                browser.size(1280, dark=dark)
                browser.open(page.as_uri())
                shown = "document.body.getAttribute('data-md-color-scheme')"
                wait_until(lambda shown=shown, scheme=scheme: browser.run(shown) == scheme, scheme)
            browser.run(copied)
            browser.run("document.querySelector('#__code_4 button').click()")
            wait_until(lambda: browser.run("window.copied"), "something that is copied")
            lines = [line for line in browser.run("window.copied").splitlines() if line]
            assert lines == ["kill -9 PID", "watchdog status", "watchdog incidents"]
    finally:
        browser.close()
