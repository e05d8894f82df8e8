"""What the person at the terminal sees: the child's output and our own lines, in order and never torn.

Writing may block without end: Ctrl-S, a stopped pager, a dead network. So each destination has a thread of its
own that does the waiting, behind a queue of limited size. What does not fit is left out, whole lines at a time,
and said; it is in the log. A thread exists only once something was shown, and sleeps while nothing is.
"""

import errno
import os
import select
import signal
import sys
import threading
import time
from collections import deque

HELD = 256 * 1024  # bytes of output that wait for a slow terminal: some thousand lines
HELD_OWN = 64 * 1024  # further bytes for our own lines, which matter most when the terminal was stuck
JOINED = 1024  # smaller pieces are put together, or a program that prints dot by dot would cost much memory
PIECE = 32 * 1024
FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})


class Terminal:
    """Shows the child's bytes on stdout and our own lines on stderr. Any thread may call it; none ever waits."""

    def __init__(
        self, log_name: str, *, stdout: int | None = 1, stderr: int | None = 2, show_child: bool = True
    ) -> None:
        """Look where the two streams lead; one that is closed shows nothing.

        Args:
            log_name: where lines that could not be shown can be read, as the person would write it.
            show_child: False for our own lines only.
        """
        out = stdout if sys.stdout is not None or stdout != 1 else None  # 1 may be a file of ours by now
        err = stderr if sys.stderr is not None or stderr != 2 else None
        out_place, err_place = _place(out), _place(err)
        self._out = _Stream(out, log_name) if out is not None and out_place and show_child else None
        if self._out is not None and out_place == err_place:
            self._err: _Stream | None = self._out  # one screen, one queue: the order is kept
        else:
            self._err = _Stream(err, log_name) if err is not None and err_place else None

    @property
    def wants_child(self) -> bool:
        """Is there anybody for the child's output? False once stdout is gone for good."""
        return self._out is not None and not self._out.gone

    def say(self, text: str) -> None:
        """Show a line of our own."""
        if self._err is not None:
            self._err.own_line(text.encode("utf-8", "backslashreplace"))

    def child(self, data: bytes) -> None:
        """Show bytes of the child, in pieces as they come."""
        if self._out is not None:
            self._out.output(data)

    def close(self, limit_s: float) -> None:
        """Show what is still waiting, but no longer than ``limit_s``."""
        streams = {id(stream): stream for stream in (self._out, self._err) if stream is not None}.values()
        for stream in streams:
            stream.finish()
        end = time.monotonic() + limit_s
        for stream in streams:
            stream.join(max(0.0, end - time.monotonic()))


class _Stream:
    """One destination: a queue and the thread that writes it."""

    def __init__(self, fd: int, log_name: str) -> None:
        self.gone = False
        self._fd = fd
        self._log_name = log_name
        self._changed = threading.Condition()
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._line_open = False  # what was queued last ends within a line of the child
        self._owes_newline = False  # we ended a line of the child for it; its own line end is still to come
        self._missed = 0  # lines left out since the last note
        self._noting = 0  # of these, the number in a note that is being written
        self._in_missed = False  # the next bytes belong to a line whose beginning was left out
        self._stuck = False  # the disk behind it is full: try again with the next thing to show
        self._finishing = False
        self._thread: threading.Thread | None = None

    def output(self, data: bytes) -> None:
        with self._changed:
            if self.gone or not data:
                return
            if self._missed and not self._stuck:
                # Until the note of what is missing stands there, or the order would be wrong.
                self._miss(data)
                return
            if self._in_missed:
                _, end, rest = data.partition(b"\n")
                data = rest if end else data
                self._in_missed = False
            if self._owes_newline:
                data = data.removeprefix(b"\n")
                self._owes_newline = False
            if self._held + len(data) > HELD:
                fits = data[: data.rfind(b"\n", 0, max(0, HELD - self._held)) + 1]
                self._miss(data[len(fits) :])
                data = fits
            if data:
                self._queue(data)
                self._line_open = not data.endswith(b"\n")

    def own_line(self, line: bytes) -> None:
        with self._changed:
            if self.gone:
                return
            if self._held + len(line) > HELD + HELD_OWN:
                self._missed += 1
                return
            if self._line_open:
                line = b"\n" + line
                self._line_open, self._owes_newline = False, True
            self._queue(line + b"\n")

    def finish(self) -> None:
        with self._changed:
            self._finishing = True
            self._changed.notify()

    def join(self, limit_s: float) -> None:
        if self._thread is not None:
            self._thread.join(limit_s)

    def _miss(self, data: bytes) -> None:
        self._missed += data.count(b"\n")
        self._missed = max(1, self._missed)
        self._in_missed = not data.endswith(b"\n")
        self._owes_newline = False

    def _queue(self, data: bytes) -> None:
        if self._missed and self._stuck:
            data = self._note() + data
        self._stuck = False
        if self._parts and len(self._parts[-1]) < JOINED:
            self._parts[-1] += data
        else:
            self._parts.append(data)
        self._held += len(data)
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="terminal", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread can be had; the log has it all
                self._give_up()
                return
            self._thread = thread
        self._changed.notify()

    # --- the writing thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # Signals belong to the main thread. SIGTTOU above all: it would stop the whole process when it
            # runs in the background of a terminal that forbids output from there.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while (piece := self._next()) is not None:
            try:
                self._write(piece)
            except OSError as error:
                with self._changed:
                    if error.errno not in FULL:  # nobody is there any more: closed pipe, hung-up terminal
                        self._give_up()
                        return
                    own = 1 if self._noting else 0
                    self._missed += self._noting + max(1, piece.count(b"\n") - own)
                    self._stuck = True
            self._noting = 0

    def _next(self) -> bytes | None:
        """Wait for something to show; None at the end."""
        with self._changed:
            while not self._parts and (self._stuck or not self._missed):
                if self._finishing:
                    return None
                self._changed.wait()
            if not self._parts:
                return self._note()
            taken = [self._parts.popleft()]
            size = len(taken[0])
            while self._parts and size + len(self._parts[0]) <= PIECE:
                taken.append(self._parts.popleft())
                size += len(taken[-1])
            self._held -= size
            return b"".join(taken)

    def _note(self) -> bytes:
        self._noting, self._missed = self._missed, 0
        lines = "1 line" if self._noting == 1 else f"{self._noting} lines"
        start = b"\n" if self._line_open else b""
        self._line_open = False
        return start + f"[watchdog] {lines} not shown here; see {self._log_name}\n".encode()

    def _give_up(self) -> None:
        self.gone = True
        self._parts.clear()
        self._held = 0

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # another program has set our common terminal so
                select.select([], [self._fd], [])


def _place(fd: int | None) -> tuple[int, int] | None:
    """Say where a descriptor leads, or None if it is closed."""
    if fd is None:
        return None
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    if not found.st_ino:  # Windows: a console or a pipe has no number, and two consoles are one screen
        return (0, 0) if os.isatty(fd) else (-1, fd)
    return found.st_dev, found.st_ino
