"""Clock steps and pauses of the whole machine (cases C01 to C03)."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from clock_shim.wall_clock import HOUR_S, WallClock
from harness import Watchdog
from rig import QUICK
from waiting import stays_true, wait_until


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    """A wall clock to step, in the folder of the test."""
    (tmp_path / "clock").mkdir()
    return WallClock(tmp_path / "clock")


BEATING = (*QUICK, "--heartbeat-timeout", "3s", "--start-grace", "30s")
STEPS = [HOUR_S, -HOUR_S, 40 * 365 * 24 * HOUR_S]


def test_the_shim_moves_the_wall_clock_and_nothing_else(clock: WallClock) -> None:
    """What these tests stand on: wall time jumps, steady time and sleeps do not."""
    code = (
        "import sys, time\nprint(time.time(), time.monotonic(), flush=True)\nsys.stdin.readline()\n"
        "before = time.monotonic()\ntime.sleep(0.05)\n"
        "print(time.time(), time.monotonic(), time.monotonic() - before, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-SEc", code],
        env=os.environ | clock.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        wall, steady = map(float, process.stdout.readline().split())
        clock.step(-HOUR_S)
        output, _ = process.communicate("\n", timeout=20)
    later, steady_later, slept = map(float, output.split())
    assert later - wall < -HOUR_S + 30
    assert 0 < steady_later - steady < 30
    assert 0.05 <= slept < 20


@pytest.mark.parametrize("step_s", STEPS)
def test_C01_step_of_the_wall_clock_kills_nobody(dog: Watchdog, clock: WallClock, step_s: float) -> None:
    """An hour on, an hour back, forty years on, while it beats: no kill, no pause noticed, and ages stay true."""
    dog.start(*BEATING, orders=("beat 0.3",), **clock.environment)
    pid = dog.ready()
    dog.await_health("healthy")
    clock.step(step_s)
    stays_true(lambda: not dog.facts("hang", "ended", "own-pause"), "nobody is judged by wall time", 5)
    report = dog.status()
    assert (report["health"], report["child"]["pid"]) == ("healthy", pid)
    assert 0 <= report["heartbeat"]["age_s"] < 3
    assert 0 <= report["child"]["uptime_s"] < 120
    os.kill(pid, signal.SIGKILL)
    dog.ready(other_than=pid)
    assert dog.status()["restarts"]["in_window"] == 1
    marks = [fact["text"] for fact in dog.facts("notice") if fact["topic"] == "clock"]
    assert len(marks) == 1
    assert ("forward" if step_s > 0 else "back") in marks[0]


def test_C01_step_hides_no_hang(dog: Watchdog, clock: WallClock) -> None:
    """The clock goes back an hour and the program falls silent: found after the timeout, not an hour later."""
    dog.start(*BEATING, orders=("beat 0.3",), **clock.environment)
    dog.await_health("healthy")
    clock.step(-HOUR_S)
    dog.order("silent")
    hang = dog.fact("hang")
    assert 2.9 <= hang["silent_s"] < 9


def test_C01_step_resets_no_cap(dog: Watchdog, clock: WallClock) -> None:
    """Two deaths, an hour on by the wall clock, two more: all four lie in the window, and it gives up."""
    process = dog.start(
        "--no-heartbeat", "--restart-delay", "200ms", "--max-restarts", "3", "--restart-window", "60s",
        **clock.environment,
    )  # fmt: skip
    for number in range(4):
        if number == 2:
            clock.step(HOUR_S)
        wait_until(lambda least=number + 1: len(dog.stamps()) >= least, f"run {number + 1}")  # type: ignore[misc]
        os.kill(dog.stamps()[-1][0], signal.SIGKILL)
    assert process.wait(30) == 12
    assert dog.status()["restarts"]["in_window"] == 3


@pytest.mark.parametrize("step_s", STEPS)
def test_C02_delay_is_as_long_as_it_was(dog: Watchdog, clock: WallClock, step_s: float) -> None:
    """The wall clock steps in the middle of the delay: the next start is on time, and no time is negative."""
    dog.start("--no-heartbeat", "--restart-delay", "3s", **clock.environment)
    first = dog.ready()
    os.kill(first, signal.SIGKILL)
    dog.await_state("waiting")
    began = dog.fact("restarting")["up"]
    clock.step(step_s)
    report = dog.status()
    assert 0 <= report["next_start_s"] <= 3
    dog.ready(other_than=first)
    second = dog.fact("spawned", 2)
    assert 2.9 <= second["up"] - began < 9
    report = dog.status()
    assert 0 <= report["child"]["uptime_s"] < 60
    marks = [fact["text"] for fact in dog.facts("notice") if fact["topic"] == "clock"]
    assert len(marks) == 1
    assert ("forward" if step_s > 0 else "back") in marks[0]
    facts = dog.facts()
    assert [fact["seq"] for fact in facts] == list(range(1, len(facts) + 1))
    assert [fact["up"] for fact in facts] == sorted(fact["up"] for fact in facts)
    assert all(fact["lived_s"] >= 0 for fact in dog.facts("ended"))
    assert abs(_seconds(second["at"]) - _seconds(dog.fact("ended")["at"])) > abs(step_s) - 60, (
        "wall time is shown"
    )


def test_C02_status_and_adoption_after_a_step(dog: Watchdog, clock: WallClock) -> None:
    """Back by an hour, then the watchdog is killed: the program is known again by its identity, and taken over."""
    process = dog.start("--no-heartbeat", **clock.environment)
    pid = dog.ready()
    clock.step(-HOUR_S)
    process.kill()
    process.wait()
    report = dog.status()
    assert (report["health"], report["child"]["pid"]) == ("unsupervised", pid)
    assert 0 <= report["child"]["uptime_s"] < 60
    dog.start("--no-heartbeat", **clock.environment)
    assert dog.fact("adopted")["pid"] == pid
    assert dog.child_pid() == pid
    dog.stop()
    assert dog.pids("CLEAN") == [pid]


def test_C02_report_and_log_bear_times_that_go_back(dog: Watchdog, clock: WallClock) -> None:
    """A log and a journal whose times go back by an hour: every command that reads them still answers."""
    dog.start("--no-heartbeat", "--restart-delay", "100ms", orders=("print hello",), **clock.environment)
    first = dog.ready()
    clock.step(-HOUR_S)
    os.kill(first, signal.SIGKILL)
    dog.ready(other_than=first)
    for words in (("status",), ("tail-log",), ("tail-log", "--since", "5m"), ("tail-log", "--watchdog")):
        found = dog.cli(*words, **clock.environment)
        assert found.returncode == 0, (words, found.stderr)
        assert found.stdout, words
    assert dog.cli("tail-log", "-n", "50").stdout.count("hello") == 2


def test_C03_long_freeze_of_both_gives_one_full_timeout(dog: Watchdog) -> None:
    """Both frozen for five timeouts and thawed: nobody is replaced while a beat comes, and the pause is told once."""
    process = dog.start(*BEATING, orders=("beat 0.3",))
    pid = dog.ready()
    dog.await_health("healthy")
    _freeze(process.pid, pid)
    stays_true(lambda: _state(process.pid) == _state(pid) == "T", "both frozen", 15)
    _thaw(pid, process.pid)
    stays_true(lambda: not dog.facts("hang", "ended"), "nobody is replaced", 5)
    assert dog.await_health("healthy")["child"]["pid"] == pid
    assert len(dog.facts("own-pause")) == 1


def test_C03_without_a_beat_after_the_thaw_it_is_a_hang(dog: Watchdog) -> None:
    """Both frozen for two timeouts, the program stays silent afterwards: a hang, one full timeout after the thaw."""
    process = dog.start(*BEATING, orders=("beat 0.3",))
    pid = dog.ready()
    dog.await_health("healthy")
    dog.order("silent")
    _freeze(process.pid, pid)
    stays_true(lambda: _state(process.pid) == "T", "frozen", 6)
    assert not dog.facts("hang")
    thawed_at = time.clock_gettime(time.CLOCK_BOOTTIME)
    _thaw(pid, process.pid)
    hang = dog.fact("hang")
    assert hang["cause"] == "hang"
    assert 2.5 <= hang["up"] - thawed_at < 9


def test_C03_short_freeze_of_the_watchdog_alone_changes_nothing(dog: Watchdog) -> None:
    """Only the watchdog is frozen, again and again, while the program beats: nobody is replaced."""
    process = dog.start(*BEATING, orders=("beat 0.3",))
    pid = dog.ready()
    dog.await_health("healthy")
    for _ in range(5):
        _freeze(process.pid)
        stays_true(lambda: _state(process.pid) == "T", "frozen", 1)
        os.kill(process.pid, signal.SIGCONT)
        stays_true(lambda: not dog.facts("hang", "ended"), "nobody is replaced", 0.3)
    assert dog.await_health("healthy")["child"]["pid"] == pid


def test_C03_death_during_the_freeze_is_a_death(dog: Watchdog) -> None:
    """The program died while the watchdog was frozen: told as the death that it was, never as a hang."""
    process = dog.start(*BEATING, orders=("beat 0.3",))
    first = dog.ready()
    dog.await_health("healthy")
    _freeze(process.pid)
    os.kill(first, signal.SIGSEGV)
    stays_true(lambda: _state(process.pid) == "T", "frozen beyond the timeout", 5)
    os.kill(process.pid, signal.SIGCONT)
    ended = dog.fact("ended")
    assert (ended["cause"], ended["signal"]) == ("signal", 11)
    assert not dog.facts("hang")
    dog.ready(other_than=first)


def _freeze(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(_state(pid) == "T" for pid in pids), "all of them frozen")


def _thaw(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
