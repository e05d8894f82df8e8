"""Signals become words; none is lost, none decides anything, and the old handlers come back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from trees import Strangers
from waiting import wait_until
from watchdog_cli.adapters.inbox import Inbox
from watchdog_cli.adapters.signals import CONTROL, Signals, hold
from watchdog_cli.core.events import By, Continued, StopAsked


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    found = Inbox()
    yield found
    found.close()


@pytest.mark.parametrize(
    ("number", "by"),
    [(signal.SIGTERM, By.SIGNAL), (signal.SIGINT, By.SIGNAL), (signal.SIGHUP, By.HANGUP)],
)
def test_ending_signals_ask_for_a_stop(inbox: Inbox, number: signal.Signals, by: By) -> None:
    """Each of them, each time, becomes one wish to stop; two are two wishes; a closed terminal is told apart."""
    with Signals(inbox, is_init=False):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        found = [inbox.get(time.monotonic() + 0.2) for _ in range(4)]
    assert [one for one in found if one is not None] == [StopAsked(by)] * 2


def test_waking_from_a_stop_is_told(inbox: Inbox) -> None:
    """SIGCONT says that we were frozen."""
    with Signals(inbox, is_init=False):
        os.kill(os.getpid(), signal.SIGCONT)
        assert inbox.get(time.monotonic() + 5) == Continued()


def test_other_signals_are_notes(inbox: Inbox) -> None:
    """A dead child, the wish for a socket, and signals that are meant for the program leave notes and wake."""
    woken: list[int] = []
    inbox.after_wake = lambda: woken.append(1)
    with Signals(inbox, is_init=False) as signals:
        subprocess.run(["true"], check=True)
        os.kill(os.getpid(), CONTROL)
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR2)
        inbox.poll()
        assert signals.a_child_ended
        assert signals.control_is_wanted
        assert list(signals.to_pass_on) == [signal.SIGUSR1, signal.SIGUSR2]
    assert woken


def test_first_process_of_a_container_passes_on_hangup(inbox: Inbox) -> None:
    """As PID 1 there is no terminal that can hang up: SIGHUP and SIGQUIT are the program's."""
    with Signals(inbox, is_init=True) as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGQUIT)
        inbox.poll()
        passed = list(signals.to_pass_on)
    assert passed == [signal.SIGHUP, signal.SIGQUIT]


def test_handlers_and_mask_come_back(inbox: Inbox) -> None:
    """Afterwards everything is as before."""
    numbers = [
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGCHLD,
        signal.SIGCONT,
        signal.SIGUSR1,
        CONTROL,
    ]
    before = [signal.getsignal(number) for number in numbers]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Signals(inbox, is_init=False):
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    assert signal.set_wakeup_fd(-1) == -1


def test_ignored_hangup_stays_ignored(inbox: Inbox) -> None:
    """Under nohup SIGHUP is ignored, and stays so; SIGTERM is heard even if it was ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Signals(inbox, is_init=False):
            os.kill(os.getpid(), signal.SIGHUP)
            assert inbox.get(time.monotonic() + 0.2) is None
            os.kill(os.getpid(), signal.SIGTERM)
            assert wait_until(lambda: inbox.get(time.monotonic() + 0.2), "the stop") == StopAsked(By.SIGNAL)
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGTERM, before[1])


HELD = """
import os, signal, time
from watchdog_cli.adapters.inbox import Inbox
from watchdog_cli.adapters.signals import CONTROL, Signals, hold
hold()
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, CONTROL):
    os.kill(os.getpid(), number)
inbox = Inbox()
with Signals(inbox, is_init=False) as signals:
    event = None
    while event is None:
        event = inbox.get(time.monotonic() + 10)
    print(type(event).__name__, [int(one) for one in sorted(signals.to_pass_on)], signals.control_is_wanted)
print(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, []), flush=True)
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_held_signals_wait_and_are_heard_later() -> None:
    """What comes before the handlers are there kills nobody and is not lost; afterwards they are held again."""
    # In a process of its own: a signal to one with other threads would find a thread that does not hold it.
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["StopAsked [10, 12] True", "True"], done.stderr
    assert done.returncode == 0


def test_held_signals_survive_an_exec(others: Strangers) -> None:
    """A process that holds its signals and replaces its program is not ended by one that comes in between."""
    after = (
        "import os, time; from watchdog_cli.adapters.inbox import Inbox; from watchdog_cli.adapters.signals import *\n"
        "inbox = Inbox()\n"
        "with Signals(inbox, is_init=False) as signals:\n"
        "    event = None\n"
        "    while event is None: event = inbox.get(time.monotonic() + 10)\n"
        "    print(type(event).__name__, signals.control_is_wanted, flush=True)"
    )
    before = (
        "import os, signal, sys; from watchdog_cli.adapters.signals import hold, CONTROL; hold();"
        "os.kill(os.getpid(), signal.SIGTERM); os.kill(os.getpid(), CONTROL);"
        "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", before, after], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["StopAsked", "True"], done.stderr
    assert done.returncode == 0


def test_children_do_not_inherit_a_blocked_mask(inbox: Inbox) -> None:
    """A program that is started while we listen can be ended by SIGTERM."""
    hold_before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        hold()
        with Signals(inbox, is_init=False):
            code = "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, hold_before)
