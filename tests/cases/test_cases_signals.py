"""Signals, graceful stop and exit codes (cases S01 to S07)."""

import contextlib
import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from rig import QUICK, Rig
from waiting import stays_true, wait_until

PLAIN = ("--no-heartbeat", *QUICK)
SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")


def test_S01_prompt_comes_back_when_the_program_is_done(rig: Rig) -> None:
    """The program needs a second and a half to close: after Ctrl-C the watchdog ends no sooner, and CLEAN is there."""
    code = """
import signal, sys, time
def close(*_):
    time.sleep(1.5)
    open("CLEAN", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, close)
open("ready", "w").close()
time.sleep(600)
"""
    watchdog = rig.run(*PLAIN, "--stop-timeout", "20s", "--", sys.executable, "-c", code)
    wait_until((rig.folder / "ready").exists, "the program")
    began = time.monotonic()
    watchdog.send_signal(signal.SIGINT)
    assert watchdog.wait(15) == 0
    assert time.monotonic() - began >= 1.5
    assert (rig.folder / "CLEAN").exists()
    assert not rig.facts("killing")


def test_S02_long_save_is_let_finish(rig: Rig) -> None:
    """A program that saves for two seconds when asked to stop leaves a complete file."""
    code = """
import hashlib, os, signal, sys, time
def save(*_):
    with open("saved", "wb") as file:
        for number in range(200):
            file.write(hashlib.sha256(str(number).encode()).digest())
            file.flush()
            time.sleep(0.01)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
open("ready", "w").close()
time.sleep(600)
"""
    rig.run("--no-heartbeat", "--", sys.executable, "-c", code)
    wait_until((rig.folder / "ready").exists, "the program")
    assert rig.cli("stop").returncode == 0
    expected = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(200))
    assert (rig.folder / "saved").read_bytes() == expected


def test_S02_endless_save_is_killed_at_its_time_and_called_forced(rig: Rig) -> None:
    """A program that never ends is killed after its stop timeout, and every record says that it had to be."""
    rig.write("ready-not", "")
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); open('ready', 'w').close(); time.sleep(600)"
    )
    rig.run("--no-heartbeat", "--stop-timeout", "1s", "--", sys.executable, "-c", code)
    wait_until((rig.folder / "ready").exists, "the program")
    began = time.monotonic()
    stopped = rig.cli("stop")
    assert stopped.returncode == 0
    assert time.monotonic() - began >= 1.0
    assert rig.fact("ended")["forced"] is True
    assert "had to be killed" in (rig.folder / "logs" / "tracker.watchdog.log").read_text()
    assert rig.fact("killing")["waited_s"] >= 1.0


def test_S02_the_default_is_long_enough_and_shown(rig: Rig) -> None:
    """Nobody needs to know of the option to have at least ten seconds."""
    assert "stop-timeout" in rig.cli("config").stdout
    shown = next(line for line in rig.cli("config").stdout.splitlines() if "stop-timeout" in line)
    assert "10s" in shown


CODES = {
    "exit 0": ("import sys; sys.exit(0)", 0),
    "exit 3": ("import sys; sys.exit(3)", 3),
    "exit 42": ("import sys; sys.exit(42)", 42),
    "TERM": ("import os; os.kill(os.getpid(), 15)", 128 + 15),
    "KILL": ("import os; os.kill(os.getpid(), 9)", 128 + 9),
    "SEGV": (
        "import os, resource, signal; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.kill(os.getpid(), 11)",
        128 + 11,
    ),
}


def test_S04_eight_ends_have_eight_codes(rig: Rig) -> None:
    """With restart never: six ends of the program, a spawn failure and a usage error are told apart."""
    seen = {}
    for name, (code, expected) in CODES.items():
        watchdog = rig.run(*PLAIN, "--restart", "never", "--", sys.executable, "-c", code)
        seen[name] = watchdog.wait(30)
        assert seen[name] == expected, name
    seen["spawn"] = rig.run(*PLAIN, "--restart", "never", "--", "no-such-program").wait(30)
    seen["usage"] = rig.run("--no-such-option").wait(30)
    assert (seen["spawn"], seen["usage"]) == (13, 2)
    assert len(set(seen.values())) == 8


def test_S05_stop_in_the_delay_is_at_once_and_final(rig: Rig) -> None:
    """Stopped in the middle of the delay: it returns at once, and nothing starts afterwards."""
    rig.run(
        "--no-heartbeat", "--restart-delay", "4s", "--", sys.executable, "-c", "open('runs', 'a').write('x')"
    )
    rig.fact("restarting")
    began = time.monotonic()
    assert rig.cli("stop").returncode == 0
    assert time.monotonic() - began < 3
    stays_true(lambda: (rig.folder / "runs").read_text() == "x", "no further start", 4.5)
    report = rig.status()
    assert (report["state"], report["exit_code"]) == ("stopped", 3)


DEATHS = {"SIGSEGV": 11, "SIGABRT": 6, "SIGKILL": 9, "SIGBUS": 7}


def test_S07_every_death_is_a_death_with_its_name(rig: Rig) -> None:
    """Killed by SEGV, ABRT, KILL and BUS: a restart each, and log, status and journal name the signal."""
    rig.run(*PLAIN, "--", "sh", "-c", "ulimit -c 0; exec sleep 600")
    pid = rig.child()
    for number in DEATHS.values():
        wait_until(lambda pid=pid: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "the program")  # type: ignore[misc]
        os.kill(pid, number)
        pid = rig.other_child(pid)
    assert [fact["signal"] for fact in rig.facts("ended")] == list(DEATHS.values())
    assert {fact["cause"] for fact in rig.facts("ended")} == {"signal"}
    report = rig.status()
    assert [run["signal"] for run in report["restarts"]["last"]] == list(DEATHS.values())
    assert report["restarts"]["total"] == 4
    shown = (rig.folder / "logs" / "tracker.watchdog.log").read_text()
    for name in DEATHS:
        assert f"killed by {name}" in shown
    assert "killed by SIGBUS" in rig.cli("status").stdout
    assert rig.cli("stop").returncode == 0


def test_S07_too_much_memory_has_its_own_reason(rig: Rig) -> None:
    """Over the memory limit twice in a row is a restart with its own cause."""
    code = """
import json, os, time
held = bytearray(80_000_000) if not os.path.exists("once") else None
open("once", "w").close()
while True:
    with open("hb.tmp", "w") as file: json.dump({}, file)
    os.replace("hb.tmp", "heartbeat.json")
    time.sleep(0.3)
"""
    rig.run(*QUICK, "--heartbeat-timeout", "20s", "--memory-limit", "50MB", "--", sys.executable, "-c", code)
    ended = rig.fact("ended", limit_s=45)
    assert ended["cause"] == "memory"
    assert rig.fact("memory")["rss"] > 50_000_000
    rig.healthy()
    assert rig.cli("stop").returncode == 0


@pytest.mark.parametrize("way", ["command", "signal"])
def test_stop_is_never_undone(rig: Rig, way: str) -> None:
    """A stop that meets a dying program starts nothing again."""
    watchdog = rig.run("--no-heartbeat", "--restart-delay", "0", "--", *SLEEPS)
    child = rig.child()
    if way == "command":
        os.kill(child, signal.SIGKILL)
        assert rig.cli("stop").returncode == 0
    else:
        watchdog.terminate()
        with contextlib.suppress(ProcessLookupError):  # it has heard of the stop already
            os.kill(child, signal.SIGKILL)
    assert watchdog.wait(20) == 0
    assert rig.marked() == {}
    assert rig.facts()[-1]["fact"] == "finished"
