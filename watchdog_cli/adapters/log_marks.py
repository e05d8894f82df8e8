"""When which byte of the log was written: the child's lines carry no times, so we keep some beside them.

A mark is one line, ``<unix seconds> <device>:<inode>:<birth> <offset>``: at that time the file ended there. One
is made with the output that follows ten quiet seconds or a minute after the last one, none while nothing is
printed. The birth tells apart files that were given the same inode one after the other.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from watchdog_cli.core.errors import StorageError

if TYPE_CHECKING:
    from watchdog_cli.adapters.rotating_file import RotatingFile

SOON_S = 10.0  # chosen: how exact ``--since`` is for output that grows fast
LATE_S = 60.0  # chosen: and for output that grows slowly, so that the marks of weeks fit
WORTH = 16 * 1024  # bytes that make a mark worth its place after SOON_S
SIZE = 256 * 1024  # about 5,000 marks a file: with its one backup a week of minutes


Position = tuple[str, int]  # in a log: the full identity of a file, as a mark has it, and an offset in it


class Mark(NamedTuple):
    """At ``at`` (unix seconds) the file ``file_id`` ended at ``offset``."""

    at: float
    file_id: str
    offset: int


class LogMarks:
    """The writing side; its trouble is nobody's trouble: only ``--since`` becomes less exact."""

    def __init__(self, path: str, log: "RotatingFile") -> None:
        """Remember where; ``log`` must be open before the first ``note``."""
        from watchdog_cli.adapters.rotating_file import RotatingFile  # not for those who only read

        self._file = RotatingFile(path, SIZE, 1, floor=log.floor)
        self._log = log
        self._opened = False
        self._generation = -1
        self._next_late = 0.0
        self._next_soon = 0.0
        self._offset = 0
        self.file_id = ""

    def note(self, offset_before: int) -> None:
        """Make a mark if one is due. Call it after each write to the log.

        Args:
            offset_before: where the log ended before what was written just now, unless it changed meanwhile.
        """
        log = self._log
        if log.generation != self._generation:
            self._meet_file()
            return
        now = time.monotonic()
        if now < self._next_soon or (now < self._next_late and log.offset - self._offset < WORTH):
            return
        # What came before these bytes is older than now: that is what the mark says, and all that is known.
        self._mark(offset_before, now)

    def close(self) -> None:
        """Let the file go."""
        if self._opened:
            self._file.close()

    def _meet_file(self) -> None:
        """Another file goes by the log's name: find its birth in the marks, or give it one."""
        log = self._log
        if not self._opened:
            self._opened = True
            # If it cannot be opened, write() below drops the marks and tries again from time to time.
            with contextlib.suppress(StorageError):
                self._file.open()
        first = self._generation < 0
        self._generation = log.generation
        known = file_id_of(self._file.path, log.inode) if first and log.offset else ""
        self.file_id = known or f"{log.inode}:{time.time_ns():x}"
        self._mark(log.offset if first else 0, time.monotonic())

    def _mark(self, offset: int, now: float) -> None:
        self._next_soon, self._next_late = now + SOON_S, now + LATE_S
        self._offset = offset
        self._file.write(f"{time.time():.3f} {self.file_id} {offset}\n".encode())


def read_marks(path: str) -> Iterator[Mark]:
    """Yield the marks, newest first; what is no mark is passed over."""
    for name in (path, f"{path}.1"):
        try:
            with open(name, "rb") as file:
                lines = file.read(SIZE).splitlines()
        except OSError:
            continue
        for line in reversed(lines):
            mark = _parse(line)
            if mark is not None:
                yield mark


def file_id_of(path: str, inode: str) -> str:
    """Return the full identity that the newest mark gives to ``device:inode``, or an empty text."""
    needle = f" {inode}:".encode()
    for name in (path, f"{path}.1"):
        try:
            with open(name, "rb") as file:
                text = file.read(SIZE)
        except OSError:
            continue
        if (place := text.rfind(needle)) >= 0:
            mark = _parse(text[text.rfind(b"\n", 0, place) + 1 :].partition(b"\n")[0])
            if mark is not None:
                return mark.file_id
    return ""


def _parse(line: bytes) -> Mark | None:
    parts = line.decode("ascii", "replace").split(" ")
    if len(parts) != 3:
        return None
    try:
        return Mark(float(parts[0]), parts[1], int(parts[2]))
    except ValueError:
        return None
