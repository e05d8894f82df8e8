"""What stands in a unit: whatever the words, systemd reads back the same; and systemd itself finds nothing wrong."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boot_entries import entry
from watchdog_cli.install.entry import CannotSayError, read_mark
from watchdog_cli.install.systemd import Systemd, quote, unit_text

BLANKS = ["a b", "line\nend\ttab", "; | &", ""]
ODD = [*BLANKS, '"q"', "o'b", "50% %h %n", "$HOME ${HOME} $$", "\\ \\n", "متتبع", "été", "-x"]


def unquoted(line: str) -> list[str]:
    """The words of a command line as systemd.syntax(7), systemd.unit(5) and systemd.service(5) say."""
    words: list[str] = []
    word, quoted, begun, rest = "", False, False, iter(line)
    for character in rest:
        if character == '"':
            quoted, begun = not quoted, True
        elif character == " " and not quoted:
            if begun:
                words.append(word)
            word, begun = "", False
        elif character == "\\":
            word, begun = word + _escaped(rest), True
        else:
            if character in "%$":
                assert next(rest) == character, f"a lone {character} in {line}"
            word, begun = word + character, True
    assert not quoted
    return [*words, word] if begun else words


def _escaped(rest: Iterator[str]) -> str:
    kind = next(rest)
    if kind == "x":
        return chr(int(next(rest) + next(rest), 16))
    return {"n": "\n", '"': '"', "\\": "\\"}[kind]


def values(text: str, key: str) -> list[str]:
    """All values of a key."""
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


@settings(deadline=None)  # a busy machine is no fault
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
def test_every_word_is_read_back(word: str) -> None:
    """Quotes, dollars, percents, blanks, line ends, control and foreign characters arrive as they are."""
    shown = quote(word, dollar=True)
    assert "\n" not in shown
    assert unquoted(shown) == [word]


def test_the_command_line_is_the_one_of_run() -> None:
    """The same interpreter, our module, the options, and the command behind two dashes; every word in its place."""
    made = entry(command=["/usr/bin/node", *ODD], options=["--log-dir=my logs", "--name=tracker"])
    words = unquoted(values(unit_text(made), "ExecStart")[0])
    assert words == [
        "/opt/venv/bin/python",
        "-P",
        "-m",
        "watchdog_cli",
        "run",
        *made.options,
        "--",
        *made.command,
    ]


def test_an_interpreter_with_quotes_or_dollars_is_called_by_a_shell() -> None:
    """Such names systemd refuses or changes where the program stands; as arguments they are safe."""
    for path in ("/home/o'brien/bin/python", "/srv/$x/python", '/srv/"q"/python', "/srv/a\\b/python"):
        words = unquoted(values(unit_text(entry(interpreter=path)), "ExecStart")[0])
        assert words[:4] == ["/bin/sh", "-c", 'exec "$0" "$@"', path]


def test_what_a_unit_cannot_say_is_refused() -> None:
    """Folders for which systemd has no quotes, and bytes that are no characters."""
    for folder in ("/srv/a\nb", "/srv/a ", "/srv/a\\", "/srv/\udcff"):
        with pytest.raises(CannotSayError):
            unit_text(entry(folder=folder))
    with pytest.raises(CannotSayError, match="not UTF-8"):
        unit_text(entry(command=["/bin/x", "\udcff"]))


def test_the_promises_stand_in_the_unit() -> None:
    """Pings, no limit of starts, no start after a stop or giving up, time to end, and a program that outlives us."""
    text = unit_text(entry(stop_s=30))
    for line in (
        "Type=notify",
        "NotifyAccess=main",
        "WatchdogSec=60",
        "StartLimitIntervalSec=0",
        "Restart=always",
        "RestartPreventExitStatus=0 2 10 12 78 SIGTERM",
        "TimeoutStopSec=45",
        "KillMode=process",
        "OOMPolicy=continue",
        "User=bot",
        "WorkingDirectory=/srv/bot",
        "WantedBy=multi-user.target",
    ):
        assert line in text.splitlines(), line
    assert "Restart=on-abnormal" in unit_text(entry(restart_any_end=False))
    assert "WantedBy=default.target" in unit_text(entry(system=False, user=None))


@pytest.mark.parametrize(
    ("end", "does"),
    [
        ("timeout killed KILL", ["stop --now"]),
        ("success killed TERM", ["check --watchdog", "stop"]),
        ("signal killed KILL", []),
        ("watchdog killed KILL", []),
        ("oom-kill killed KILL", []),
        ("core-dump dumped SEGV", []),
        ("success exited 0", []),
        ("exit-code exited 12", []),
        ("exit-code exited 1", ["sleep 4"]),
        ("exit-code exited 14", ["sleep 4"]),
        ("exit-code exited 203", ["sleep 4"]),
        ("resources  ", ["sleep 4"]),
    ],
)
def test_what_follows_an_end(tmp_path: Path, end: str, does: list[str]) -> None:
    """A stop that was not heard is made good; a signal is followed by the next watchdog soon, a failure later."""
    assert after_end(tmp_path, end, watchdogs=3) == does


def test_the_program_of_another_watchdog_is_not_stopped(tmp_path: Path) -> None:
    """One that a person started holds the lock: a stop of the unit that tries again and again is not meant for it."""
    assert after_end(tmp_path, "success killed TERM", watchdogs=0) == ["check --watchdog"]
    assert after_end(tmp_path, "success killed TERM", watchdogs=5) == ["check --watchdog"]


def after_end(folder: Path, end: str, *, watchdogs: int) -> list[str]:
    """What ExecStopPost does when the watchdog has ended so, and ``check --watchdog`` ends with that code."""
    said = f'[ "$1" = -P ] && shift 3; echo "$*"; [ "$1" != check ] || exit {watchdogs}'
    for name, line in (("sleep", 'echo "sleep $*"'), ("python", said)):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    words = unquoted(
        values(unit_text(entry(interpreter=str(folder / "python"))), "ExecStopPost")[0].removeprefix("-")
    )
    names = ("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS")
    environ = dict(zip(names, end.split(" "), strict=True)) | {"PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False).stdout.splitlines()
    place = " -C /srv/bot --name tracker"
    assert all(line.endswith(place) or line.startswith("sleep") for line in done)
    return [line.removesuffix(place) for line in done]


def test_a_watchdog_that_ends_with_its_program_is_not_waited_for() -> None:
    """With --restart never every end is final, so nothing is slowed down."""
    assert "sleep" not in unit_text(entry(restart_any_end=False))


def test_the_manual_names_the_lines_that_are_there() -> None:
    """The table of docs/install.md is about this very unit."""
    lines = unit_text(entry()).splitlines()
    page = (Path(__file__).parents[2] / "docs" / "install.md").read_text()
    named = [
        cell for row in page.splitlines() if row.startswith("| `") for cell in row.split("|")[1].split(", ")
    ]
    named = [cell.strip(" `") for cell in named if "=" in cell]
    assert len(named) >= 9
    for word in named:
        assert any(line == word or (word.endswith("=") and line.startswith(word)) for line in lines), word


def test_our_mark_is_found_again() -> None:
    """Whatever the folder is called; a file without it, or with a broken one, is not ours."""
    for folder in ("/srv/bot", '/srv/a -- "b" <&> \\n', "/srv/متتبع", "/srv/---&amp;\\u003c"):
        made = entry(folder=folder)
        owned = read_mark(unit_text(made))
        assert owned is not None
        assert (owned.name, owned.folder, owned.interpreter) == ("tracker", folder, made.interpreter)
    assert read_mark("[Service]\nExecStart=/bin/true\n") is None
    assert read_mark("# tracker-watchdog entry: {broken") is None
    assert read_mark('# tracker-watchdog entry: {"name": 1}') is None


def test_it_says_why_it_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No systemd, no rights for the machine's units, none for this user: one sentence each; else no objection."""
    systemd, environ = Systemd(), {"XDG_RUNTIME_DIR": str(tmp_path)}
    monkeypatch.setattr("watchdog_cli.install.systemd.BOOTED", str(tmp_path / "nothing"))
    assert "does not run here" in (systemd.objection(system=False, environ=environ) or "")
    monkeypatch.setattr("watchdog_cli.install.systemd.BOOTED", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs root" in (systemd.objection(system=True, environ=environ) or "")
    assert "does not run for this user" in (systemd.objection(system=False, environ=environ) or "")
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemd" / "private").touch()
    assert systemd.objection(system=False, environ=environ) is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert systemd.objection(system=True, environ={}) is None


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """``systemd-analyze verify`` accepts system and user units, also with odd words and a folder with blanks."""
    assert shutil.which("systemd-analyze"), "install it with: apt-get install systemd"
    folder = tmp_path / "été 50% متتبع $x"
    folder.mkdir()
    for number, (system, user) in enumerate(((True, "root"), (True, None), (False, None))):
        made = entry(
            interpreter=sys.executable,
            folder=str(folder) if number else str(tmp_path),
            command=["/bin/echo", *ODD],
            system=system,
            user=user,
        )
        units = tmp_path / f"units-{number}"
        units.mkdir()
        unit = units / Systemd().unit("tracker")
        unit.write_text(unit_text(made))
        found = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *(() if system else ("--user",)), str(unit)],
            env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (found.returncode, found.stderr) == (0, ""), found.stderr
