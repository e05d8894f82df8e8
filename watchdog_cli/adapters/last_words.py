"""What a run said last: lines of the log up to where the next run begins, and pieces between two places."""

import contextlib
import itertools

from watchdog_cli.adapters import log_reader
from watchdog_cli.adapters.log_marks import Position
from watchdog_cli.adapters.log_reader import LogFile
from watchdog_cli.adapters.log_text import for_screen

LINES = 200
LINE_LIMIT = 4000  # characters of one line; of a longer one its two ends
TEXT_LIMIT = 200_000  # characters of all lines
PIECE_LIMIT = 200_000  # bytes between two places


def last_words(
    path: str, end: Position | None, *, start: Position | None = None, count: int = LINES
) -> list[str]:
    """Return the last lines of one run, oldest first, fit for a screen and bounded in every way.

    Args:
        path: the log.
        end: where the next run begins; None if none has begun: then the end of the log.
        start: where the run begins; None if nobody knows: then lines of the run before may be among them.
    """
    lines: list[str] = []
    room = TEXT_LIMIT
    with contextlib.suppress(OSError), log_reader.opened_row(path) as row:
        part = _until(row, end)
        first = None if start is None else _index(part, start)
        floor = None if start is None or first is None else (first, start[1])
        for line in itertools.islice(log_reader.lines_backwards(part, floor), count):
            text = _bounded(for_screen(line.data, left_out=line.left_out, colours=False))
            room -= len(text) + 1
            if room < 0:
                break
            lines.append(text)
    return lines[::-1]


def words_between(path: str, start: Position, end: Position) -> list[str]:
    """Return the lines that were written from one place to another, with the first ones left out if there are many."""
    found = b""
    with contextlib.suppress(OSError), log_reader.opened_row(path) as row:
        part = _until(row, end)
        first = _index(part, start)
        if first is not None:
            found = b"".join(log_reader.pieces_forward(part, (first, start[1])))[-PIECE_LIMIT:]
    if not found:
        return []
    return [_bounded(for_screen(line, colours=False)) for line in found.split(b"\n")]


def _until(row: list[LogFile], end: Position | None) -> list[LogFile]:
    """The row as it was when the log ended there; all of it if that file is gone."""
    index = None if end is None else _index(row, end)
    if index is None or end is None:
        return row
    row[index].size = min(row[index].size, end[1])
    return row[index:]


def _index(row: list[LogFile], place: Position) -> int | None:
    inode = place[0].rpartition(":")[0]
    return next((number for number, log in enumerate(row) if log.inode == inode), None)


def _bounded(text: str) -> str:
    if len(text) <= LINE_LIMIT:
        return text
    half = LINE_LIMIT // 2
    return f"{text[:half]} [...] {text[-half:]}"
