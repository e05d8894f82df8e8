"""The one inbox of the main thread on Windows.

The main thread sleeps in ``select`` on one socket. Whoever has something for it, another thread or the handler of a
console event, puts it down and writes a byte. Ctrl-C and Ctrl-Break write that byte from the thread in which the
system brings them, so the wait ends at once and needs no slices.
"""

import select
import socket
import sys

from watchdog_cli.adapters.mailbox import Mailbox

assert sys.platform == "win32"


class Inbox(Mailbox):
    """A pair of sockets."""

    def __init__(self) -> None:
        super().__init__()
        self._read, self._write = socket.socketpair()
        for end in (self._read, self._write):
            end.setblocking(False)
        self.wake_fd = self._write.fileno()

    def wake(self) -> None:
        """End the present wait, from any thread or signal handler."""
        try:
            self._write.send(b"\0")
        except OSError:  # full of wake-ups already, or we are at our end
            return

    def _wait(self, timeout: float) -> None:
        if select.select([self._read], [], [], timeout)[0]:
            self._drain()
            self._woken()

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
