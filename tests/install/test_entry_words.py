"""From what a person types to what a service manager can start, and whether its user can get there."""

import os
from pathlib import Path

import pytest

from watchdog_cli.install.account import Account, NoAccountError, find_account, owner_of
from watchdog_cli.install.program import NoProgramError, absolute_command, service_path


def program(folder: Path, name: str, mode: int = 0o755) -> Path:
    """A program."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_the_program_becomes_absolute(tmp_path: Path) -> None:
    """By PATH, from the folder, or as it is; arguments are not touched."""
    found = program(tmp_path / "bin", "bot")
    beside = program(tmp_path / "my folder", "run me.sh")

    def absolute(*words: str) -> list[str]:
        return absolute_command(list(words), folder=str(beside.parent), path=str(found.parent))

    assert absolute("bot", "./x", ";", "$HOME") == [str(found), "./x", ";", "$HOME"]
    assert absolute("./run me.sh") == [str(beside)]
    assert absolute("../bin/bot") == [str(found)]
    assert absolute(str(found)) == [str(found)]


def test_a_link_into_an_environment_stays_one(tmp_path: Path) -> None:
    """Following the link of a virtual environment's python would lead out of it."""
    (tmp_path / "venv").mkdir()
    link = tmp_path / "venv" / "python"
    link.symlink_to("/bin/sh")
    assert absolute_command(["python"], folder="/", path=str(link.parent)) == [str(link)]


def test_what_only_a_shell_knows_is_refused(tmp_path: Path) -> None:
    """One clear sentence each: shell words, a whole line in quotes, what is not there, what may not be executed."""
    program(tmp_path, "bot")
    program(tmp_path, "plain.py", 0o644)
    for command, says in {
        "cd": "word of the shell",
        "A=1": "word of the shell",
        "bot --fast > log": "whole command line in one word",
        "nothing-like-it": "on PATH",
        "./nothing": f"in {tmp_path}",
        "./plain.py": "cannot be executed",
        "": "empty",
    }.items():
        with pytest.raises(NoProgramError, match=says):
            absolute_command([command], folder=str(tmp_path), path=str(tmp_path))


def test_the_path_of_the_entry_is_absolute_and_has_no_doubles() -> None:
    """What the person has, in that order; our own folder comes last; relative parts mean something else at boot."""
    path = os.pathsep.join(["/usr/bin", ".", "", "/opt/a/bin", "/usr/bin", "/bad\nline"])
    assert service_path("/opt/v/bin/python", path) == os.pathsep.join(
        ["/usr/bin", "/opt/a/bin", "/opt/v/bin"]
    )
    assert service_path("/usr/bin/python", path) == os.pathsep.join(["/usr/bin", "/opt/a/bin"])


def test_a_user_who_cannot_get_there_is_told_of(tmp_path: Path) -> None:
    """The first closed folder on the way is named, also behind a link; root gets everywhere."""
    closed = tmp_path / "home"
    inner = closed / "venv"
    inner.mkdir(parents=True)
    python = program(inner, "python")
    link = tmp_path / "python"
    link.symlink_to(python)
    for folder in (closed, inner, *tmp_path.parents[:-1], tmp_path):
        if folder.is_relative_to(tmp_path):
            folder.chmod(0o755)
    stranger = Account("stranger", 64_000, frozenset({64_000}))
    barrier = stranger.blocked_at(str(python))
    assert barrier is None or not Path(barrier).is_relative_to(tmp_path), (
        "the folders of the tests may be closed"
    )
    closed.chmod(0o700)
    assert stranger.blocked_at(str(python)) in (str(closed), barrier)
    assert stranger.blocked_at(str(link)) in (str(closed), barrier)
    assert Account("root", 0, frozenset()).blocked_at(str(python)) is None
    assert Account("me", os.stat(closed).st_uid, frozenset()).blocked_at(str(python)) in (None, barrier)


def test_accounts_are_those_of_the_machine(tmp_path: Path) -> None:
    """The owner of a folder by name; a name that nobody has is an error."""
    assert owner_of("/").name == find_account("root").name == "root"
    assert owner_of(str(tmp_path)).uid == os.getuid()
    for name in ("no-such-user-here", "a\0b"):
        with pytest.raises(NoAccountError, match="no user"):
            find_account(name)
