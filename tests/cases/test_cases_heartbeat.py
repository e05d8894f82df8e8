"""Whatever lies where the heartbeat should be: no false kill, no error exit, and a hang is still found."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rig import QUICK, Rig
from waiting import stays_true, wait_until

SILENT = (sys.executable, "-c", "import time; time.sleep(600)")
BEATING = """
import os, sys, time
path = os.environ["WATCHDOG_HEARTBEAT"]
time.sleep(float(sys.argv[1]))
while True:
    with open(path + ".tmp", "w") as file:
        file.write("{}")
    os.replace(path + ".tmp", path)
    time.sleep(0.2)
"""


def test_H04_an_old_heartbeat_kills_nobody(rig: Rig) -> None:
    """A file of ten minutes ago lies there; the program needs longer than the timeout for its first beat."""
    path = rig.write("heartbeat.json", "{}")
    os.utime(path, (path.stat().st_atime - 600, path.stat().st_mtime - 600))
    rig.run(
        *QUICK, "--heartbeat-timeout", "2s", "--start-grace", "30s", "--", sys.executable, "-c", BEATING, "4"
    )
    assert rig.status()["health"] in ("starting", "not running")
    rig.healthy()
    assert not rig.facts("hang", "ended")


def test_a_heartbeat_that_was_asked_for_and_never_comes_is_a_hang(rig: Rig) -> None:
    """Asked for by option: the end of the grace without a beat is a hang of its own kind."""
    rig.run(
        *QUICK,
        *("--heartbeat", "beat.json", "--heartbeat-timeout", "5s", "--start-grace", "1s"),
        *("--max-restarts", "1", "--"),
        *SILENT,
    )
    hang = rig.fact("hang")
    assert hang["cause"] == "never-beat"
    assert hang["silent_s"] >= 1


def test_a_heartbeat_that_nobody_asked_for_is_said_once(rig: Rig) -> None:
    """A program that never beat is not killed; it is said, `status` shows it, and --no-heartbeat settles it."""
    rig.run(*QUICK, "--heartbeat-timeout", "1s", "--", *SILENT)
    wait_until(lambda: rig.status()["health"] == "no heartbeat", "no heartbeat")
    assert rig.status()["exit_code"] == 5
    stays_true(lambda: len(rig.facts("no-heartbeat")) == 1, "said once", 3)
    assert not rig.facts("hang")
    rig.cli("stop")
    rig.run(*QUICK, "--no-heartbeat", "--", *SILENT)
    assert rig.healthy()["exit_code"] == 0


def test_who_has_beaten_once_is_judged_by_the_next_watchdog_too(rig: Rig) -> None:
    """It beat and was stopped, and its file is gone: under the same name the silence of the next one is a hang."""
    rig.run(*QUICK, "--", sys.executable, "-c", BEATING, "0")
    rig.healthy()
    rig.cli("stop")
    (rig.folder / "heartbeat.json").unlink()
    rig.run(*QUICK, "--start-grace", "1s", "--max-restarts", "0", "--", *SILENT)
    assert rig.fact("hang")["cause"] == "never-beat"


def _garbage(path: Path) -> None:
    path.write_bytes(b'{"pid": 12, "ti' + bytes(range(256)))


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50_000_000)


ODDITIES: dict[str, Callable[[Path], object]] = {
    "garbage": _garbage,
    "empty": lambda path: path.write_bytes(b""),
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "huge": _huge,
    "dangling link": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_H13_an_odd_heartbeat_is_no_beat_and_no_error(rig: Rig, oddity: str) -> None:
    """It lies there at the start, so silence is judged; it never counts, and the hang is found on time."""
    ODDITIES[oddity](rig.folder / "heartbeat.json")
    rig.run(*QUICK, "--heartbeat-timeout", "1500ms", "--max-restarts", "1", "--", *SILENT)
    assert rig.fact("hang")["cause"] == "never-beat"
    assert len([fact for fact in rig.facts("notice") if fact["topic"] == "heartbeat"]) <= 2


def test_H13_a_beat_that_turns_odd_is_a_hang_on_time(rig: Rig) -> None:
    """Valid beats, then only garbage: the older beat keeps its age, and the hang comes at the timeout."""
    program = BEATING.replace('file.write("{}")', "file.write(text)").replace(
        "while True:",
        "end = time.monotonic() + 2\nwhile True:\n    text = '{}' if time.monotonic() < end else '{\"x'",
    )
    rig.run(
        *QUICK, "--heartbeat-timeout", "2s", "--max-restarts", "1", "--", sys.executable, "-c", program, "0"
    )
    hang = rig.fact("hang")
    assert hang["cause"] == "hang"
    assert 1.9 <= hang["silent_s"] < 6


def test_C03_everything_frozen_and_thawed_kills_nobody(rig: Rig) -> None:
    """Watchdog and program are frozen for five timeouts; when both go on, nobody is replaced."""
    process = rig.run(*QUICK, "--heartbeat-timeout", "2s", "--", sys.executable, "-c", BEATING, "0")
    rig.healthy()
    pid = rig.child()
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGSTOP)
    stays_true(lambda: Path(f"/proc/{pid}").exists(), "the frozen program", 10)
    os.kill(process.pid, signal.SIGCONT)
    os.kill(pid, signal.SIGCONT)
    rig.healthy()
    stays_true(lambda: rig.status()["child"]["pid"] == pid, "the same program", 4)
    assert not rig.facts("hang")
    assert rig.facts("own-pause")


def test_C03_a_hang_is_found_after_a_pause_of_our_own(rig: Rig) -> None:
    """Frozen together and thawed, but the program stays frozen: found one timeout later."""
    process = rig.run(*QUICK, "--heartbeat-timeout", "2s", "--", sys.executable, "-c", BEATING, "0")
    rig.healthy()
    pid = rig.child()
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGSTOP)
    stays_true(lambda: Path(f"/proc/{pid}").exists(), "the frozen program", 5)
    os.kill(process.pid, signal.SIGCONT)
    assert rig.fact("hang")["cause"] == "hang"
    assert rig.other_child(pid) != pid


def test_a_pid_of_somebody_else_counts_and_is_said_once(rig: Rig) -> None:
    """The heartbeat names a pid outside of the tree: it counts, is said once, and `status` shows it."""
    program = BEATING.replace('file.write("{}")', "file.write('{\"pid\": 1}')")
    rig.run(*QUICK, "--heartbeat-timeout", "3s", "--", sys.executable, "-c", program, "0")
    report = rig.healthy()
    assert "pid 1," in report["note"]
    assert len([fact for fact in rig.facts("notice") if "pid 1," in fact["text"]]) == 1


def test_a_beat_of_another_run_does_not_count(rig: Rig) -> None:
    """A run id in the file that is not ours: somebody of an earlier run still writes."""
    program = BEATING.replace('file.write("{}")', 'file.write(\'{"runId": "of yesterday"}\')')
    rig.run(*QUICK, "--heartbeat-timeout", "1500ms", "--max-restarts", "1", "--heartbeat", "heartbeat.json", "--",
            sys.executable, "-c", program, "0")  # fmt: skip
    assert rig.fact("hang")["cause"] == "never-beat"
