"""The one inbox of the main thread: descriptors, signals and other threads all end here.

The main thread sleeps in one system call. Descriptors call back in the main thread; other threads and signal handlers
only put events in, which wakes it.
"""

import select
from collections.abc import Callable

from watchdog_cli.adapters.pipe_mailbox import PipeMailbox


class Inbox(PipeMailbox):
    """Linux: epoll."""

    def __init__(self) -> None:
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll()
        super().__init__()

    def register(self, descriptor: int, callback: Callable[[], None], *, writable: bool = False) -> None:
        """Call ``callback`` in the main thread whenever the descriptor is ready."""
        self._callbacks[descriptor] = callback
        self._epoll.register(descriptor, select.EPOLLOUT if writable else select.EPOLLIN)

    def unregister(self, descriptor: int) -> None:
        """Forget a descriptor; must come before it is closed."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def _wait(self, timeout: float) -> None:
        for descriptor, _ in self._epoll.poll(timeout):
            callback = self._callbacks.get(descriptor)
            if callback is not None:  # an earlier callback of this round may have unregistered it
                callback()

    def close(self) -> None:
        """Close all that the inbox itself opened."""
        self._epoll.close()
        super().close()
