"""A file that is written at its end, never grows above its ceiling, and survives what befalls log files.

Rotation happens at line ends. The bytes may come by splice(2), unseen, so the last part before the ceiling, the
*seam*, is filled with care: there the first line end is the place to rotate. Only a line that is longer than the
seam can be cut. Nothing is ever moved from one file to another: a crash between any two steps leaves each byte
exactly once.

After ``open`` no trouble of the disk reaches the caller. What cannot be stored is dropped and counted (a *gap*),
said once, and noted in the file itself as soon as it can be written again.
"""

import errno
import os
import stat
import time
from collections.abc import Callable

from watchdog_cli.adapters.log_gap import Gap, gap_line, reason_of
from watchdog_cli.adapters.log_reader import inode_of
from watchdog_cli.adapters.log_row import LogRow
from watchdog_cli.core.errors import StorageError

SEAM = 64 * 1024  # chosen: longer than the lines that people read, short beside any useful ceiling
CHECK_EVERY_S = 0.001  # in a flood the name is looked at so often, which costs 0.2 %; else before each write
FLOOD = 32 * 1024  # bytes at once
BINARY = getattr(os, "O_BINARY", 0)
NONBLOCK = getattr(os, "O_NONBLOCK", 0)


def make_folder(path: str, floor: str = "") -> None:
    """Create a folder and its missing parents, each for the owner only; an existing one keeps its mode.

    Args:
        floor: a folder that is never made: if it is gone, somebody has removed or moved it, and means that.
    Raises:
        FileNotFoundError: the floor is gone.
        NotADirectoryError: something else lies there.
    """
    if not path or os.path.isdir(path):
        return
    if path == floor:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    make_folder(os.path.dirname(path), floor)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError as error:
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from error


