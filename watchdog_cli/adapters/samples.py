"""Measure the running program now and then, and keep what was found in a bounded file.

There is no thread and no timer for it: the thread that writes the journal does it while it has nothing else to do. It
wakes four times a minute while a program runs, and not at all while none does. Each sample is on its way to the disk
before the next one is taken, so the last one also says until when the watchdog was certainly there.
"""

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from watchdog_cli.adapters import life
from watchdog_cli.core.errors import StorageError
from watchdog_cli.core.samples import CENTI, EVERY_S, KIBI, NEVER, head_line, life_tag, sample_line

if TYPE_CHECKING:
    from watchdog_cli.adapters.child import Identity
    from watchdog_cli.adapters.rotating_file import RotatingFile
    from watchdog_cli.adapters.tree_usage import TreeUsage

SIZE = 400_000  # bytes of one file; there are eight of them
BACKUPS = 7  # the older seven alone hold 30 days of a program that never ends
BLOCK = 20  # samples to a head line: damage costs five minutes


class Sampler:
    """Takes a sample every ``EVERY_S`` seconds while the program runs; all calls come from one thread."""

    def __init__(
        self,
        path: str,
        *,
        who: "Callable[[], Identity | None]",
        silent_s: Callable[[], float | None],
        every_s: float = EVERY_S,
    ) -> None:
        """Nothing is opened yet.

        Args:
            who: the present run; asked from our own thread.
            silent_s: how long ago its last sign of life was; None before the first.
        """
        self._path = path
        self._who = who
        self._silent_s = silent_s
        self._every_s = every_s
        self._due_at: float | None = None
        self._tag = 0
        self._file: RotatingFile | None = None
        self._generation = -1
        self._usage: TreeUsage | None = None
        self._run_id = ""
        self._left = 0  # samples until the next head line
        self._up = 0
        self._cpu = 0

    def due_in_s(self) -> float | None:
        """How long the next sample has time; None while nothing runs."""
        if self._who() is None:
            self._due_at = None
            return None
        now = time.monotonic()
        if self._due_at is None:
            self._due_at = now + self._every_s
        return max(0.0, self._due_at - now)

    def take(self) -> None:
        """Measure and write one sample, if there is something to measure."""
        self._due_at = time.monotonic() + self._every_s
        identity = self._who()
        if identity is None:
            return
        if self._usage is None or identity.run_id != self._run_id:
            from watchdog_cli.adapters.tree_usage import TreeUsage

            self._usage = TreeUsage(identity.pid, identity.start_ticks)
            self._run_id, self._left, self._up, self._cpu = identity.run_id, 0, 0, 0
        found = self._usage.measure()
        if found is not None:
            self._write(identity.number, *found)

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()

    def _write(self, number: int, resident: int, cpu_s: float) -> None:
        silent = self._silent_s()
        up, cpu = int(life.up_s()), round(cpu_s / CENTI)
        self._up = self._up or up  # the first sample of a run comes after none
        step = up - self._up
        file = self._file or self._open()
        text = ""
        if self._left <= 0 or file.generation != self._generation:
            text = head_line(self._up, int(time.time()) - step, self._tag, number)
            self._left, self._generation = BLOCK, file.generation
        used = max(0, cpu - self._cpu)  # what a vanished orphan has used is gone with it
        text += sample_line(step, resident // KIBI, used, NEVER if silent is None else int(silent))
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
