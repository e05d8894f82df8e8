"""The wake-up of POSIX systems: a byte in a pipe, which a signal writes too."""

import os
from collections.abc import Callable

from watchdog_cli.adapters.mailbox import Mailbox


class PipeMailbox(Mailbox):
    """Descriptors call back in the main thread; the pipe is the first of them. A system adds how it waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self._wake_read, self.wake_fd = os.pipe()  # neither is inherited
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self.wake_fd, False)
        self.register(self._wake_read, self._drain_wake)

    def register(self, descriptor: int, callback: Callable[[], None], *, writable: bool = False) -> None:
        """Call ``callback`` in the main thread whenever the descriptor is ready."""
        raise NotImplementedError

    def wake(self) -> None:
        """End the present wait, from any thread or signal handler."""
        try:
            os.write(self.wake_fd, b"\0")
        except BlockingIOError:
            return  # the pipe is full of wake-ups already

    def _drain_wake(self) -> None:
        try:
            while len(os.read(self._wake_read, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass
        self._woken()

    def close(self) -> None:
        """Close all that the inbox itself opened."""
        os.close(self._wake_read)
        os.close(self.wake_fd)
