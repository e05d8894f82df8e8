"""Showing a log as ``tail-log`` was asked to: where to begin, which lines, and what comes later."""

import os
import re
import sys
import time
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import click

from watchdog_cli.adapters import log_reader
from watchdog_cli.adapters.log_gap import reason_of
from watchdog_cli.adapters.log_output import LineCutter, LogOutput, RunRules, clock_of
from watchdog_cli.adapters.log_reader import Line, LogFile, Place
from watchdog_cli.core.errors import NotRunningError, StorageError
from watchdog_cli.wiring.places import Places

if TYPE_CHECKING:
    from watchdog_cli.adapters.log_follower import Piece
    from watchdog_cli.adapters.log_runs import RunFinder, RunStart

LINES = 10  # source: tail and everybody after it
BUSY_S = 0.05  # between two looks while lines come
QUIET_S = 0.2  # and while none do


class Wish(NamedTuple):
    """What the person wants to see."""

    lines: int | None
    follow: bool
    own: bool  # the watchdog's own reports
    since: float | None  # unix seconds
    pattern: re.Pattern[str] | None
    last_run: bool


class LogView:
    """One look at one log."""

    def __init__(self, wish: Wish, places: Places, path: str) -> None:
        self._wish = wish
        self._places = places
        self._path = path
        self._shown_path = places.shown(path)
        self._out = _output()
        self._draws_runs = self._out.screen and not wish.own
        self._finder = self._make_finder() if wish.last_run or self._draws_runs else None
        self._rules = RunRules(self._out)
        # ISO time of the newest run that needs no line any more. Asked before the log is opened: a run that
        # begins in between is drawn.
        newest = self._finder.last() if self._finder is not None and self._draws_runs else None
        self._last_run = newest.at if newest is not None else ""
        self._inode = ""

    def show(self) -> None:
        """Show what is there, and with ``follow`` what comes.

        Raises:
            NotRunningError: there is no log, or no run is known.
            StorageError: the log cannot be read.
            BrokenPipeError: nobody reads any more.
        """
        try:
            self._show()
        except BrokenPipeError:
            raise
        except OSError as error:  # reading is translated where it happens, so this is the way out
            raise StorageError(f"cannot write the output: {reason_of(error)}") from error

    def _show(self) -> None:
        row = self._open()
        if row:
            self._show_row(row)
        elif self._wish.follow:
            _say(f"waiting for {self._shown_path}; nothing was printed yet")
        else:
            raise NotRunningError(
                f"there is no {self._shown_path} yet; name the folder of the program with -C, "
                "another program with --name"
            )
        if self._wish.follow:
            self._follow(row)
        self._out.end_line()
        self._out.flush()

    def _open(self) -> list[LogFile]:
        try:
            return log_reader.open_row(self._path)
        except OSError as error:
            raise StorageError(f"cannot read {self._shown_path}: {reason_of(error)}") from error

    def _make_finder(self) -> "RunFinder":
        from watchdog_cli.adapters.log_runs import RunFinder

        return RunFinder(self._places.journal, self._marks_path())

    def _marks_path(self) -> str:
        return os.path.join(self._places.state_folder, "log-marks")

    # --- what is there -------------------------------------------------------------------------------------

    def _show_row(self, row: list[LogFile]) -> None:
        wish = self._wish
        floor = self._floor(row)
        count = wish.lines if wish.lines is not None or floor is not None else LINES
        if wish.pattern is not None:
            self._show_matches(row, floor, count, wish.pattern)
            return
        start = floor or (len(row) - 1, 0)
        if count is not None:
            start = log_reader.tail_start(row, count, floor)
        if not self._out.screen:
            self._out.raw(log_reader.pieces_forward(row, start))
            return
        if self._finder is not None and self._draws_runs:
            self._expect(self._finder.since(row, start))
        for line in log_reader.lines_forward(row, start):
            self._rules.line(line.data, line.left_out, row[line.nth].inode, line.start)
        self._rules.all()

    def _show_matches(
        self, row: list[LogFile], floor: Place | None, count: int | None, pattern: re.Pattern[str]
    ) -> None:
        if count is None:
            for line in log_reader.lines_forward(row, floor or (len(row) - 1, 0)):
                if _matches(pattern, line.data):
                    self._put(row, line)
            return
        # Only the places are remembered: the number of lines may be large, and they may be long.
        found = array("Q")
        if count:
            for line in log_reader.lines_backwards(row, floor):
                if _matches(pattern, line.data):
                    found.extend((line.nth, line.start, line.end))
                    if len(found) >= 3 * count:
                        break
        for at in range(len(found) - 3, -1, -3):
            self._put(row, log_reader.line_at(row, found[at], found[at + 1], found[at + 2]))

    def _put(self, row: list[LogFile], line: Line) -> None:
        if self._out.screen:
            self._out.line(line.data, line.left_out)
        elif line.left_out:
            self._out.raw(log_reader.pieces(row[line.nth], line.start, line.end))
        else:
            self._out.raw((line.data,))

    # --- where to begin ------------------------------------------------------------------------------------

    def _floor(self, row: list[LogFile]) -> Place | None:
        """Return the place before which nothing is to be shown, None if there is none."""
        if self._wish.last_run:
            return self._floor_of_last_run(row)
        if self._wish.since is None:
            return None
        from watchdog_cli.adapters.log_marks import read_marks
        from watchdog_cli.adapters.log_since import find_by_stamps, find_since

        when = self._wish.since
        if self._wish.own:
            return find_by_stamps(row, when)
        found = find_since(row, read_marks(self._marks_path()), when)
        if found.nothing:
            _say(f"nothing was printed since {clock_of(when)}")
        elif found.known_at is None and not found.exact:
            _say(f"when these lines were printed is not on record; some may be older than {clock_of(when)}")
        elif not found.exact:
            _say(
                f"the nearest time on record is {clock_of(found.known_at or 0.0)}: what was printed after that follows"
            )
        return found.place

    def _floor_of_last_run(self, row: list[LogFile]) -> Place:
        from watchdog_cli.adapters.log_runs import place_of

        run = self._finder.last() if self._finder is not None else None
        if run is None:
            raise NotRunningError(
                f"no start of the program is on record in {self._places.shown(self._places.journal)}"
            )
        if self._wish.own:
            from datetime import datetime

            from watchdog_cli.adapters.log_since import find_by_stamps

            return find_by_stamps(row, datetime.fromisoformat(run.at).timestamp())
        place = place_of(row, run)
        if place is None:
            _say("the beginning of the last run is no longer in the log; this is what is left")
            return len(row) - 1, 0
        return place

    # --- what comes ----------------------------------------------------------------------------------------

    def _follow(self, row: list[LogFile]) -> None:
        from watchdog_cli.adapters.log_follower import Follower

        follower = Follower(self._path, row, _say)
        cutter = LineCutter()
        wait = _waiter()
        seen = (0, 0)
        self._out.flush()
        while True:
            if self._finder is not None and self._draws_runs and (now := self._finder.stamp()) != seen:
                seen = now
                self._expect(self._finder.newest(self._last_run))
            came = False
            for piece in follower.more():
                came = True
                self._show_piece(piece, cutter)
            if not came and self._out.screen and self._wish.pattern is None:
                self._show_rest(cutter)
            self._out.flush()
            wait(BUSY_S if came else QUIET_S)

    def _show_piece(self, piece: "Piece", cutter: LineCutter) -> None:
        out, pattern = self._out, self._wish.pattern
        if not out.screen and pattern is None:
            out.raw((piece.data,))
            return
        for line, start in cutter.feed(piece.data, piece.offset):
            if pattern is not None and not _matches(pattern, line):
                continue
            if out.screen:
                self._rules.line(line, 0, piece.inode, start)
            else:
                out.raw((line,))
        self._inode = piece.inode

    def _show_rest(self, cutter: LineCutter) -> None:
        """Show a line that has no end yet, when nothing more came for a while."""
        rest, start = cutter.take_rest()
        if rest:
            self._rules.line(rest, 0, self._inode, start)
        self._rules.rest()

    def _expect(self, runs: "list[RunStart]") -> None:
        if runs:
            self._last_run = runs[-1].at
            self._rules.expect(runs)


def _output() -> LogOutput:
    if sys.stdout is None:  # closed from the start
        raise BrokenPipeError
    screen = sys.stdout.isatty()
    colours = not os.environ.get("NO_COLOR")
    return LogOutput(
        sys.stdout.buffer, screen=screen, colours=colours, encoding=sys.stdout.encoding or "utf-8"
    )


def _waiter() -> Callable[[float], None]:
    """Return a sleep that ends, by BrokenPipeError, when the reader of stdout goes away meanwhile."""
    import select

    try:
        poller = select.poll()
        poller.register(sys.stdout.fileno(), 0)
    except (AttributeError, OSError, ValueError):  # Windows, or a stdout without a descriptor
        return time.sleep

    def wait(seconds: float) -> None:
        if poller.poll(seconds * 1000):
            raise BrokenPipeError

    return wait


def _matches(pattern: re.Pattern[str], line: bytes) -> bool:
    return pattern.search(line.decode("utf-8", "replace").rstrip("\r\n")) is not None


def _say(text: str) -> None:
    click.echo(text, err=True)
