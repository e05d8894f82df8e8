"""Where in the log a time lies.

The child's lines carry no times that we could rely on. What is known: the marks made beside the log (about each
minute of output), when each file was last changed, and, if the lines do begin with times, those.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo

from watchdog_cli.adapters.log_marks import Mark
from watchdog_cli.adapters.log_reader import LogFile, Place, lines_backwards, lines_forward
from watchdog_kit.records import dataclass

# ISO 8601 with a date, and the forms that logging libraries make of it; possibly in brackets.
_STAMP = re.compile(
    rb"[\[(<\"]?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z| ?[+-]\d\d:?\d\d| UTC)?", re.ASCII
)
SLACK_S = 5.0  # a line is written a moment after its time was taken
LOOK = 2000  # lines that are searched for a time of their own


@dataclass(frozen=True, slots=True)
class Since:
    """Where to begin, and how sure that is.

    Args:
        place: all that was printed at or after the time lies behind it.
        known_at: the newest time on record before it (unix seconds): some of what follows may be as old as that.
            None if no time is on record.
        exact: True if nothing older than the time follows: the lines say their times, or the log began later.
        nothing: True if nothing was printed since.
    """

    place: Place
    known_at: float | None = None
    exact: bool = False
    nothing: bool = False


def find_since(row: list[LogFile], marks: Iterator[Mark], when: float) -> Since:
    """Find where what was printed at or after ``when`` (unix seconds) begins."""
    if row[0].changed_at < when:
        return Since((0, row[0].size), nothing=True)
    # Files that were last changed before the time hold nothing of it.
    oldest = max(index for index, log in enumerate(row) if index == 0 or log.changed_at >= when)
    start: Place = (oldest, 0)
    known_at: float | None = None
    began_later = False
    newest_ids: dict[str, str] = {}
    until = datetime.now(UTC).timestamp()
    for mark in marks:
        inode, _, birth = mark.file_id.rpartition(":")
        current = newest_ids.setdefault(inode, birth) == birth
        if mark.at > when:
            until = mark.at
            began_later = began_later or (current and mark.offset == 0 and inode == row[oldest].inode)
            continue
        known_at = mark.at
        for index, log in enumerate(row[: oldest + 1]):
            if current and log.inode == inode and mark.offset <= log.size:
                start = (index, mark.offset)
        break
    own = _by_lines(row, start, when, (known_at or 0.0, until))
    if own is not None:
        return Since(own, known_at, exact=True)
    if start == (0, row[0].size):
        return Since(start, known_at, nothing=True)
    return Since(start, known_at, exact=began_later and known_at is None)


def find_by_stamps(row: list[LogFile], when: float) -> Place:
    """Find the place in a log whose every line begins with its time, as our own reports do."""
    place = (0, row[0].size)
    for line in lines_backwards(row):
        at = stamp_of(line.data, UTC)
        if at is not None and at < when:
            break
        place = (line.nth, line.start)
    return place


def stamp_of(line: bytes, zone: tzinfo | None = None) -> float | None:
    """Return the time with which a line begins, as unix seconds; None if it has none."""
    found = _STAMP.match(line)
    if found is None:
        return None
    day, clock, fraction, offset = (part.decode() if part else "" for part in found.groups())
    offset = offset.strip().replace("UTC", "Z")
    try:
        at = datetime.fromisoformat(f"{day}T{clock}{offset}")
        if at.tzinfo is None:
            at = at.replace(tzinfo=zone) if zone is not None else at.astimezone()
        return at.timestamp() + float(f"0.{fraction or 0}")
    except (ValueError, OverflowError, OSError):
        return None


def _by_lines(row: list[LogFile], start: Place, when: float, bounds: tuple[float, float]) -> Place | None:
    """Find the first line whose own time is not before ``when``, if the lines have times that can be true."""
    zone: tzinfo | None = None
    first = True
    place = None
    for number, line in enumerate(lines_forward(row, start)):
        at = stamp_of(line.data, zone)
        if at is None:
            if place is None and number >= LOOK:
                return None
            continue
        if first:
            # A time without a zone is that of this machine's wall, or UTC. What we know ourselves decides.
            low, high = bounds[0] - SLACK_S, bounds[1] + SLACK_S
            if not low <= at <= high:
                zone = UTC
                at = stamp_of(line.data, zone)
                if at is None or not low <= at <= high:
                    return None
            first = False
        if at >= when:
            return line.nth, line.start
        place = line.nth, line.start
    return None if place is None else (0, row[0].size)
