"""Reading a log and its rotated files: the last lines first, at a cost that grows with what is read.

The files of a log form a *row*, newest first. A *place* is (index in the row, offset in that file).
"""

import contextlib
import os
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple

from watchdog_cli.adapters import sharing

BLOCK = 64 * 1024
LINE_LIMIT = 64 * 1024  # bytes of one line that are held; of a longer one its two ends
ROW_LIMIT = 500  # files held open at once: below the usual limit of descriptors
Place = tuple[int, int]


class Line(NamedTuple):
    """One line of the ``nth`` file of the row, from ``start`` to ``end``, its line end included if it has one.

    ``data`` holds all of it, or both ends of a very long one: then ``left_out`` bytes are missing in its middle.
    """

    nth: int
    start: int
    end: int
    data: bytes
    left_out: int = 0


def inode_of(found: os.stat_result) -> str:
    """``device:inode``: which file it is, whatever its name; a file that is gone may leave it to another one."""
    return f"{found.st_dev}:{found.st_ino}"


class LogFile:
    """One file of the row, held open: a later rename or removal does not matter to it."""

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            OSError: it cannot be read.
        """
        self.file: BinaryIO = open(path, "rb", buffering=0, opener=sharing.to_read)  # noqa: SIM115 - closed by ``close``
        found = os.fstat(self.file.fileno())
        self.inode = inode_of(found)
        self.size = found.st_size
        self.changed_at = found.st_mtime

    def size_now(self) -> int:
        """Return the size as it is by now."""
        return os.fstat(self.file.fileno()).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes; fewer only at the end of the file."""
        self.file.seek(offset)
        pieces = []
        while count > 0 and (piece := self.file.read(count)):
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Let it go."""
        self.file.close()


def open_row(path: str, *, until: frozenset[str] = frozenset()) -> list[LogFile]:
    """Open a log and its rotated files, newest first; empty if there is none.

    While we look, a rotation may move files to higher numbers, never to lower ones. So none is overlooked in
    this order, and one that is met twice is left out the second time.

    Args:
        until: files, as ``device:inode``, before which the row is to end.
    Raises:
        PermissionError: the log itself may not be read.
    """
    row: list[LogFile] = []
    met = set()
    for number in range(ROW_LIMIT):
        try:
            log = LogFile(f"{path}.{number}" if number else path)
        except FileNotFoundError:
            if number:
                break
            continue
        except OSError:
            if number == 0:
                raise
            break
        if log.inode in until:
            log.close()
            break
        if log.inode in met:
            log.close()
            continue
        met.add(log.inode)
        row.append(log)
    return row


def close_row(row: list[LogFile]) -> None:
    """Close all files of a row."""
    for log in row:
        log.close()


@contextlib.contextmanager
def opened_row(path: str) -> Iterator[list[LogFile]]:
    """The row, for as long as it is looked at; a log that may not be read is one that is not there."""
    try:
        row = open_row(path)
    except OSError:
        row = []
    try:
        yield row
    finally:
        close_row(row)


def lines_backwards(row: list[LogFile], floor: Place | None = None) -> Iterator[Line]:
    """Yield all lines, the last one first, back to ``floor``."""
    last, lowest = floor or (len(row) - 1, 0)
    for index, log in enumerate(row[: last + 1]):
        yield from _file_backwards(log, index, lowest if index == last else 0)


def lines_forward(row: list[LogFile], start: Place) -> Iterator[Line]:
    """Yield all lines from a place on, oldest first."""
    first, offset = start
    for index in range(first, -1, -1):
        yield from _file_forward(row[index], index, offset)
        offset = 0


def pieces_forward(row: list[LogFile], start: Place) -> Iterator[bytes]:
    """Yield all bytes from a place on, oldest first."""
    first, offset = start
    for index in range(first, -1, -1):
        log = row[index]
        yield from pieces(log, offset, log.size)
        offset = 0


def pieces(log: LogFile, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes between two offsets."""
    while start < end and (piece := log.read(start, min(BLOCK, end - start))):
        start += len(piece)
        yield piece


def tail_start(row: list[LogFile], count: int, floor: Place | None = None) -> Place:
    """Find where the last ``count`` lines begin, or ``floor`` if there are fewer."""
    last, lowest = floor or (len(row) - 1, 0)
    if count <= 0:
        return 0, row[0].size
    for index, log in enumerate(row[: last + 1]):
        low = lowest if index == last else 0
        base = log.size
        if base <= low:
            continue
        search_end = base - 1  # the end of the last line begins no other one
        while base > low:
            step = min(BLOCK, base - low)
            base -= step
            block = log.read(base, step)
            limit = search_end - base
            here = block.count(b"\n", 0, max(0, limit))
            if here >= count:
                for _ in range(count):
                    limit = block.rfind(b"\n", 0, limit)
                return index, base + limit + 1
            count -= here
        count -= 1  # the line with which the file begins
        if count == 0:
            return index, low
    return last, lowest


def line_at(row: list[LogFile], index: int, start: int, end: int) -> Line:
    """Read a line whose place is known."""
    return _line(row[index], index, (start, end), b"", end + 1)


def last_lines(path: str, count: int) -> list[bytes]:
    """Return the last lines of a log across its rotated files, oldest first, without their line ends.

    A log that cannot be read has none.
    """
    with opened_row(path) as row:
        found = [line.data.rstrip(b"\r\n") for line in islice(lines_backwards(row), count)]
    found.reverse()
    return found


def _file_backwards(log: LogFile, index: int, start: int) -> Iterator[Line]:
    line_end = base = log.size
    block = b""
    while line_end > start:
        # The line end with which the line closes is not the one that closes the line before it.
        found = block.rfind(b"\n", 0, max(0, line_end - 1 - base))
        if found >= 0:
            line_start = base + found + 1
            yield _line(log, index, (line_start, line_end), block, base)
            line_end = line_start
        elif base <= start:
            yield _line(log, index, (start, line_end), block, base)
            return
        else:
            step = min(BLOCK, base - start)
            base -= step
            block = log.read(base, step)
            if len(block) < step:  # the file was emptied under our hands
                return


def _file_forward(log: LogFile, index: int, start: int) -> Iterator[Line]:
    base = line_start = start
    while base < log.size:
        block = log.read(base, min(BLOCK, log.size - base))
        if not block:
            return
        place = 0
        while (found := block.find(b"\n", place)) >= 0:
            place = found + 1
            yield _line(log, index, (line_start, base + place), block, base)
            line_start = base + place
        base += len(block)
    if line_start < log.size:
        yield _line(log, index, (line_start, log.size), b"", 0)


def _line(log: LogFile, index: int, span: tuple[int, int], block: bytes, base: int) -> Line:
    start, end = span
    length = end - start
    if start >= base and end <= base + len(block):
        return Line(index, start, end, block[start - base : end - base])
    if length <= LINE_LIMIT:
        return Line(index, start, end, log.read(start, length))
    half = LINE_LIMIT // 2
    data = log.read(start, half) + log.read(end - half, half)
    return Line(index, start, end, data, length - 2 * half)
