"""End a wait of the main thread from any thread and from a signal, at any instruction.

A handler of Python runs between two instructions of Python. That of a signal which falls just before a wait begins
runs only when that wait is over, whatever is waited for; and a lock that the main thread holds is held in its handlers
too. So the system itself writes a byte when a signal comes, and what is waited for is that byte.
"""

import contextlib
import os
import select
import signal
from typing import Any

_DRAINED_AT_ONCE = 4096


class WakeUp:
    """A pipe to oneself; a pair of sockets where pipes cannot be waited for."""

    def __init__(self) -> None:
        """Nothing wakes us yet but ``wake``."""
        self._pair: tuple[Any, Any] | None = None
        if os.name == "nt":
            import socket

            self._pair = socket.socketpair()
            self._read, self._write = (one.fileno() for one in self._pair)
            for one in self._pair:
                one.setblocking(False)
        else:
            self._read, self._write = os.pipe()
            os.set_blocking(self._read, False)
            os.set_blocking(self._write, False)

    def listen_to_signals(self) -> None:
        """Let every signal that has a handler end a wait, for the rest of the process's life. Main thread only."""
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def wake(self) -> None:
        """End the present wait, or the next one; from any thread."""
        with contextlib.suppress(BlockingIOError):  # full of wake-ups already
            if self._pair is not None:
                self._pair[1].send(b"\0")
            else:
                os.write(self._write, b"\0")

    def wait(self, limit_s: float | None) -> None:
        """Return when somebody wakes us, or when ``limit_s`` is over; handlers have run by then."""
        select.select([self._read], [], [], limit_s)
        with contextlib.suppress(BlockingIOError):
            while self._take() == _DRAINED_AT_ONCE:
                pass

    def _take(self) -> int:
        if self._pair is not None:
            return len(self._pair[0].recv(_DRAINED_AT_ONCE))
        return len(os.read(self._read, _DRAINED_AT_ONCE))
