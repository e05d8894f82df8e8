"""The child's output on its way from a pipe to the log, and to the terminal, on Windows.

Each run has a pipe of its own, and a thread that reads it until everybody who holds its other end is gone. As the job
object ends the child with us, nothing needs to outlive us here.
"""

import ctypes
import msvcrt
import os
import sys
import threading
import time
from collections.abc import Callable
from ctypes import wintypes

from watchdog_cli.adapters.log_intake import LogIntake
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.adapters.terminal import Terminal
from watchdog_cli.adapters.windows import api

assert sys.platform == "win32"

PIPE_SIZE = 1024 * 1024
BATCH = 128 * 1024
LOOK_S = 0.005  # while somebody waits for the last words


class LogPump(LogIntake):
    """Moves what the child prints. Made and steered by the main thread; works in others."""

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
        """Open the log; the pipes here have no names, and nobody is adopted."""
        del child_pid
        super().__init__(fifo_path, log, terminal=terminal, on_output=on_output, on_problem=on_problem)
        self._lock = threading.Lock()  # the last words of one run may come beside the first ones of the next
        self._readers: list[_Reader] = []

    def start(self) -> None:
        """Nothing to begin before there is a pipe."""

    def child_fd(self) -> int:
        """Make a pipe for a child's stdout and stderr and return its writing end; the caller closes it.

        Raises:
            OSError: the system has none left.
        """
        self._run_place = self._place
        reading, writing = wintypes.HANDLE(), wintypes.HANDLE()
        if not api.kernel32.CreatePipe(ctypes.byref(reading), ctypes.byref(writing), None, PIPE_SIZE):
            raise api.failure("pipe")
        source = msvcrt.open_osfhandle(reading.value or 0, os.O_RDONLY | os.O_BINARY)
        target = msvcrt.open_osfhandle(writing.value or 0, os.O_BINARY)
        reader = _Reader(source, self._take)
        with self._lock:
            self._readers = [one for one in self._readers if one.thread.is_alive()]
            self._readers.append(reader)
        reader.thread.start()
        return target

    def _take(self, data: bytes) -> None:
        with self._lock:
            before = self._log.offset
            self._log.write(data)
            self._marks.note(before)
            self._publish()
        if self._terminal is not None and self._terminal.wants_child:
            self._terminal.child(data)
        self._tell()

    def drain(self, limit_s: float) -> bool:
        """Wait until all that is in the pipes now is stored; False if ``limit_s`` was too short for that."""
        end = time.monotonic() + limit_s
        with self._lock:
            readers = list(self._readers)
        idle = 0
        while idle < 2:  # what a reader has just taken out of its pipe shows only at the second look
            idle = 0 if any(one.is_busy() for one in readers) else idle + 1
            if not any(one.thread.is_alive() for one in readers):
                break
            if time.monotonic() >= end:
                return False
            time.sleep(LOOK_S)
        return True

    def stop(self, limit_s: float) -> None:
        """Store what is in the pipes and close; a hanging disk is left behind after ``limit_s``."""
        end = time.monotonic() + limit_s
        with self._lock:
            readers = list(self._readers)
        for one in readers:  # each ends when nobody holds the other end of its pipe
            one.thread.join(max(0.0, end - time.monotonic()))
        if any(one.thread.is_alive() for one in readers):
            return
        self._marks.close()
        self._log.close()


class _Reader:
    """The reading end of one pipe."""

    def __init__(self, descriptor: int, take: Callable[[bytes], None]) -> None:
        self._descriptor = descriptor
        self._take = take
        self._resting = False
        self.thread = threading.Thread(target=self._run, name="log-pump", daemon=True)

    def _run(self) -> None:
        try:
            while True:
                self._resting = True
                data = os.read(self._descriptor, BATCH)
                self._resting = False
                if not data:
                    break
                self._take(data)
        except OSError:  # the same end, in other words
            pass
        finally:
            os.close(self._descriptor)

    def is_busy(self) -> bool:
        """Whether something is on its way to the log."""
        if not self.thread.is_alive():
            return False
        if not self._resting:
            return True
        waiting = wintypes.DWORD()
        try:
            handle = msvcrt.get_osfhandle(self._descriptor)
        except OSError:
            return False
        known = api.kernel32.PeekNamedPipe(handle, None, 0, None, ctypes.byref(waiting), None)
        return bool(known and waiting.value)
