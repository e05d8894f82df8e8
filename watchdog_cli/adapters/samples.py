"""Measure the running program now and then, and keep what was found in a bounded row of files.

There is no thread and no timer for it: the thread that writes the journal does it while it has nothing else to do. It
wakes four times a minute while a program runs, and not at all while none does. Each sample is on its way to the disk
before the next one is taken, so the last one also says until when the watchdog was certainly there.
"""

import contextlib
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from watchdog_cli.adapters import boot_clock, life
from watchdog_cli.adapters.log_row import LogRow
from watchdog_cli.core.samples import CENTI, EVERY_S, KIBI, NEVER, head_line, life_tag, sample_line

if TYPE_CHECKING:
    from watchdog_cli.adapters.identity import Identity
    from watchdog_cli.adapters.system import usages

SIZE = 500_000  # bytes of one file; there are eight of them
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
        self._who = who
        self._silent_s = silent_s
        self._every_s = every_s
        self._due_at: float | None = None
        self._file = SampleFile(path)
        self._tag = life_tag(life.own_life())
        self._usage: usages.TreeUsage | None = None
        self._run_id = ""
        self._left = 0  # samples until the next head line
        self._up = 0
        self._cpu = 0

    def turn(self) -> float | None:
        """Take a sample if one is due; return how long the next one has time, None while nothing runs."""
        identity = self._who()
        if identity is None:
            return None
        now = time.monotonic()
        # A short time without a program does not put it off, or one that dies every ten seconds would never be seen.
        if self._due_at is None or now > self._due_at + self._every_s:
            self._due_at = now + self._every_s
        elif now >= self._due_at:
            self._due_at = now + self._every_s
            self.take(identity)
        return self._due_at - now

    def take(self, identity: "Identity") -> None:
        """Measure and write one sample, if there still is something to measure."""
        if self._usage is None or identity.run_id != self._run_id:
            from watchdog_cli.adapters.system import usages

            self._forget()
            self._usage = usages.TreeUsage(identity.pid, identity.start_ticks)
            self._run_id = identity.run_id
        found = self._usage.measure()
        if found is None:
            return
        resident, cpu_s = found
        silent = self._silent_s()
        up, cpu = int(boot_clock.now_s()), round(cpu_s / CENTI)
        self._up = self._up or up  # the first sample of a run comes after none
        step = up - self._up
        used = max(0, cpu - self._cpu)  # what a vanished orphan has used is gone with it
        line = sample_line(step, resident // KIBI, used, NEVER if silent is None else int(silent))
        if self._left > 0:
            self._left -= 1
            kept = self._file.add(line)
        else:
            self._left = BLOCK - 1
            kept = self._file.begin(
                head_line(self._up, int(time.time()) - step, self._tag, identity.number) + line
            )
        if not kept:  # the next one must not lean on this one
            self._left = 0
        self._up, self._cpu = up, cpu

    def close(self) -> None:
        """Let the files go."""
        self._forget()
        self._file.close()

    def _forget(self) -> None:
        if self._usage is not None:
            self._usage.close()
            self._usage = None
        self._left = self._up = self._cpu = 0


class SampleFile:
    """A row of files that each begin with a head line; ``PATH`` is the newest, ``PATH.1`` the one before.

    What cannot be written is lost and nobody is told: whoever has no room for a few bytes has heard of it already.
    """

    def __init__(self, path: str, size: int = SIZE, backups: int = BACKUPS) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._size = size
        self._row = LogRow(path, size, backups)
        self._descriptor = -1

    def begin(self, text: str) -> bool:
        """Write the beginning of a block, in a new file if this one is full; False if that failed.

        Now and then is often enough to see whether the file still goes by its name.
        """
        try:
            self._make_room()
        except OSError:
            self.close()
            return False
        return self.add(text)

    def add(self, text: str) -> bool:
        """Write some more of a block; False if that failed."""
        data = text.encode()
        try:
            done = os.write(self._descriptor, data)
        except OSError:  # the disk is full, or nothing is open
            return False
        return done == len(data)

    def close(self) -> None:
        """Let the file go."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def _make_room(self) -> None:
        self.close()
        flags = (
            os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        )
        self._descriptor = os.open(self._path, flags, 0o600)
        if os.fstat(self._descriptor).st_size < self._size:
            return
        self.close()
        self._row.shift()
        self._descriptor = os.open(self._path, flags, 0o600)


def read_samples(path: str, since: float) -> bytes:
    """The content of the files, oldest first; those that are missing or cannot be read are left out.

    Args:
        since: files that were last written before this time (unix seconds) are left out too.
    """
    from watchdog_cli.adapters.log_reader import opened_row

    with opened_row(path) as row:
        return b"".join(file.read(0, 2 * SIZE) for file in reversed(row) if file.changed_at >= since)
