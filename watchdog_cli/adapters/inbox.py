"""The one inbox of the main thread: descriptors, signals and other threads all end here.

The main thread sleeps in one system call. Descriptors call back in the main thread; other threads and signal handlers
only put events in, which wakes it.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

from watchdog_cli.core.events import Event

LONGEST_WAIT_S = 86400.0  # epoll counts milliseconds in an int; waking once a day costs nothing


class Inbox:
    """Linux: epoll. It belongs to the thread that makes it."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._owner = threading.get_ident()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll()
        self.after_wake: Callable[[], None] | None = None  # runs in the main thread after each wake-up
        self._wake_read, self.wake_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.register(self._wake_read, self._drain_wake)

    def register(self, descriptor: int, callback: Callable[[], None], *, writable: bool = False) -> None:
        """Call ``callback`` in the main thread whenever the descriptor is ready."""
        self._callbacks[descriptor] = callback
        self._epoll.register(descriptor, select.EPOLLOUT if writable else select.EPOLLIN)

    def unregister(self, descriptor: int) -> None:
        """Forget a descriptor; must come before it is closed."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def put(self, event: Event) -> None:
        """Add an event, from any thread.

        The owner itself is awake when it puts one in. That includes its signal handlers: the system has written to
        ``wake_fd`` before they run, so a wait that was about to begin ends at once.
        """
        self._events.append(event)
        if threading.get_ident() != self._owner:
            self.wake()

    def wake(self) -> None:
        """End the present wait, from any thread or signal handler."""
        try:
            os.write(self.wake_fd, b"\0")
        except BlockingIOError:
            return  # the pipe is full of wake-ups already

    def get(self, until: float | None) -> Event | None:
        """The next event; None when ``until`` (monotonic seconds) has come, or when only a callback ran."""
        if not self._events:
            timeout = -1.0 if until is None else min(LONGEST_WAIT_S, max(0.0, until - time.monotonic()))
            self._wait(timeout)
        return self._events.popleft() if self._events else None

    def take_waiting(self) -> list[Event]:
        """All events that are there already, without looking for more."""
        waiting = list(self._events)
        self._events.clear()
        return waiting

    def poll(self) -> None:
        """Run the callbacks of all descriptors that are ready, without waiting."""
        self._wait(0.0)

    def _wait(self, timeout: float) -> None:
        for descriptor, _ in self._epoll.poll(timeout):
            callback = self._callbacks.get(descriptor)
            if callback is not None:  # an earlier callback of this round may have unregistered it
                callback()

    def _drain_wake(self) -> None:
        try:
            while len(os.read(self._wake_read, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass
        if self.after_wake is not None:
            self.after_wake()

    def close(self) -> None:
        """Close all that the inbox itself opened."""
        self._epoll.close()
        os.close(self._wake_read)
        os.close(self.wake_fd)
