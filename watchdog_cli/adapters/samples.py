"""Measure the running program now and then, and keep what was found in a bounded file.

A thread of its own, away from every decision: it sleeps in one system call, wakes four times a minute while a program
runs and not at all while none does. Each sample is on its way to the disk before the next one is taken, so the last
one also says until when the watchdog was certainly there.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from watchdog_cli.adapters import life
from watchdog_cli.core.errors import StorageError
from watchdog_cli.core.samples import CENTI, EVERY_S, KIBI, NEVER, head_line, life_tag, sample_line

if TYPE_CHECKING:
    from watchdog_cli.adapters.identity import Identity
    from watchdog_cli.adapters.rotating_file import RotatingFile
    from watchdog_cli.adapters.tree_usage import TreeUsage

SIZE = 400_000  # bytes of one file; eight of them
BACKUPS = 7  # the older seven alone hold 30 days of a program that never ends
BLOCK = 20  # samples to a head line: damage costs five minutes


class Sampler:
    """Takes a sample every ``EVERY_S`` seconds while the program runs."""

    def __init__(
        self,
        path: str,
        *,
        who: "Callable[[], Identity | None]",
        silent_s: Callable[[], float | None],
        every_s: float = EVERY_S,
    ) -> None:
        """Nothing is started or opened yet.

        Args:
            who: the present run; asked from our own thread.
            silent_s: how long ago its last sign of life was; None before the first.
        """
        self._path = path
        self._who = who
        self._silent_s = silent_s
        self._every_s = every_s
        self._tag = 0
        self._file: RotatingFile | None = None
        self._generation = -1
        self._usage: tuple[str, TreeUsage] | None = None
        self._run_id = ""
        self._left = 0  # samples until the next head line
        self._up = 0
        self._cpu = 0
        self._bell = threading.Lock()  # a plain lock: waiting for it costs the least
        self._bell.acquire()
        self._asleep = False
        self._wanted = False
        self._closing = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """A program is about to be started or was taken over; called by the main thread only."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
            self._thread.start()
        self._wanted = True
        if self._asleep:
            self._ring()

    def close(self, limit_s: float) -> None:
        """End the thread; a disk that hangs is left behind."""
        self._closing = True
        if self._thread is not None:
            self._ring()
            self._thread.join(limit_s)

    def _ring(self) -> None:
        if self._bell.locked():
            self._bell.release()

    def _run(self) -> None:
        while not self._closing:
            if self._bell.acquire(timeout=self._every_s):
                continue  # there is something to look at: the end, or a program after a long quiet
            identity = self._who()
            if identity is not None:
                self._take(identity)
                continue
            self._asleep = True  # before the look at ``_wanted``: one of the two sides sees the other
            if not self._wanted and not self._closing:
                self._bell.acquire()
            self._asleep = self._wanted = False
        if self._file is not None:
            self._file.close()

    def _take(self, identity: "Identity") -> None:
        """Measure and write one sample."""
        self._wanted = False
        if self._usage is None or self._usage[0] != identity.run_id:
            from watchdog_cli.adapters.tree_usage import TreeUsage

            self._usage = identity.run_id, TreeUsage(identity.pid, identity.start_ticks)
        found = self._usage[1].measure()
        if found is None:
            return
        silent = self._silent_s()
        up, rss, cpu = int(life.up_s()), found[0] // KIBI, round(found[1] / CENTI)
        text = ""
        file = self._file or self._open()
        if identity.run_id != self._run_id:
            self._run_id, self._left, self._up, self._cpu = identity.run_id, 0, up, 0
        if not self._left or file.generation != self._generation:
            text = head_line(self._up, int(time.time()) - (up - self._up), self._tag, identity.number)
            self._left, self._generation = BLOCK, file.generation
        text += sample_line(
            up - self._up, rss, max(0, cpu - self._cpu), NEVER if silent is None else int(silent)
        )
        # After a line that could not be kept the next one must not lean on it.
        self._left = self._left - 1 if file.write(text.encode()) else 0
        self._up, self._cpu = up, cpu

    def _open(self) -> "RotatingFile":
        from watchdog_cli.adapters.rotating_file import RotatingFile

        self._tag = life_tag(life.own_life())
        self._file = RotatingFile(self._path, SIZE, BACKUPS, gap_note=lambda _lost, _reason: b"")
        with contextlib.suppress(StorageError):  # write() tries again, and nobody need know of it
            self._file.open()
        return self._file


def read_samples(path: str, since: float) -> bytes:
    """The content of the files, oldest first; those that are missing or cannot be read are left out.

    Args:
        since: files that were last written before this time (unix seconds) are left out too.
    """
    from watchdog_cli.adapters.log_reader import close_row, open_row

    try:
        row = open_row(path)
    except OSError:
        return b""
    try:
        return b"".join(file.read(0, 2 * SIZE) for file in reversed(row) if file.changed_at >= since)
    finally:
        close_row(row)
