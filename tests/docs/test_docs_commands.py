"""Every command in the manual does what the page says."""

import re
import shlex

import click
import pytest

import doc_pages
from doc_pages import PAGES, ROOT, Reader
from rig import Rig
from tracker.cli import commands as tracker_group
from watchdog_cli.cli.main import COMMANDS, group

PLAYED = [page for page in PAGES if doc_pages.sessions(page)]
ENGLISH = [page for page in PLAYED if page.parent.name != "ar" and not page.name.endswith(".ar.md")]
BARE = click.Context(tracker_group)
SEPARATOR = re.compile(r"\s*(?:\|\||&&|[|;&]|>)")


@pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.stem)
@pytest.mark.timeout(300)
@pytest.mark.slow
def test_each_session_of_a_page_shows_what_it_says(page, rig: Rig) -> None:
    """Who types what stands in the page, in order and in one folder, sees what stands there."""
    reader = Reader(rig)
    played = doc_pages.sessions(page)
    for session in played:
        reader.play(session)
    assert sum(len(session) for session in played) > 0


def test_the_manual_is_played_and_not_only_read() -> None:
    """The pages for beginners have sessions that are really played."""
    assert {"start", "wrapping", "exit-codes", "tracker"} <= {page.stem for page in ENGLISH}


def test_an_arabic_page_types_what_its_english_twin_types() -> None:
    """The sessions of an Arabic page are those of the English one, which are played."""
    twins = [page for page in PLAYED if page not in ENGLISH]
    assert twins
    for page in twins:
        english = ROOT / "README.md" if page.name == "README.ar.md" else page.parent.parent / page.name
        known = [command for session in doc_pages.sessions(english) for command, _ in session]
        typed = [command for session in doc_pages.sessions(page) for command, _ in session]
        assert set(typed) <= set(known), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_in_a_page_exists(page) -> None:
    """No page names a command or an option that the program does not have."""
    wrong = [fault for line in doc_pages.command_lines(page) for fault in faults_of(line)]
    assert wrong == []


def test_a_wrong_option_in_a_page_would_be_found() -> None:
    """The reading itself can fail: unknown commands and options are found, also behind others."""
    assert faults_of("watchdog run --restart-dely 5s -- true")
    assert faults_of("watchdog stauts")
    assert faults_of("python -m tracker --sorce demo")
    assert faults_of("python -m tracker list --jsn")
    assert faults_of("A=1 watchdog check --nmae x || true")
    assert not faults_of("watchdog run --restart-delay 5s -- true --not-ours")


def faults_of(line: str) -> list[str]:
    """Return what is wrong with a command line of a page: unknown commands and options."""
    line = re.sub(r"\[[^\]]*\]", "", line)  # what may be left out, as in a synopsis
    words = line.split()
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    if words[:3] == ["python", "-m", "tracker"]:
        named = words[3] if len(words) > 3 and words[3] in tracker_group.list_commands(BARE) else "run"
        return unknown_options(tracker_group, named, line.split("tracker", 1)[1], line)
    if words[:1] != ["watchdog"]:
        return []
    if words[1].startswith("-"):
        return [] if words[1] in ("--version", "--help", "-h") else [line]
    if not re.fullmatch(r"[a-z-]+[,;]?", words[1]):
        return []
    name = words[1].rstrip(",;")
    if name not in COMMANDS:
        return [f"{line}: no command {name}"]
    return unknown_options(group, name, line.split(name, 1)[1], line)


def unknown_options(commands: click.Group, name: str, rest: str, line: str) -> list[str]:
    """Return the options in the rest of a line that the command does not have."""
    with click.Context(commands) as above:
        command = commands.get_command(above, name)
        assert command is not None
        with click.Context(command, info_name=name, parent=above) as context:
            known = {word for one in command.get_params(context) for word in (*one.opts, *one.secondary_opts)}
    head = re.split(r"\s--\s", rest)[0]
    head = SEPARATOR.split(head)[0]
    try:
        options = [
            word.split("=")[0]
            for word in shlex.split(head, comments=True)
            if re.match(r"-{1,2}[a-zA-Z]", word)
        ]
    except ValueError as error:
        return [f"{line}: {error}"]
    return [f"{line}: no option {word}" for word in options if word not in known]
