"""A program that prints numbered lines without rest, and what a test can say of them when the watchdog was replaced."""

import sys
from pathlib import Path

from rig import QUICK, Rig
from waiting import wait_until

PLAIN = ("--no-heartbeat", *QUICK)

# Prints numbered lines without rest, tells of a SIGPIPE by dying of it, and ends as it is told to.
PRINTS = """
import os, signal, sys, time
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
number = 0
while True:
    number += 1
    os.write(1, b"line %06d\\n" % number)
    if os.path.exists("exit"):
        os.write(1, b"last line %06d\\n" % number)
        os._exit(int(open("exit").read()))
    time.sleep(0.002)
"""
FLOOD = PRINTS.replace("time.sleep(0.002)", "os.write(2, b'x' * 8000 + b'\\n'); time.sleep(0.001)")
COMMAND = (sys.executable, "-S", "prints.py")


def folder(rig: Rig) -> Path:
    """The state folder."""
    return rig.folder / ".watchdog" / "tracker"


def lines(rig: Rig) -> list[bytes]:
    """All that was logged, across rotated files."""
    files = sorted((rig.folder / "logs").glob("tracker.log*"), key=lambda path: path.name, reverse=True)
    return b"".join(path.read_bytes() for path in files).splitlines()


def await_lines(rig: Rig, more: int) -> None:
    """Wait until so many lines more are in the log."""
    least = len(lines(rig)) + more
    wait_until(lambda: len(lines(rig)) >= least, f"{more} more lines")


def assert_gapless(rig: Rig, runs: int = 1) -> None:
    """Every line of each run once and in order; each run begins at one."""
    numbers = [int(line[5:]) for line in lines(rig) if line.startswith(b"line ")]
    starts = [at for at, number in enumerate(numbers) if number == 1]
    assert len(starts) == runs
    for begin, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        assert numbers[begin:end] == list(range(1, end - begin + 1))


def programs(rig: Rig, what: str = "prints.py") -> list[int]:
    """The pids of all living programs, without their watchdogs."""
    return [pid for pid, line in rig.marked().items() if what in line and "watchdog" not in line]


def kill_watchdog(rig: Rig) -> None:
    """Kill -9 the newest watchdog."""
    watchdog = rig.started[-1]
    watchdog.kill()
    watchdog.wait()
