"""Following a log by its name: to the end of one file, then on in the next, each byte once.

It looks again after a short sleep instead of waiting for file notices. Somebody watches the screen meanwhile, so
it costs nothing that matters; it works on network drives and over bind mounts, where notices are lost, and for
a file that does not exist yet; and loading and starting an observer would cost more than the whole command.
"""

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from watchdog_cli.adapters.log_reader import BLOCK, LogFile, close_row, inode_of, open_row


class Piece(NamedTuple):
    """Bytes that were added to a file, and where they stand in it."""

    inode: str
    offset: int
    data: bytes


class Follower:
    """Knows how far a log was read, over all its renames."""

    def __init__(self, path: str, row: list[LogFile], on_note: Callable[[str], None]) -> None:
        """Begin at the end of what ``row`` held when it was opened.

        Args:
            row: the files that were shown so far; the follower keeps the two newest and closes the others.
            on_note: told when bytes may be missing.
        """
        self._path = path
        self._current = row[0] if row else None
        self._offset = row[0].size if row else 0
        # The file before is held open too: it tells a deleted log from one that was rotated away, and while
        # it is open its inode cannot come back as that of another file.
        self._previous = row[1] if len(row) > 1 else None
        self._waiting: list[LogFile] = []  # oldest first
        self._on_note = on_note
        close_row(row[2:])

    def more(self) -> Iterator[Piece]:
        """Yield what was added since the last time."""
        while True:
            if self._current is not None:
                yield from self._rest()
            if not self._waiting:
                self._waiting = self._newer()
                if not self._waiting:
                    return
                if self._current is not None:
                    # What was written between our last look at it and the rotation.
                    yield from self._rest()
            self._step()

    def close(self) -> None:
        """Let all files go."""
        close_row([log for log in (self._current, self._previous, *self._waiting) if log is not None])

    def _rest(self) -> Iterator[Piece]:
        log = self._current
        assert log is not None
        while True:
            data = log.read(self._offset, BLOCK)
            if data:
                offset, self._offset = self._offset, self._offset + len(data)
                yield Piece(log.inode, offset, data)
            elif log.size_now() < self._offset:
                self._on_note("the log was emptied")
                self._offset = 0
            else:
                return

    def _step(self) -> None:
        if self._previous is not None:
            self._previous.close()
        self._previous, self._current, self._offset = self._current, self._waiting.pop(0), 0

    def _newer(self) -> list[LogFile]:
        """Return the files that came after the present one, oldest first."""
        if self._current is not None:
            try:
                found = os.stat(self._path)
            except OSError:  # deleted, or just being rotated
                return []
            if inode_of(found) == self._current.inode:
                return []
        known = frozenset(log.inode for log in (self._current, self._previous) if log is not None)
        try:
            row = open_row(self._path, until=known)
        except OSError:
            return []
        if known and len(row) > 1 and not self._still_there():
            self._on_note("the log grew faster than it could be shown; some lines are missing")
        return row[::-1]

    def _still_there(self) -> bool:
        return self._current is not None and os.fstat(self._current.file.fileno()).st_nlink > 0
