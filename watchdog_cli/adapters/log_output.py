"""Putting a log on stdout: byte for byte into files and pipes, readable and harmless on a screen."""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from watchdog_cli.adapters.log_reader import LINE_LIMIT

if TYPE_CHECKING:
    from watchdog_cli.adapters.log_runs import RunStart

HELD = 64 * 1024


class LogOutput:
    """Where the lines go."""

    def __init__(
        self, stream: BinaryIO, *, screen: bool, colours: bool = True, encoding: str = "utf-8"
    ) -> None:
        """Remember where.

        Args:
            screen: True if a person looks at it through a terminal.
            colours: False takes the child's colours out, on a screen.
            encoding: what the terminal reads.
        """
        self.screen = screen
        self._stream = stream
        self._colours = colours
        self._encoding = encoding
        self._held: list[bytes] = []
        self._size = 0
        self._line_open = False

    def raw(self, pieces: Iterable[bytes]) -> None:
        """Put bytes as they are."""
        for piece in pieces:
            self._put(piece)

    def line(self, data: bytes, left_out: int = 0) -> None:
        """Put a line, or a piece of one, on the screen; it ends where its data have a line end."""
        from watchdog_cli.adapters.log_text import for_screen

        text = for_screen(data, left_out=left_out, colours=self._colours)
        self._line_open = not data.endswith(b"\n")
        self._put((text if self._line_open else text + "\n").encode(self._encoding, "replace"))

    def rule(self, text: str) -> None:
        """Draw a line of our own between those of the log."""
        self.end_line()
        self._put(f"--- {text} ---\n".encode(self._encoding, "replace"))

    def end_line(self) -> None:
        """Make sure that what comes next begins a line of the screen."""
        if self._line_open:
            self._line_open = False
            self._put(b"\n")

    def flush(self) -> None:
        """Show all that was put.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        data, self._held, self._size = b"".join(self._held), [], 0
        self._stream.write(data)
        self._stream.flush()

    def _put(self, data: bytes) -> None:
        self._held.append(data)
        self._size += len(data)
        if self._size >= HELD:
            self.flush()


class RunRules:
    """Draws a line where a run begins, between the lines of the log or within one that was broken off."""

    def __init__(self, out: LogOutput) -> None:
        self._out = out
        self._waiting: list[RunStart] = []
        self._inode = ""
        self._passed = {""}  # files that are behind us
        self._end = 0

    def expect(self, runs: "Iterable[RunStart]") -> None:
        """Take runs that are to be drawn in their places, oldest first."""
        self._waiting.extend(runs)

    def line(self, data: bytes, left_out: int, inode: str, start: int) -> None:
        """Put a line of the file ``inode`` that begins at ``start``, and what is to be drawn before its end."""
        if inode != self._inode:
            self._passed.add(self._inode)
            self._inode = inode
        self._end = start + len(data) + left_out
        while self._waiting and self._reached(self._waiting[0], self._end - 1):
            run = self._waiting[0]
            inside = run.offset - start if run.inode == inode and not left_out else 0
            if inside > 0:
                self._out.line(data[:inside])
                data, start = data[inside:], start + inside
            self._draw(
                [other for other in self._waiting if (other.inode, other.offset) == (run.inode, run.offset)]
            )
        if data:
            self._out.line(data, left_out)

    def rest(self) -> None:
        """Draw the runs that begin where the log ends by now, and those whose place cannot come any more."""
        here = []
        for run in self._waiting:
            if not self._reached(run, self._end):
                break
            here.append(run)
        self._draw(here)

    def all(self) -> None:
        """Draw the runs that are left."""
        self._draw(self._waiting)

    def _reached(self, run: "RunStart", offset: int) -> bool:
        return run.inode in self._passed or (run.inode == self._inode and run.offset <= offset)

    def _draw(self, runs: "list[RunStart]") -> None:
        self._waiting = self._waiting[len(runs) :]
        shown = runs if len(runs) <= 3 else [runs[0], runs[-1]]
        for run in shown:
            if len(shown) < len(runs) and run is runs[-1]:
                self._out.rule(f"{len(runs) - 2} more runs that printed nothing")
            before = f" (the one before: {run.before})" if run.before else ""
            self._out.rule(f"run {run.number} started {clock_of_iso(run.at)}{before}")


def clock_of(at: float) -> str:
    """Say a time (unix seconds) as people here say it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def clock_of_iso(at: str) -> str:
    """Say an ISO time of the journal as people here say it; what is none stays as it is."""
    from datetime import datetime

    try:
        return clock_of(datetime.fromisoformat(at).timestamp())
    except (ValueError, OverflowError, OSError):
        return at


class LineCutter:
    """Makes lines of pieces that are cut anywhere; holds no more than one line, and of that a bounded part."""

    def __init__(self) -> None:
        self._rest = b""
        self._start = 0

    def feed(self, data: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
        """Yield the lines that are complete now, and where each begins; a line without end comes in pieces.

        Args:
            offset: where ``data`` begin in their file; if not behind the last ones, another file has begun.
        """
        if offset != self._start + len(self._rest) and self._rest:
            yield self._rest, self._start
            self._rest = b""
        self._start = offset - len(self._rest)
        data = self._rest + data
        place = 0
        while (found := data.find(b"\n", place)) >= 0:
            yield data[place : found + 1], self._start + place
            place = found + 1
        while len(data) - place > LINE_LIMIT:
            cut = LINE_LIMIT - _halved(data[place : place + LINE_LIMIT])
            yield data[place : place + cut], self._start + place
            place += cut
        self._rest = data[place:]
        self._start += place

    def take_rest(self) -> tuple[bytes, int]:
        """Return a line that has no end yet, such as a question to the person, and where it begins.

        A character of which only some bytes are there, or an escape sequence that may be, waits.
        """
        if b"\x1b" in self._rest[-64:]:
            return b"", self._start
        cut = len(self._rest) - _halved(self._rest)
        piece, self._rest = self._rest[:cut], self._rest[cut:]
        start, self._start = self._start, self._start + cut
        return piece, start


def _halved(data: bytes) -> int:
    """Return how many bytes at the end are the beginning of a character that goes on."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return 0
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < length else 0
    return 0
