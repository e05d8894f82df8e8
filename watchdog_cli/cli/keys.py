"""Waiting at a terminal for time to pass, and being woken by a key or by a new size of the window."""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType


class Keys:
    """Keys that are pressed while ``listening``; on systems without such a terminal there are none."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._waker: tuple[int, int] | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take single keys without showing them; give the terminal back as it was, whatever ends us."""
        with contextlib.ExitStack() as undo:
            for name in ("SIGTERM", "SIGHUP"):
                if hasattr(signal, name):
                    number = getattr(signal, name)
                    undo.callback(signal.signal, number, signal.signal(number, _leave))
            if hasattr(signal, "SIGWINCH"):
                self._waker = os.pipe()
                for end in self._waker:
                    os.set_blocking(end, False)
                    undo.callback(os.close, end)
                undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(self._waker[1]))
                undo.callback(signal.signal, signal.SIGWINCH, signal.signal(signal.SIGWINCH, _nothing))
                self._take_keys(undo)
            yield

    def _take_keys(self, undo: contextlib.ExitStack) -> None:
        try:
            import termios
            import tty
        except ImportError:
            return
        with contextlib.suppress(OSError, ValueError, AttributeError, termios.error):
            descriptor = sys.stdin.fileno()
            before = termios.tcgetattr(descriptor)
            tty.setcbreak(descriptor, termios.TCSANOW)
            undo.callback(termios.tcsetattr, descriptor, termios.TCSANOW, before)
            self._descriptor = descriptor

    def wait(self, for_s: float) -> str:
        """Wait that long; return at once with the key that is pressed, or "" when the window has changed its size."""
        if self._waker is None:
            time.sleep(for_s)
            return ""
        watched = [self._waker[0]]
        if self._descriptor is not None:
            watched.append(self._descriptor)
        ready, _, _ = select.select(watched, [], [], max(0.0, for_s))
        if self._waker[0] in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._waker[0], 4096)
        if self._descriptor is None or self._descriptor not in ready:
            return ""
        pressed = os.read(self._descriptor, 64)
        if not pressed:  # the terminal is gone
            self._descriptor = None
        return pressed[:1].decode("ascii", "replace")


def _leave(number: int, frame: FrameType | None) -> None:
    """Unwind, so that the screen is given back, and end as the signal would have ended us."""
    del frame
    raise SystemExit(128 + number)


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler must be there for the wake-up."""
