"""The one inbox of the main thread on Windows.

The main thread sleeps in ``select`` on one socket. Whoever has something for it, another thread or the handler of a
console event, puts it down and writes a byte. Ctrl-C and Ctrl-Break write that byte from the thread in which the
system brings them, so the wait ends at once and needs no slices.
"""

import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from watchdog_cli.core.events import Event

assert sys.platform == "win32"

LONGEST_WAIT_S = 86400.0  # waking once a day costs nothing


class Inbox:
    """It belongs to the thread that makes it."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._calls: deque[Callable[[], None]] = deque()
        self._owner = threading.get_ident()
        self.after_wake: Callable[[], None] | None = None  # runs in the main thread after each wake-up
        self._read, self._write = socket.socketpair()
        for end in (self._read, self._write):
            end.setblocking(False)
        self.wake_fd = self._write.fileno()

    def put(self, event: Event) -> None:
        """Add an event, from any thread."""
        self._events.append(event)
        if threading.get_ident() != self._owner:
            self.wake()

    def call(self, callback: Callable[[], None]) -> None:
        """Let the main thread call ``callback`` as soon as it is awake; from any thread."""
        self._calls.append(callback)
        self.wake()

    def wake(self) -> None:
        """End the present wait, from any thread or signal handler."""
        try:
            self._write.send(b"\0")
        except OSError:  # full of wake-ups already, or we are at our end
            return

    def get(self, until: float | None) -> Event | None:
        """The next event; None when ``until`` (monotonic seconds) has come, or when only a callback ran."""
        if not self._events:
            timeout = LONGEST_WAIT_S if until is None else max(0.0, until - time.monotonic())
            self._wait(min(LONGEST_WAIT_S, timeout))
        return self._events.popleft() if self._events else None

    def take_waiting(self) -> list[Event]:
        """All events that are there already, without looking for more."""
        waiting = list(self._events)
        self._events.clear()
        return waiting

    def poll(self) -> None:
        """Make the calls that wait, without waiting."""
        self._wait(0.0)

    def _wait(self, timeout: float) -> None:
        if select.select([self._read], [], [], timeout)[0]:
            self._drain()
            while self._calls:
                self._calls.popleft()()
            if self.after_wake is not None:
                self.after_wake()

    def _drain(self) -> None:
        try:
            while len(self._read.recv(4096)) == 4096:
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close all that the inbox itself opened."""
        self._read.close()
        self._write.close()
