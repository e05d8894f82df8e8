"""Several people and scripts give orders at the same time."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness import Watchdog
from rig import BIN, QUICK
from waiting import wait_until

PLAIN = ("--no-heartbeat", "--quiet", *QUICK)


def _together(dog: Watchdog, *commands: tuple[str, ...]) -> list[int]:
    """Start all of these commands at once; their exit codes."""
    begun = [
        subprocess.Popen(
            [str(BIN / "watchdog"), *words],
            cwd=dog.folder,
            env=dog.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for words in commands
    ]
    codes = []
    for process in begun:
        output, errors = process.communicate(timeout=45)
        assert b"Traceback" not in output + errors
        codes.append(process.returncode)
    return codes


def _never_two(dog: Watchdog) -> None:
    """The lives of two runs never overlapped."""
    moments = sorted(
        [(at, "begin", pid) for pid, at in dog.stamps()] + [(at, "end", pid) for pid, at in dog.stamps("end")]
    )
    living: set[int] = set()
    for _, word, pid in moments:
        if word == "begin":
            assert not living, moments
            living.add(pid)
        else:
            living.discard(pid)


def test_ten_starts_at_once_make_one(dog: Watchdog) -> None:
    """Ten people type the same `run`: one gets it, nine end with 11 and name the holder; one program lives."""
    starts = [dog.start(*PLAIN) for _ in range(10)]
    dog.ready()
    wait_until(lambda: sum(process.poll() is not None for process in starts) == 9, "nine refusals", 40)
    codes = sorted(code for process in starts if (code := process.poll()) is not None)
    assert codes == [11] * 9
    holder = next(process for process in starts if process.poll() is None)
    assert dog.printed().count(f"pid {holder.pid}") == 9
    assert len(dog.stamps()) == 1


def test_many_restarts_at_once_are_answered_and_never_two_live(dog: Watchdog) -> None:
    """Eight `restart`s, a `status` and a `check` at once: all are answered, the lives of the runs never overlap."""
    dog.start(*PLAIN)
    dog.ready()
    codes = _together(dog, *[("restart",)] * 8, ("status",), ("check",))
    assert codes[:8] == [0] * 8
    assert set(codes[8:]) <= {0, 5}
    assert dog.await_health("healthy")["state"] == "running"
    dog.stop()
    _never_two(dog)
    assert len(dog.stamps()) == len(dog.stamps("end")) >= 2


@pytest.mark.parametrize("round_", range(3))
def test_a_stop_among_restarts_is_final(dog: Watchdog, round_: int) -> None:
    """`stop` and several `restart`s at once, in any order: in the end nothing runs, and nothing comes back."""
    process = dog.start(*PLAIN, orders=(f"slow 0.{round_}",))
    dog.ready()
    codes = _together(dog, ("restart",), ("restart",), ("stop",), ("restart",), ("stop",), ("resume",))
    assert process.wait(30) == 0
    assert 0 in (codes[2], codes[4]), codes
    assert set(codes) <= {0, 3}, codes
    report = dog.status()
    assert (report["state"], report["child"]) == ("stopped", None)
    _never_two(dog)
    assert dog.tagged() == {}


def test_what_comes_too_late_for_a_stop_is_refused_as_not_running(dog: Watchdog) -> None:
    """While a slow program is being stopped: restart and pause say so in one line, code 3, and the stop goes on."""
    process = dog.start("--no-heartbeat", "--stop-timeout", "20s", orders=("slow 3",))
    pid = dog.ready()
    process.terminate()
    dog.await_state("stopping")
    for words in (("restart",), ("pause",)):
        found = dog.cli(*words)
        assert (found.returncode, found.stderr) == (3, "Error: tracker: it is being stopped\n")
    assert process.wait(30) == 0
    assert dog.pids("CLEAN") == [pid]


@pytest.mark.parametrize("word", ["pause", "resume", "restart"])
def test_an_order_is_not_called_done_when_the_watchdog_died_of_it(dog: Watchdog, word: str) -> None:
    """The watchdog is killed before it answers: the command says so with code 3, and never that it is done."""
    process = dog.start(*PLAIN)
    dog.ready()
    process.send_signal(signal.SIGSTOP)
    wait_until(
        lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "frozen"
    )
    with subprocess.Popen(
        [str(BIN / "watchdog"), word],
        cwd=dog.folder,
        env=dog.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        wait_until(lambda: _has_socket(command.pid), "the command asks")
        process.kill()
        process.wait()
        output, errors = command.communicate(timeout=20)
    assert (command.returncode, output, errors.count(b"\n")) == (3, b"", 1), errors
    dog.stop()


def _has_socket(pid: int) -> bool:
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):  # closed between the two looks
            if os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                return True
    return False


def test_signals_and_commands_at_once(dog: Watchdog) -> None:
    """SIGTERM to the watchdog and kill -9 of its program in the same moment: it ends with 0, nothing is left."""
    for _ in range(5):
        process = dog.start(*PLAIN)
        known = len(dog.stamps())
        wait_until(lambda least=known: dog.stamps() and len(dog.stamps()) >= least, "a run")  # type: ignore[misc]
        pid = dog.child_pid()
        os.kill(process.pid, signal.SIGTERM)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            assert not Path(f"/proc/{pid}").exists()
        assert process.wait(20) == 0
        assert dog.tagged() == {}
    assert len(dog.facts("finished")) == 5


def test_pause_resume_and_death_at_once(dog: Watchdog) -> None:
    """People pause and resume while the program dies: in the end it is resumed and runs."""
    dog.start(*PLAIN)
    pid = dog.ready()
    os.kill(pid, signal.SIGKILL)
    codes = _together(dog, ("pause",), ("resume",), ("pause", "--for", "1s"), ("resume",))
    assert set(codes) <= {0, 3}, codes
    assert dog.cli("resume").returncode in (0, 3)
    dog.await_health("healthy")
    assert dog.child_pid() != pid
