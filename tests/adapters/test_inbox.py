"""The inbox wakes at once for descriptors, threads and signals, and sleeps otherwise."""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from next_event import next_event
from watchdog_cli.adapters.inbox import Inbox
from watchdog_cli.core.events import Continued, Tick


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    found = Inbox()
    yield found
    found.close()


def test_events_keep_their_order(inbox: Inbox) -> None:
    """What was put first comes first, and nothing is lost in between."""
    inbox.put(Tick())
    inbox.put(Continued())
    assert inbox.get(None) == Tick()
    assert inbox.get(None) == Continued()


def test_nothing_comes_before_the_deadline(inbox: Inbox) -> None:
    """Without an event the wait ends at its deadline with nothing, not before."""
    until = time.monotonic() + 0.15
    assert inbox.get(until) is None
    assert time.monotonic() >= until - 0.002


def test_deadline_in_the_past_does_not_wait(inbox: Inbox) -> None:
    """A deadline that is over still takes what is there, and else returns at once."""
    began = time.monotonic()
    assert inbox.get(began - 100) is None
    inbox.put(Tick())
    assert inbox.get(began - 100) == Tick()
    assert time.monotonic() - began < 1


def test_endless_deadlines_do_not_overflow(inbox: Inbox) -> None:
    """A deadline of a year is longer than the system call can express; it still waits and wakes."""
    threading.Timer(0.1, inbox.put, [Tick()]).start()
    event = None
    while event is None:
        event = inbox.get(time.monotonic() + 366 * 86400)
    assert event == Tick()


def test_another_thread_wakes_the_wait(inbox: Inbox) -> None:
    """An event from another thread ends an endless wait."""
    thread = threading.Thread(target=inbox.put, args=(Tick(),))
    thread.start()
    event = next_event(inbox)
    thread.join()
    assert event == Tick()


def test_signal_wakes_the_wait(inbox: Inbox) -> None:
    """A signal whose handler puts an event ends an endless wait, also one that comes just before it."""
    before = signal.signal(signal.SIGUSR1, lambda *_: inbox.put(Continued()))
    fd_before = signal.set_wakeup_fd(inbox.wake_fd, warn_on_full_buffer=False)
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        event = next_event(inbox)
        assert event == Continued()
    finally:
        signal.set_wakeup_fd(fd_before)
        signal.signal(signal.SIGUSR1, before)


def test_flood_of_wakes_neither_blocks_nor_loses(inbox: Inbox) -> None:
    """More events than the wake-up pipe can hold are all there."""
    for _ in range(70_000):
        inbox.put(Tick())
    count = 0
    while inbox.get(time.monotonic() - 1) is not None:
        count += 1
    assert count == 70_000


def test_ready_descriptor_calls_back_in_this_thread(inbox: Inbox) -> None:
    """A callback runs in the thread that waits, and may put an event."""
    read, write = os.pipe()
    threads: list[int] = []

    def callback() -> None:
        threads.append(threading.get_ident())
        os.read(read, 10)
        inbox.put(Tick())

    inbox.register(read, callback)
    os.write(write, b"x")
    assert inbox.get(time.monotonic() + 10) == Tick()
    assert threads == [threading.get_ident()]
    inbox.unregister(read)
    os.close(read)
    os.close(write)


def test_callback_may_unregister_another_of_the_same_round(inbox: Inbox) -> None:
    """Two descriptors are ready at once and the first takes the second away: that one is not called."""
    pipes = [os.pipe(), os.pipe()]
    called: list[int] = []

    def take(which: int) -> None:
        called.append(which)
        for number, (read, _) in enumerate(pipes):
            if number != which:
                inbox.unregister(read)
        os.read(pipes[which][0], 10)

    for number, (read, write) in enumerate(pipes):
        inbox.register(read, lambda number=number: take(number))  # type: ignore[misc]
        os.write(write, b"x")
    inbox.poll()
    assert len(called) == 1
    for read, write in pipes:
        inbox.unregister(read)
        os.close(read)
        os.close(write)


def test_writable_is_another_question_than_readable(inbox: Inbox) -> None:
    """A descriptor that is registered for writing calls back while it takes bytes."""
    read, write = os.pipe2(os.O_NONBLOCK)
    called: list[str] = []
    inbox.register(write, lambda: called.append("writable"), writable=True)
    inbox.poll()
    assert called == ["writable"]
    inbox.unregister(write)
    inbox.poll()
    assert called == ["writable"]
    os.close(read)
    os.close(write)


def test_unregistering_twice_is_harmless(inbox: Inbox) -> None:
    """A descriptor that is not known is not missed."""
    read, write = os.pipe()
    inbox.register(read, lambda: None)
    inbox.unregister(read)
    inbox.unregister(read)
    os.close(read)
    os.close(write)
    assert not select.select([inbox.wake_fd], [], [], 0)[0]