class RotatingFile:
    """One log under one name, with ``backups`` older ones beside it: ``NAME.1`` is the newest of them.

    One thread at a time may use it. ``offset``, ``inode`` and ``gap.total`` may be read by any.
    """

    def __init__(
        self,
        path: str,
        size: int,
        backups: int,
        *,
        on_problem: Callable[[str], None] | None = None,
        on_recovered: Callable[[str], None] | None = None,
        gap_note: Callable[[int, str], bytes] = gap_line,
        mend: str = "pick another place with --log-dir",
        floor: str = "",
    ) -> None:
        """Remember the settings; nothing is touched before ``open``.

        Args:
            size: the ceiling of each file in bytes.
            backups: how many older files are kept; 0 starts the one file over.
            on_problem: told one line when bytes begin to be lost, or when rotation fails.
            on_recovered: told one line when they no longer are.
            gap_note: makes the line for the place in the file where bytes are missing.
            floor: a folder that is never made anew, as for ``make_folder``.
            mend: what a person can do about a file that cannot be written, for the error at start.
        """
        self.path = path
        self.size = max(1, size)
        self.backups = max(0, backups)
        self._row = LogRow(path, self.size, self.backups)
        self.offset = 0
        self.gap = Gap(path, on_problem, on_recovered)
        self.generation = 0  # grows whenever another file, or an emptied one, goes by the name
        self.inode = ""  # with the device; a number used again is told apart by the generation
        self._fd = -1
        self._key = (0, 0)
        self._seam = self.size - min(SEAM, self.size // 4)
        self._line_open: bool | None = None  # None: bytes came unseen, the file itself must be asked
        self._checked = 0.0
        self._flood = False
        self._gap_note = gap_note
        self._mend = mend
        self.floor = floor
        self._null = -1

    # --- opening -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open or create the file and bring what lies there below the ceiling.

        Raises:
            StorageError: it cannot be written; names the file and what to do.
        """
        try:
            self._row.tidy()
            self._reopen()
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {reason_of(error)}; {self._mend}") from error

    def close(self) -> None:
        """Note a gap that is still open, if that is possible now, and let the file go."""
        if self.gap.lost:
            self._end_gap()
        self._close_file()
        if self._null >= 0:
            os.close(self._null)
            self._null = -1

    def _reopen(self) -> None:
        self._close_file()
        make_folder(os.path.dirname(self.path), self.floor)
        # Without O_APPEND, which splice(2) refuses; without waiting, should somebody have put a FIFO there.
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | NONBLOCK | BINARY, 0o600)
        try:
            found = os.fstat(fd)
            _insist_on_file(found)
            self.offset = os.lseek(fd, 0, os.SEEK_END)
        except OSError:
            os.close(fd)
            raise
        self._fd = fd
        self._key = (found.st_dev, found.st_ino)
        self.inode = inode_of(found)
        self._line_open = None
        self._checked = time.monotonic()
        self.generation += 1

    def _close_file(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                os.close(fd)
            except OSError as error:  # a network drive may say only now that it is full
                self.gap.say(f"cannot finish {self.path}: {reason_of(error)}")

    # --- writing -------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> bool:
        """Store bytes at the end, rotating at line ends; False if some of them were lost."""
        if not self._ready():
            self.gap.lose(len(data))
            return False
        rest = memoryview(data)
        self._flood = len(data) >= FLOOD
        try:
            while rest:
                rest = self._store_some(rest)
        except OSError as error:
            self.gap.begin(error)
            self.gap.lose(len(rest))
            return False
        return True

    def splice(
        self, source: int, most: int, waiting: Callable[[], int], *, see: bool = False
    ) -> tuple[int, bytes]:
        """Move bytes from a pipe to the end of the file; what cannot be stored is lost.

        They go from the pipe into the file in one step of the kernel. So nothing is lost when we are killed,
        which those would risk who first take the bytes and then write them.

        Args:
            waiting: tells how many bytes are in the pipe.
            see: True to have the bytes too.
        Returns:
            How many bytes left the pipe; and the bytes, if ``see``.
        Raises:
            BlockingIOError: the pipe is empty.
            NotImplementedError: this file system or platform cannot do it; nothing was taken.
        """
        if not self._ready():
            return self._throw_away(source, most, see)
        try:
            room = self._seam - self.offset
            if room <= 0:
                room = self._room_in_seam(waiting())
            if room <= 0:  # a flood that must be cut at a line end, so here we have to look
                data = os.read(source, SEAM)
                self.write(data)
                return len(data), data
            moved = os.splice(source, self._fd, min(most, room), flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno in {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
                raise NotImplementedError from error
            self.gap.begin(error)
            return self._throw_away(source, most, see)
        self.offset += moved
        self._flood = moved >= FLOOD
        self._line_open = None
        return moved, os.pread(self._fd, moved, self.offset - moved) if see else b""

    def _room_in_seam(self, waiting: int) -> int:
        """Say how much may be moved unseen near the ceiling: all that waits, if it fits; 0 if it does not."""
        if not waiting:
            raise BlockingIOError
        if self.offset >= self.size or self._at_line_start():
            self._rotate()
            return self._seam - self.offset
        room = self.size - self.offset
        return room if waiting <= room else 0

    def _store_some(self, data: memoryview) -> memoryview:
        """Write what belongs into the present file; return the rest."""
        if self.offset >= self._seam and (self.offset >= self.size or self._at_line_start()):
            self._rotate()
        room = self.size - self.offset
        if self.offset + len(data) < self._seam:
            return self._put(data, len(data))
        near = bytes(data[:room])
        if cut := near.find(b"\n", max(0, self._seam - self.offset - 1)) + 1:
            return self._put(data, cut)
        if len(data) <= room:
            return self._put(data, len(data))
        if cut := near.rfind(b"\n") + 1:  # the line behind it does not fit
            rest = self._put(data, cut)
            self._rotate()
            return rest
        if self.offset and self._at_line_start():
            self._rotate()
            return data
        return self._put(data, room)  # a line without end

    def _put(self, data: memoryview, count: int) -> memoryview:
        written = os.write(self._fd, data[:count])
        self.offset += written
        if written:
            self._line_open = data[written - 1] != 0x0A
        return data[written:]

    def _at_line_start(self) -> bool:
        if self._line_open is None:
            if self.offset == 0:
                return True
            os.lseek(self._fd, self.offset - 1, os.SEEK_SET)
            self._line_open = os.read(self._fd, 1) != b"\n"
            os.lseek(self._fd, self.offset, os.SEEK_SET)
        return not self._line_open

    def _rotate(self) -> None:
        """Give the full file the next number and begin a new one.

        Where that is refused (a single file mounted into a container, a folder that may not be written) the
        ceiling still holds: the file is started over.
        """
        try:
            if self.backups:
                self._close_file()
                self._row.shift()
                self._reopen()
                return
        except FileNotFoundError:  # somebody took the file or the folder away in this very moment
            self._reopen()
            return
        except OSError as error:
            self.gap.say(f"cannot rotate {self.path}: {reason_of(error)}; it is started over instead")
            if self._fd < 0:
                self._reopen()
            if self.offset < self._seam:  # the names were moved, only the way back failed at first
                return
        os.ftruncate(self._fd, 0)
        self._begin_again(0)

    def _begin_again(self, offset: int) -> None:
        """Go on at ``offset`` of the same file after it was emptied."""
        os.lseek(self._fd, offset, os.SEEK_SET)
        self.offset = offset
        self._line_open = None
        self.generation += 1

    # --- trouble -------------------------------------------------------------------------------------------

    def _ready(self) -> bool:
        """Make sure that the name still leads to the open file; False while bytes must be dropped."""
        now = time.monotonic()
        if self.gap.reason:
            return self.gap.due() and self._end_gap()
        if self._flood and now - self._checked < CHECK_EVERY_S:
            return True
        self._checked = now
        try:
            self._look()
        except OSError as error:
            self.gap.begin(error)
            return False
        return True

    def _look(self) -> None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:  # deleted, moved, or its folder is gone
            self._reopen()
            return
        if (found.st_dev, found.st_ino) != self._key or self._fd < 0:
            self._reopen()
        elif found.st_size < self.offset:
            self._begin_again(found.st_size)
        elif found.st_size > self.offset:  # somebody else wrote here too: behind it, not over it
            self.offset = os.lseek(self._fd, 0, os.SEEK_END)
            self._line_open = None

    def _end_gap(self) -> bool:
        """Try to write again, beginning with the note of what is missing."""
        start = -1
        try:
            self._look()
            start = self.offset
            note = self._gap_note(self.gap.lost, self.gap.reason) if self.gap.lost else b""
            if note and not self._at_line_start():
                note = b"\n" + note
            if start + len(note) > self.size:
                self._rotate()
                start, note = self.offset, note.lstrip(b"\n")
            rest = memoryview(note[: self.size])
            while rest:
                rest = self._put(rest, len(rest))
        except OSError as error:
            self.gap.begin(error)
            if 0 <= start < self.offset:
                self._undo(start)
            return False
        self.gap.end()
        return True

    def _undo(self, start: int) -> None:
        """Take back half a note: it would be repeated with every try."""
        try:
            os.ftruncate(self._fd, start)
            os.lseek(self._fd, start, os.SEEK_SET)
        except OSError:  # the gap that is open already says what is wrong
            return
        self.offset = start
        self._line_open = None

    def _throw_away(self, source: int, most: int, see: bool) -> tuple[int, bytes]:
        """Keep the pipe moving while nothing can be stored: a full pipe would stop the program."""
        data = b""
        if see:
            data = os.read(source, most)
            count = len(data)
        else:
            if self._null < 0:
                self._null = os.open(os.devnull, os.O_WRONLY)
            count = os.splice(source, self._null, most, flags=os.SPLICE_F_NONBLOCK)
        self.gap.lose(count)
        return count, data


def _insist_on_file(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not an ordinary file")
