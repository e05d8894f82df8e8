"""Waits that a signal ends, at whatever instruction it comes."""

import subprocess
import sys
import threading
import time

import pytest

from watchdog_kit.wake_up import WakeUp

STORM = """
import random, signal, sys
{prepare}
dice = random.Random(7)
for _ in range(20000):
    signal.setitimer(signal.ITIMER_REAL, dice.uniform(1e-6, 6e-5))
    assert heard(), "the signal was not heard"
print("heard")
"""
BARE = """
import time
from watchdog_kit.wake_up import WakeUp
count = 0
def handler(*_):
    global count
    count += 1
wake_up = WakeUp()
wake_up.listen_to_signals()
signal.signal(signal.SIGALRM, handler)
def heard():
    global count
    end = time.monotonic() + 20
    while not count and time.monotonic() < end:
        wake_up.wait(20)
    before, count = count, 0
    return before
"""
TRACKER = """
import time
from tracker.inbox import Inbox, StopAsked
inbox = Inbox()
inbox.listen_to_signals()
signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGTERM))
def heard():
    return inbox.get(time.monotonic() + 20) is not None
"""
METRICS = """
from watchdog_cli.cli.metrics import Ended
ended = Ended()
signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGTERM))
def heard():
    found = ended.wait(20)
    ended._asked = False
    return found
"""


@pytest.mark.parametrize("who", [BARE, TRACKER, METRICS], ids=["bare", "tracker", "metrics"])
def test_a_signal_is_heard_at_any_instruction_of_the_wait(who: str) -> None:
    """Twenty thousand signals at all moments around the beginning of a wait: none is slept through."""
    program = STORM.format(prepare=who)
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=55, check=False
    )
    assert (found.returncode, found.stdout.strip()) == (0, "heard"), found.stderr[-800:]


def test_another_thread_ends_a_wait_and_the_next_one_waits_again() -> None:
    """One that was woken too early, or often, waits the next time."""
    wake_up = WakeUp()
    for _ in range(100_000):
        wake_up.wake()
    wake_up.wait(20)
    began = time.monotonic()
    threading.Timer(0.05, wake_up.wake).start()
    wake_up.wait(20)
    assert 0.04 <= time.monotonic() - began < 10
