"""Every command in the manual does what the page says."""

import re
import shlex
from pathlib import Path

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
# All commands of the manual that nobody plays here, and why; everything else in a block is played.
READ_ONLY = {
    r"python3 -m venv \.venv|\. \.venv/bin/activate": "goes with pip install",
    r"pip install .*": "would change the environment that the tests run in",
    r"watchdog (?:un)?install(?! --dry-run).*": "would change the service manager of the machine",
    r"docker .*": "needs a container engine; tests/container stands for it",
    r"export WATCHDOG_WEB_TOKEN=.*": "goes with docker compose",
    r"kubectl .*": "needs a cluster",
    r"watchdog run --lease .*": "needs etcd on several machines; tests/lease has it on one",
    r"etcdctl .*": "needs an etcd; tests/lease/test_lease_access.py types them into one",
    r"WATCHDOG_WEB_TOKEN=\.\.\. watchdog web --host 0\.0\.0\.0 .*": "would listen to other machines",
    r"watchdog report --since 24h": "needs a past of days",
    r"sh scripts/demo\.sh": "installs; tests/scripts/test_demo.py types it into a fresh checkout",
    r"(?:PATH=\S+ )?sh scripts/(?:check|release)\.sh": "installs, and runs all tests",
    r"\./watchdog\.pyz .*": "is made by a release",
}  # fmt: skip


@pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.stem)
@pytest.mark.timeout(300)
@pytest.mark.slow
def test_each_session_of_a_page_shows_what_it_says(page, rig: Rig) -> None:
    """Who types what stands in the page, in order and in one folder, sees what stands there."""
    played = doc_pages.sessions(page)
    with Reader(rig) as reader:
        for session in played:
            reader.play(session)
    assert sum(len(session) for session in played) > 0


def test_the_manual_is_played_and_not_only_read() -> None:
    """Every page that tells people to type something has sessions that are really played."""
    assert {page.stem for page in ENGLISH} >= {
        "README", "start", "wrapping", "exit-codes", "tracker", "install", "alerts", "incidents", "web", "metrics",
        "settings", "coming-from",
    }  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_block_is_played_or_on_the_list(page) -> None:
    """No command stands in a block that nobody plays, but for those that the list names with a reason."""
    assert doc_pages.loose_lines(page) == [], "put it into a console block"
    listed = [re.compile(one) for one in READ_ONLY]
    read = [command for command, _ in doc_pages.read_only(page)]
    assert [command for command in read if not any(one.fullmatch(command) for one in listed)] == []


def test_the_list_of_what_is_only_read_has_nothing_that_is_not_there() -> None:
    """What is played by now, or has gone from the pages, leaves the list."""
    read = {command for page in PAGES for command, _ in doc_pages.read_only(page)}
    assert [one for one in READ_ONLY if not any(re.fullmatch(one, command) for command in read)] == []


def test_an_arabic_page_types_what_its_english_twin_types() -> None:
    """The sessions of an Arabic page are those of the English one, which are played; so is what is only read."""
    twins = [page for page in PAGES if page.parent.name == "ar" or page.name == "README.ar.md"]
    assert len(twins) > 20
    for page in twins:
        english = ROOT / "README.md" if page.name == "README.ar.md" else page.parent.parent / page.name
        assert typed(page) == typed(english), page
        assert [one for one, _ in doc_pages.read_only(page)] == [
            one for one, _ in doc_pages.read_only(english)
        ]


def typed(page: Path) -> list[list[tuple[str, list[str]]]]:
    """Return the sessions of a page, without remarks."""
    return [[(doc_pages.plain(command), shown) for command, shown in one] for one in doc_pages.sessions(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_in_a_page_exists(page) -> None:
    """No page names a command or an option that the program does not have, neither in a block nor in a sentence."""
    lines = [*doc_pages.spoken(page), *(command for command, _ in doc_pages.read_only(page))]
    assert [fault for line in lines for fault in faults_of(line)] == []


def test_a_wrong_option_in_a_page_would_be_found() -> None:
    """The reading itself can fail: unknown commands and options are found, also behind others."""
    assert faults_of("watchdog run --restart-dely 5s -- true")
    assert faults_of("watchdog stauts")
    assert faults_of("python -m tracker --sorce demo")
    assert faults_of("python -m tracker list --jsn")
    assert faults_of("A=1 watchdog check --nmae x || true")
    assert not faults_of("watchdog run --restart-delay 5s -- true --not-ours")


def test_a_command_in_a_loose_block_would_be_found(tmp_path: Path) -> None:
    """What looks like a command is seen in a fenced block, all in a block set in by blanks, and no prose or output."""
    page = tmp_path / "page.md"
    page.write_text(
        "watchdog in a sentence\n\n    unheard-of --command\n\n```sh\nA=1 docker run x\n```\n\n"
        "```text\ntracker: running\n```\n\n```console\n$ watchdog check\n```\n\n"
        "- a point\n\n    that goes on\n\n        more --of it\n"
    )
    assert doc_pages.loose_lines(page) == ["A=1 docker run x", "unheard-of --command", "more --of it"]


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
