"""The child's output on its way from a named pipe to the log, and to the terminal.

The pipe lies in the state folder and the child holds it open for reading and writing, as we do. So neither
side's death closes it: a child without a watchdog meets no SIGPIPE, its output waits in the pipe, and the next
watchdog opens the same pipe and goes on. For the same reason there is never an end of file here; the end of the
child is known from the process.

One thread moves the bytes. It may wait for a slow disk; nothing else does. They go by splice(2), without a copy
in this process and without a moment in which our death would lose them; what the terminal is to show is read back
from the log. With nothing to move the thread sleeps in poll(2) without a limit. Linux first; other POSIX systems
copy.
"""

import errno
import fcntl
import os
import select
import signal
import stat
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable

from watchdog_cli.adapters.log_gap import reason_of
from watchdog_cli.adapters.log_intake import LogIntake
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.adapters.terminal import Terminal
from watchdog_cli.core.errors import StorageError

PIPE_SIZE = 1024 * 1024  # the most that Linux lets everybody have
BATCH = 128 * 1024  # moved at once; measured: the pipe is locked meanwhile, more makes the child wait
SMALL = 16 * 1024  # a batch below this is a trickle: it may wait a moment for company
BREATH_S = 0.01  # chosen: 100 wake-ups a second at most for a trickle, and never noticed by an eye


