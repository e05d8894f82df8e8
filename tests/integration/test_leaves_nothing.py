"""Nothing is left: no process, no file of a command that could not work, no torn file after hard ends."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from harness import Watchdog
from rig import QUICK
from trees import lives
from waiting import stays_true, wait_until

WRONG = {
    "unknown option": ("run", "--bogus", "--", "true"),
    "unknown option of status": ("status", "--bogus"),
    "option without value": ("run", "--restart-delay"),
    "bad duration": ("run", "--restart-delay", "soon", "--", "true"),
    "bad size": ("run", "--log-size", "1", "--", "true"),
    "bad choice": ("run", "--restart", "sometimes", "--", "true"),
    "contradiction": ("run", "--restart", "never", "--max-restarts", "3", "--", "true"),
    "no program": ("run", "--"),
    "no program and options": ("run", "--quiet"),
    "unknown command": ("statsu",),
    "name with a path": ("run", "--name", "../evil", "--", "true"),
    "folder that is a file": ("run", "-C", "/etc/passwd", "--", "true"),
    "words too many": ("status", "now"),
    "bad pause": ("pause", "--for", "soon"),
    "bad pattern": ("tail-log", "--grep", "("),
    "bad number": ("tail-log", "-n", "-1"),
    "status of two minds": ("status", "--json", "--watch"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_command_line_leaves_no_file(dog: Watchdog, what: str) -> None:
    """One line on stderr, a code that is not 0 or 1, at once, and the folder is as empty as before."""
    began = time.monotonic()
    found = dog.cli(*WRONG[what])
    assert time.monotonic() - began < 10
    assert found.returncode in (2, 13), (found.returncode, found.stderr)
    assert (found.stderr.count("\n"), found.stdout) == (1, ""), found.stderr
    assert found.stderr.startswith("Error: ")
    assert os.listdir(dog.folder) == []


@pytest.mark.parametrize(
    "words", [("stop",), ("restart",), ("pause",), ("resume",), ("upgrade",), ("check",), ("status",)]
)
def test_asking_where_nothing_runs_leaves_no_file(dog: Watchdog, words: tuple[str, ...]) -> None:
    """Code 3 in a folder in which nothing was ever started, and nothing is made there."""
    found = dog.cli(*words)
    assert found.returncode == 3, found.stderr
    assert found.stderr.count("\n") <= 1
    assert os.listdir(dog.folder) == []


def test_a_stop_takes_the_whole_zoo(dog: Watchdog) -> None:
    """Members, daemons in sessions of their own, one of them deaf, a listener: all gone, and its port is free again."""
    dog.start(
        *QUICK, "--no-heartbeat", orders=("member", "member", "daemon", "deaf-daemon", "listen", "threads 3")
    )
    pid = dog.ready()
    wait_until(lambda: len(dog.pids("members")) == 4, "the zoo")
    members = dog.pids("members")
    dog.stop()
    assert not [one for one in (pid, *members) if Path(f"/proc/{one}").exists()]
    assert dog.tagged() == {}


def test_a_crash_takes_the_whole_zoo_before_the_next_run(dog: Watchdog) -> None:
    """The leader is killed: members and daemons are gone before another one begins; no two sets ever overlap."""
    dog.start(*QUICK, "--no-heartbeat", orders=("member", "daemon", "deaf-daemon"))
    first = dog.ready()
    wait_until(lambda: len(dog.pids("members")) == 3, "the zoo")
    members = dog.pids("members")
    os.kill(first, signal.SIGKILL)
    dog.ready(other_than=first)
    assert not [one for one in members if Path(f"/proc/{one}").exists()]
    assert dog.fact("left-behind")["count"] == 3
    assert dog.fact("killing")["waited_s"] >= 3
    wait_until(lambda: len(dog.pids("members")) == 6, "the next zoo")


def test_kill_9_of_the_watchdog_at_any_moment_leaves_whole_files(dog: Watchdog) -> None:
    """Twelve hard ends at different moments of a busy life: each time files parse, and there is one program at most."""
    options = ("--no-heartbeat", "--quiet", "--restart-delay", "50ms", "--max-restarts", "unlimited")
    for number in range(12):
        process = dog.start(*options, orders=("late 0.05", "exit 1"))
        known = len(dog.stamps())
        wait_until(lambda least=known: len(dog.stamps()) > least + 1, "a busy life")  # type: ignore[misc]
        end = time.monotonic() + 0.013 * number
        wait_until(lambda at=end: time.monotonic() >= at, "another moment")  # type: ignore[misc]
        process.kill()
        process.wait()
        json.loads((dog.folder / ".watchdog" / "tracker" / "state.json").read_text())
        living = [line for line in dog.tagged().values() if "child_program" in line]
        assert len(living) <= 1
        assert dog.cli("status").returncode in (3, 5)
    wait_until(lambda: not dog.tagged(), "the end of the last program")
    begins, ends = dog.stamps(), dog.stamps("end")
    assert len(begins) - len(ends) <= 1
    dog.start("--no-heartbeat")
    dog.ready()
    dog.stop()


def test_a_child_of_a_finished_watchdog_is_gone_too(dog: Watchdog) -> None:
    """Restart never: what the program left behind is stopped before the watchdog ends with its code."""
    process = dog.start(
        *QUICK, "--no-heartbeat", "--restart", "never", orders=("member", "deaf-daemon", "exit 5")
    )
    assert process.wait(30) == 5
    assert dog.tagged() == {}
    members = dog.pids("members")
    assert len(members) >= 1
    stays_true(lambda: not [one for one in members if lives(one)], "nobody comes back", 0.5)
