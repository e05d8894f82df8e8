"""What the inbox of every system shares: events in order, put in by anybody and taken out by the main thread alone."""

import threading
import time
from collections import deque
from collections.abc import Callable

from watchdog_cli.core.events import Event

LONGEST_WAIT_S = 86400.0  # epoll counts milliseconds in an int; waking once a day costs nothing


class Mailbox:
    """It belongs to the thread that makes it. A system adds ``wake`` and ``_wait``."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._calls: deque[Callable[[], None]] = deque()
        self._owner = threading.get_ident()
        self.after_wake: Callable[[], None] | None = None  # runs in the main thread after each wake-up

    def put(self, event: Event) -> None:
        """Add an event, from any thread.

        The owner itself is awake when it puts one in. That includes its signal handlers: the system has written to
        ``wake_fd`` before they run, so a wait that was about to begin ends at once.
        """
        self._events.append(event)
        if threading.get_ident() != self._owner:
            self.wake()

    def call(self, callback: Callable[[], None]) -> None:
        """Let the main thread call ``callback`` as soon as it is awake; from any thread."""
        self._calls.append(callback)
        self.wake()

    def wake(self) -> None:
        """End the present wait, from any thread or signal handler."""
        raise NotImplementedError

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
        """Run the callbacks of all that is ready, without waiting."""
        self._wait(0.0)

    def _wait(self, timeout: float) -> None:
        """Wait for so many seconds at the most, and run the callbacks of all that is ready."""
        raise NotImplementedError

    def _woken(self) -> None:
        """Somebody ended the wait: make the calls that were left, then what comes after each wake-up."""
        while self._calls:
            self._calls.popleft()()
        if self.after_wake is not None:
            self.after_wake()
