"""The newest lines of a log, and after that what is added: for screens and pages that stay open.

Each look costs a bounded number of bytes, however fast the log grows: what a person cannot read anyway is skipped.
"""

from watchdog_cli.adapters.log_follower import Follower
from watchdog_cli.adapters.log_output import LineCutter
from watchdog_cli.adapters.log_reader import LogFile, lines_backwards, open_row, opened_row

MOST_BYTES = 256 * 1024  # of one look
Found = tuple[list[bytes], bool]


class LineFeed:
    """One log, followed by its name."""

    def __init__(self, path: str, keep: int) -> None:
        """Nothing is opened yet.

        Args:
            keep: how many lines the first look returns at most.
        """
        self.path = path
        self._keep = keep
        self._follower: Follower | None = None
        self._cutter = LineCutter()
        self._gap = False

    def more(self) -> Found:
        """The lines that are complete since the last look, and whether some before them were left out."""
        if self._follower is None:
            return self._begin(), False
        found: list[bytes] = []
        size = 0
        for piece in self._follower.more():
            found += [line for line, _ in self._cutter.feed(piece.data, piece.offset)]
            size += len(piece.data)
            if size >= MOST_BYTES:
                self.close()
                return self._begin(), True
        gap, self._gap = self._gap, False
        return found, gap

    def close(self) -> None:
        """Let the files go; the next look begins anew."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None

    def _begin(self) -> list[bytes]:
        try:
            row = open_row(self.path)
        except OSError:  # not ours to read; perhaps later
            return []
        lines = _newest(row, self._keep)
        self._cutter = LineCutter()
        self._follower = Follower(self.path, row, self._note)
        return self._without_open_end(row, lines)

    def _without_open_end(self, row: list[LogFile], lines: list[tuple[bytes, int]]) -> list[bytes]:
        """A last line that has no end yet waits until it has one."""
        if row and lines and not lines[-1][0].endswith(b"\n"):
            data, start = lines.pop()
            if start + len(data) == row[0].size:
                for _ in self._cutter.feed(data, start):
                    pass
        return [data for data, _ in lines]

    def _note(self, text: str) -> None:
        del text  # the only thing it can say is that lines may be missing
        self._gap = True


def _newest(row: list[LogFile], keep: int) -> list[tuple[bytes, int]]:
    """The last lines, oldest first, with their offsets."""
    found: list[tuple[bytes, int]] = []
    size = 0
    for line in lines_backwards(row):
        if len(found) >= keep or size >= MOST_BYTES:
            break
        found.append((line.data, line.start))
        size += len(line.data)
    found.reverse()
    return found


def newest_lines(path: str, keep: int) -> list[bytes]:
    """The last lines of a log across its rotated files, whether or not the last one is complete."""
    with opened_row(path) as row:
        return [data for data, _ in _newest(row, keep)]