class LogPump(LogIntake):
    """Moves what the child prints. Made and steered by the main thread; works in its own."""

    def __init__(
        self,
        fifo_path: str,
        log: RotatingFile,
        *,
        terminal: Terminal | None,
        on_output: Callable[[], None] | None,
        on_problem: Callable[[str], None],
        child_pid: int | None = None,
    ) -> None:
        """Open the pipe, making it if need be, and the log.

        Args:
            child_pid: a running child that is adopted. If its pipe was deleted from the folder it is found
                through the process (Linux).
        Raises:
            StorageError: the pipe or the log cannot be made.
        """
        super().__init__(fifo_path, log, terminal=terminal, on_output=on_output, on_problem=on_problem)
        self._fifo_path = fifo_path
        self._can_splice = hasattr(os, "splice")
        self._moved = 0  # bytes that left the pipe and are stored or counted as lost
        self._tickets: list[_Ticket] = []
        self._lock = threading.Lock()
        self._stopping = False
        self._resting = False  # True: the thread sleeps, and all that it took is stored
        self._thread: threading.Thread | None = None
        try:
            self._fifo = _open_fifo(fifo_path, child_pid)
        except OSError as error:
            log.close()
            raise StorageError(
                f"cannot make the pipe {fifo_path}: {reason_of(error)}; pick another folder with -C"
            ) from error
        _widen(self._fifo)
        self._wake_read, self._wake_write = _make_waker()

    # --- for the main thread -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to move."""
        thread = threading.Thread(target=self._run, name="log-pump", daemon=True)
        thread.start()
        self._thread = thread

    def child_fd(self) -> int:
        """Return a fresh descriptor of the pipe for a child's stdout and stderr; the caller closes it.

        It blocks when the pipe is full, as any program expects of its output: waiting or not belongs to the
        open file, so this is another opening and no duplicate of ours.
        """
        self._run_place = self._place
        try:
            return os.open(f"/proc/self/fd/{self._fifo}", os.O_RDWR)
        except FileNotFoundError:  # no /proc here
            return os.open(self._fifo_path, os.O_RDWR)

    def drain(self, limit_s: float) -> bool:
        """Wait until all that is in the pipe now is stored, but no longer than ``limit_s``.

        What a detached process adds meanwhile is not waited for. Several threads may wait at once.

        Returns:
            False if the time was too short, as with a disk that hangs.
        """
        if self._thread is None:
            return False
        # In this order: an empty pipe whose last bytes are on their way is not yet at rest.
        if self._waiting() == 0 and self._resting:
            return True
        ticket = _Ticket()
        with self._lock:
            self._tickets.append(ticket)
        self._wake()
        return ticket.done.wait(limit_s)

    def stop(self, limit_s: float) -> None:
        """Store what is in the pipe, end the thread and close; a hanging disk is left behind after ``limit_s``."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping = True
            self._wake()
            thread.join(limit_s)
            if thread.is_alive():  # it sits in the disk and still uses the descriptors
                return
        self._marks.close()
        self._log.close()
        for fd in {self._fifo, self._wake_read, self._wake_write}:
            os.close(fd)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\1\0\0\0\0\0\0\0")
        except BlockingIOError:  # it has been woken often enough
            return

    # --- the pump's thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        # Signals belong to the main thread, which must be woken by them.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        poller = select.poll()
        poller.register(self._fifo, select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        waker = select.poll()
        waker.register(self._wake_read, select.POLLIN)
        fine = False
        woken = 0.0
        try:
            while True:
                self._resting = True
                ready = poller.poll()
                self._resting = False
                if any(fd == self._wake_read for fd, _ in ready):
                    _empty(self._wake_read)
                last, woken = woken, time.monotonic()
                count = self._move_all()
                if self._stopping:
                    break
                if count and count < SMALL and woken - last < 2 * BREATH_S:
                    # A trickle: let some come together. A pipe full of it would take longer than this to come,
                    # and whoever asks for something ends the pause.
                    waker.poll(BREATH_S * 1000)
            fine = True
        finally:
            if not fine:
                self._on_problem("the log pump has ended by a fault of its own; output is no longer stored")

    def _move_all(self) -> int:
        """Move until the pipe is empty; when stopping, until that is moved which was there at first."""
        count = 0
        goal = -1
        while True:
            self._serve()
            if self._stopping:
                if goal < 0:
                    goal = self._moved + self._waiting()
                if self._moved >= goal:
                    return count
            before = self._log.offset
            try:
                moved = self._move()
            except BlockingIOError:
                self._serve(empty=True)
                return count
            count += moved
            self._moved += moved
            self._marks.note(before)
            self._publish()
            self._tell()

    def _move(self) -> int:
        """Take one batch out of the pipe.

        Raises:
            BlockingIOError: it is empty.
        """
        terminal = self._terminal
        see = terminal is not None and terminal.wants_child
        moved, data = -1, b""
        if self._can_splice:
            try:
                moved, data = self._log.splice(self._fifo, BATCH, self._waiting, see=see)
            except NotImplementedError:
                self._can_splice = False
        if moved < 0:
            data = os.read(self._fifo, BATCH)
            moved = len(data)
            self._log.write(data)
        if see and terminal is not None:
            terminal.child(data)
        return moved

    def _waiting(self) -> int:
        return _waiting_bytes(self._fifo)

    def _serve(self, *, empty: bool = False) -> None:
        """Answer all who wait in ``drain`` and may go on."""
        if not self._tickets:
            return
        with self._lock:
            for ticket in self._tickets:
                fresh = ticket.goal < 0  # it may have come after the pipe was found empty
                if fresh:
                    ticket.goal = self._moved + self._waiting()
                if self._moved >= ticket.goal or (empty and not fresh):
                    ticket.done.set()
            self._tickets = [ticket for ticket in self._tickets if not ticket.done.is_set()]


class _Ticket:
    """One request to drain."""

    def __init__(self) -> None:
        self.goal = -1  # of bytes moved; set by the pump, which alone knows what is on its way
        self.done = threading.Event()


def _open_fifo(path: str, child_pid: int | None) -> int:
    """Open the pipe without ever waiting, making it anew if something else lies there."""
    flags = os.O_RDWR | os.O_NONBLOCK
    if child_pid is not None:
        held = f"/proc/{child_pid}/fd/1"
        try:
            if os.readlink(held) == f"{os.path.realpath(path)} (deleted)":
                return os.open(held, flags)
        except OSError:  # not on Linux, or it has just gone: nothing is lost that could be had
            pass
    try:
        found = os.lstat(path)
        if not stat.S_ISFIFO(found.st_mode) or found.st_uid != os.geteuid():
            os.unlink(path)
            os.mkfifo(path, 0o600)
    except FileNotFoundError:
        os.mkfifo(path, 0o600)
    return os.open(path, flags)


def _widen(fifo: int) -> None:
    """Make the pipe as large as we are let; a user's pipes have a common limit."""
    if not sys.platform.startswith("linux"):
        return
    size = PIPE_SIZE
    while size > 64 * 1024:
        try:
            fcntl.fcntl(fifo, fcntl.F_SETPIPE_SZ, size)
        except OSError as error:
            if error.errno == errno.EBUSY:  # more is waiting in it than would fit
                return
            size //= 2
        else:
            return


def _make_waker() -> tuple[int, int]:
    if hasattr(os, "eventfd"):
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return fd, fd
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    return read, write


def _empty(fd: int) -> None:
    try:
        while len(os.read(fd, 512)) == 512:
            pass
    except BlockingIOError:
        return


def _waiting_bytes(fd: int) -> int:
    answer = fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0")
    return int(struct.unpack("i", answer)[0])
