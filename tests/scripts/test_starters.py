"""The starters for a double click and for cron, in a folder with blanks and Arabic letters in its path."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_pwsh

from rig import BIN, Rig
from waiting import wait_until

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Rig]:
    """A folder with nothing but the scripts in it; in the end nobody is left."""
    folder = tmp_path / "مجلد المتتبع"
    shutil.copytree(SCRIPTS, folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    made = Rig(folder)
    yield made
    made.cli("stop", "--now")
    left = made.marked()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def _call(place: Rig, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd="/",
        env=place.environment(TRACKER_SOURCE="demo", **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def _ensure(place: Rig) -> subprocess.CompletedProcess[str]:
    script = str(place.folder / "scripts" / "ensure_continuity.sh")
    return _call(place, "sh", script, WATCHDOG_RESTART_DELAY="200ms")


@pytest.mark.timeout(150)
def test_ensure_starts_once_and_tells(place: Rig) -> None:
    """The first call starts both in the background and says how they are, the second, by a link, only says."""
    first = _ensure(place)
    assert first.returncode == 0, first.stderr
    assert "starting the tracker" in first.stdout
    assert "يبدأ تشغيل المتتبع" in first.stdout
    assert "tracker: running" in first.stdout
    one = place.status()
    link = place.folder / "on my desktop"
    link.symlink_to(place.folder / "scripts" / "ensure_continuity.sh")
    second = _call(place, str(link))
    assert second.returncode == 0, second.stderr
    assert "starting" not in second.stdout
    two = place.status()
    assert (one["watchdog"], one["child"]["pid"]) == (two["watchdog"], two["child"]["pid"])
    assert os.getsid(one["watchdog"]["pid"]) == one["watchdog"]["pid"], "a closed terminal does not end it"
    os.kill(one["child"]["pid"], signal.SIGKILL)
    assert place.other_child(one["child"]["pid"])
    assert place.cli("stop").returncode == 0


@pytest.mark.timeout(150)
def test_ensure_after_a_kill_of_the_watchdog(place: Rig) -> None:
    """A watchdog that was killed is started again, and goes on with the same tracker."""
    assert _ensure(place).returncode == 0
    before = place.status()
    os.kill(before["watchdog"]["pid"], signal.SIGKILL)
    wait_until(lambda: place.cli("check", "--watchdog").returncode == 3, "a dead watchdog", 30)
    assert _ensure(place).returncode == 0
    assert place.status()["child"]["pid"] == before["child"]["pid"]


@pytest.mark.timeout(150)
def test_many_at_once_start_one(place: Rig) -> None:
    """Three that are called in the same moment all succeed, and there is one watchdog."""
    script = str(place.folder / "scripts" / "ensure_continuity.sh")
    environment = place.environment(TRACKER_SOURCE="demo")
    three = [
        subprocess.Popen(["sh", script], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [one.wait(100) for one in three] == [0, 0, 0]
    assert len([line for line in place.marked().values() if " watchdog_cli run " in line]) == 1
    assert (place.folder / "logs" / "tracker.watchdog.log").read_text().count("started, run 1, ") == 1


def test_ensure_says_why_it_cannot(place: Rig) -> None:
    """Without the watchdog's packages: what to install, and a code; with a wrong setting: its own words."""
    own = place.folder / ".venv" / "bin"
    own.mkdir(parents=True)
    bare = own / "python"
    bare.write_text(f'#!/bin/sh\necho "$1" >>"{own}/calls"\nexec "{sys.executable}" -S -E "$@"\n')
    bare.chmod(0o755)
    found = _ensure(place)
    assert found.returncode == 1
    assert "-m pip install" in found.stderr
    assert "تعذّر استدعاء المراقب" in found.stderr
    assert (own / "calls").read_text().splitlines()[0].endswith("start_with_monitor.py"), (
        "its own Python first"
    )
    assert "مجلد المتتبع" in found.stderr
    shutil.rmtree(place.folder / ".venv")
    place.write("watchdog.toml", 'restart-delay = "soon"\n')
    found = _ensure(place)
    assert found.returncode == 10
    assert "restart-delay" in found.stderr


@pytest.mark.timeout(60)
def test_start_with_monitor_stays_and_ends_with_ctrl_c(place: Rig) -> None:
    """In the foreground it is the watchdog itself: Ctrl-C stops in order. Further words are the tracker's."""
    process = subprocess.Popen(
        [sys.executable, str(place.folder / "scripts" / "start_with_monitor.py"), "--cycle", "1s"],
        cwd="/",
        env=place.environment(TRACKER_SOURCE="demo"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    place.healthy()
    report = place.status()
    assert report["watchdog"]["pid"] == process.pid
    assert report["child"]["command"][-2:] == ["--cycle", "1s"]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert (place.folder / "tracked_tokens.json").exists()


def test_help_of_the_starter_starts_nothing(place: Rig) -> None:
    """--help tells how it is called."""
    found = _call(place, sys.executable, str(place.folder / "scripts" / "start_with_monitor.py"), "--help")
    assert found.returncode == 0
    assert "--ensure" in found.stdout
    assert "يشغّل المتتبع" in found.stdout
    assert not (place.folder / ".watchdog").exists()


# --- what cannot be run here is read -----------------------------------------------------------------------------


def test_shell_starter_is_clean() -> None:
    """The shell and shellcheck find no mistake."""
    for words in (["sh", "-n"], [str(BIN / "shellcheck")]):
        found = subprocess.run(
            [*words, str(SCRIPTS / "ensure_continuity.sh")], capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stdout + found.stderr


def test_powershell_starter_parses() -> None:
    """Without an error, and the parser does find one in a broken copy."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language()))
    text = (SCRIPTS / "ensure_continuity.ps1").read_bytes()
    assert text.isascii(), "Windows PowerShell reads a file without a mark as ANSI"
    assert not parser.parse(text).root_node.has_error
    assert parser.parse(text.replace(b")", b"", 1)).root_node.has_error
    words = text.decode().split()
    assert {"'start_with_monitor.py')", "--ensure", "@args", "$LASTEXITCODE"} <= set(words)


@pytest.mark.parametrize("name", ["ensure_continuity.bat", "quick_start.bat"])
def test_batch_files_have_what_cmd_needs(name: str) -> None:
    """CRLF at every end, or labels are missed; plain ASCII, for it is read before the code page is set."""
    text = (SCRIPTS / name).read_bytes()
    assert text.isascii()
    assert text.count(b"\n") == text.count(b"\r\n") > 0
    assert b"chcp 65001 >nul\r\n" in text
    for script in ("start_with_monitor.py", "quick_start.txt"):
        assert script.encode() not in text or (SCRIPTS / script).exists()


def test_menu_speaks_two_languages() -> None:
    """Each number that the menu offers is one that it knows, in English and in Arabic."""
    lines = [line for line in (SCRIPTS / "quick_start.txt").read_text("utf-8").splitlines() if line.strip()]
    batch = (SCRIPTS / "quick_start.bat").read_text("ascii")
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5", "0"]
    for line in lines:
        assert f'if "%answer%"=="{line.split()[0]}" ' in batch
        assert any("a" <= letter <= "z" for letter in line)
        assert any("\u0621" <= letter <= "\u064a" for letter in line)
