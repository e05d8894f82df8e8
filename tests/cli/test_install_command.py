"""``watchdog install`` and ``uninstall`` from outside, where nothing may be changed on this machine."""

import os
import plistlib
import subprocess
import sys
from pathlib import Path

import pytest

from rig import BIN, Rig

WORDS = ("--", sys.executable, "-c", "pass")
NO_SYSTEMD = 'mount -t tmpfs tmpfs /run; exec "$@"'


def without_systemd(rig: Rig, *words: str) -> subprocess.CompletedProcess[str]:
    """The command where no systemd runs, whatever this machine has."""
    users = () if os.getuid() == 0 else ("--user", "--map-root-user")
    return subprocess.run(
        ["unshare", *users, "--mount", "sh", "-c", NO_SYSTEMD, "sh", str(BIN / "watchdog"), *words],
        cwd=rig.folder,
        env=rig.environment(HOME=str(rig.folder / "home")),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def start_line(text: str) -> str:
    """The ExecStart of a unit."""
    return next(line for line in text.splitlines() if line.startswith("ExecStart="))


def test_dry_run_shows_the_file_and_the_commands_and_changes_nothing(rig: Rig) -> None:
    """The options of run are kept as they were typed, with our interpreter and the folder; nothing is written."""
    options = ("--restart-delay", "1m30s", "--name", "bot", "--backoff")
    found = rig.cli("install", "--dry-run", "--user", "--for", "systemd", *options, *WORDS)
    assert found.returncode == 0, found.stderr
    assert "tracker-watchdog@bot.service" in found.stdout
    assert f"WorkingDirectory={rig.folder}" in found.stdout.splitlines()
    words = start_line(found.stdout)
    assert (
        f" -P -m watchdog_cli run --restart-delay=1m30s --backoff --quiet --name=bot -- {sys.executable}"
        in words
    )
    assert "systemctl --user enable tracker-watchdog@bot.service" in found.stdout
    assert "systemctl --user start tracker-watchdog@bot.service" in found.stdout
    assert list(rig.folder.iterdir()) == []


def test_it_can_be_looked_at_for_every_system(rig: Rig) -> None:
    """--for makes the file of another system, but only to look at."""
    odd = "<a & b>"
    found = rig.cli("install", "--dry-run", "--for", "launchd", "--system", "--run-as", "root", *WORDS, odd)
    assert found.returncode == 0, found.stderr
    text = found.stdout.partition("\n")[2].partition("# then:")[0]
    shown = plistlib.loads(text.encode())
    assert (shown["Label"], shown["ProgramArguments"][-1]) == ("tracker-watchdog.tracker", odd)
    assert "# then:\n#   launchctl enable system/" in found.stdout
    found = rig.cli("install", "--dry-run", "--for", "task-scheduler", "--no-start", *WORDS)
    assert "<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>" in found.stdout
    assert "schtasks /create /tn tracker-watchdog-tracker" in found.stdout
    assert "/run" not in found.stdout
    found = rig.cli("install", "--for", "launchd", *WORDS)
    assert (found.returncode, found.stdout) == (2, "")
    assert "--dry-run" in found.stderr


def test_settings_count_and_those_of_the_shell_are_told_of(rig: Rig) -> None:
    """The file is read as at boot; a variable of this shell will not be there, and must not be believed."""
    rig.write("watchdog.toml", 'name = "bot"\nstop-timeout = "1m"\nquiet = false\n')
    found = rig.cli("install", "--dry-run", "--for", "systemd", *WORDS, WATCHDOG_RESTART_DELAY="nonsense")
    assert found.returncode == 0, found.stderr
    assert "WATCHDOG_RESTART_DELAY is set in this shell only" in found.stderr
    assert "TimeoutStopSec=77" in found.stdout.splitlines(), "the program's minute, the dump, and a margin"
    assert "--quiet" not in start_line(found.stdout), "the file says otherwise"
    assert "--name=bot" in start_line(found.stdout)
    rig.write("watchdog.toml", "restart-delay = -1\n")
    found = rig.cli("install", "--dry-run", *WORDS)
    assert (found.returncode, found.stdout) == (10, "")


@pytest.mark.parametrize(
    "name", ["a;b", "a\nb", "../x", 'a"b', "a b", "", "-x", "%h", "$x", "a@b", "متتبع", "x" * 65, "con"]
)
def test_X04_only_plain_names_are_taken(rig: Rig, name: str) -> None:
    """A name becomes a file and a word in commands: everything else is refused, and nothing is written."""
    for words in (("install", f"--name={name}", *WORDS), ("uninstall", f"--name={name}")):
        found = without_systemd(rig, *words)
        assert found.returncode == 2, found.stderr
        assert found.stdout == ""
        assert found.stderr.count("\n") == 1
    assert [path for path in rig.folder.rglob("*") if path.is_file()] == []


def test_what_cannot_be_started_is_one_clear_line(rig: Rig) -> None:
    """Nothing to run, a shell's word, a whole line in quotes, a missing program, an unknown user, a missing folder."""
    for words, code, says in (
        ((), 2, "say which program"),
        (("--", "cd"), 2, "word of the shell"),
        (("--", f"{sys.executable} bot.py > log"), 2, "leave the quotes out"),
        (("--", "./bot.sh"), 2, "there is no program"),
        (("--system", "--run-as", "no-such-user", *WORDS), 2, "no user 'no-such-user'"),
        (("--user", "--run-as", "root", *WORDS), 2, "--run-as is for system entries"),
        (("-C", "nowhere", *WORDS), 2, "does not exist"),
        (("--restart-delay", "soon", *WORDS), 2, "restart-delay"),
    ):
        found = rig.cli("install", "--dry-run", "--for", "systemd", *words)
        assert (found.returncode, found.stdout) == (code, ""), words
        assert says in found.stderr, found.stderr
        assert found.stderr.count("\n") == 1


def test_without_a_service_manager_it_says_so(rig: Rig) -> None:
    """In a container: one line, a code of its own, nothing written; there is nothing to uninstall either."""
    for scope in ("--user", "--system"):
        found = without_systemd(rig, "install", scope, "--name", "no-such-entry-here", *WORDS)
        assert (found.returncode, found.stdout) == (17, ""), found.stderr
        assert "systemd does not run here" in found.stderr
    found = without_systemd(rig, "uninstall", "--user")
    assert found.returncode == 3
    assert "there is no entry 'tracker'" in found.stderr
    assert [path for path in rig.folder.rglob("*") if path.is_file()] == []


def test_uninstall_can_be_looked_at(rig: Rig) -> None:
    """--dry-run names the commands and the file."""
    found = rig.cli("uninstall", "--dry-run", "--for", "systemd", "--user", HOME=str(rig.folder / "home"))
    assert found.returncode == 0, found.stderr
    unit = "tracker-watchdog@tracker.service"
    assert found.stdout.splitlines()[:2] == [
        f"systemctl --user disable --now {unit}",
        f"remove {rig.folder}/home/.config/systemd/user/{unit}",
    ]


def test_a_checkout_with_modules_of_our_names_does_no_harm(rig: Rig, tmp_path: Path) -> None:
    """A file click.py in the program's folder must not pass for the library: the entry is started with -P."""
    rig.write("click.py", "raise SystemExit(99)\n")
    found = rig.cli("install", "--dry-run", "--for", "systemd", *WORDS)
    words = start_line(found.stdout).partition("=")[2].split(" run ")[0].split()
    tried = subprocess.run([*words, "--version"], cwd=tmp_path, capture_output=True, timeout=50, check=False)
    assert tried.returncode == 0, tried.stderr
