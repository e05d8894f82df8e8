"""Where in the log each run began: the journal names the places, the marks tell files of the same inode apart."""

import os
from collections.abc import Iterator
from itertools import islice
from typing import Any

from watchdog_cli.adapters.log_marks import file_id_of
from watchdog_cli.adapters.log_reader import LogFile, Place, lines_backwards, opened_row
from watchdog_kit.records import dataclass

LIMIT = 10_000  # lines of the journal that are looked through


@dataclass(frozen=True, slots=True)
class RunStart:
    """One run, and where its output begins."""

    inode: str
    offset: int
    number: int
    at: str  # ISO, as in the journal
    before: str  # how the run before it ended; empty if nothing is known


def journal_stamp(path: str) -> tuple[int, int]:
    """Return something that changes whenever a fact is added."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_ino, found.st_size


class RunFinder:
    """Reads the journal of one watchdog, as far back as it is asked."""

    def __init__(self, journal_path: str, marks_path: str) -> None:
        """Remember the paths; a missing journal knows no runs."""
        self._journal_path = journal_path
        self._marks_path = marks_path
        self._births: dict[str, str] = {}

    def since(self, row: list[LogFile], start: Place) -> list[RunStart]:
        """Return the runs that began at or behind ``start``, oldest first."""
        found: list[RunStart] = []
        for run in self._backwards():
            place = place_of(row, run)
            if place is None or not behind(place, start):
                break
            found.append(run)
        found.reverse()
        return found

    def last(self) -> RunStart | None:
        """Return the newest run, wherever its output may be by now."""
        return next(self._backwards(), None)

    def stamp(self) -> tuple[int, int]:
        """Return something that changes when the journal does."""
        return journal_stamp(self._journal_path)

    def newest(self, after: str) -> list[RunStart]:
        """Return the runs that came after the one that began at ``after`` (ISO), oldest first."""
        found: list[RunStart] = []
        for run in self._backwards():
            if run.at == after or len(found) >= 100:
                break
            found.append(run)
        found.reverse()
        return found

    def _backwards(self) -> Iterator[RunStart]:
        """Yield runs, newest first."""
        waiting: dict[str, Any] | None = None  # a start whose reason stands further up
        with opened_row(self._journal_path) as row:
            for line in islice(lines_backwards(row), LIMIT):
                if b'"spawned"' not in line.data and b'"ended"' not in line.data:
                    continue
                record = _record(line.data)
                if record.get("fact") == "spawned":
                    if waiting is not None:
                        yield self._start(waiting, "")
                    waiting = record if _is_placed(record) else None
                elif record.get("fact") == "ended" and waiting is not None:
                    yield self._start(waiting, _ending(record))
                    waiting = None
            if waiting is not None:
                yield self._start(waiting, "")

    def _start(self, record: dict[str, Any], before: str) -> RunStart:
        inode, _, birth = str(record["log"]["file_id"]).rpartition(":")
        if inode not in self._births:
            self._births[inode] = file_id_of(self._marks_path, inode).rpartition(":")[2]
        # Another file once had this inode: the place is gone. Without marks the inode must do.
        known = self._births[inode]
        gone = known not in {"", birth}
        number = record.get("number")
        return RunStart(
            "" if gone else inode,
            int(record["log"]["offset"]),
            number if isinstance(number, int) else 0,
            str(record.get("at", "")),
            before,
        )


def place_of(row: list[LogFile], run: RunStart) -> Place | None:
    """Return the place of a run's beginning, or None if it is not in these files (any more)."""
    for index, log in enumerate(row):
        if log.inode == run.inode:
            return (index, run.offset) if run.offset <= log.size else None
    return None


def behind(place: Place, start: Place) -> bool:
    """Say whether a place lies at or behind another one."""
    return place[0] < start[0] or (place[0] == start[0] and place[1] >= start[1])


def _record(line: bytes) -> dict[str, Any]:
    import json

    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # half a line after a crash, or damage
        return {}
    return found if isinstance(found, dict) else {}


def _is_placed(record: dict[str, Any]) -> bool:
    log = record.get("log")
    return (
        isinstance(log, dict)
        and isinstance(log.get("file_id"), str)
        and isinstance(log.get("offset"), int)
        and log["offset"] >= 0
    )


def _ending(record: dict[str, Any]) -> str:
    text = record.get("text")
    if not isinstance(text, str):
        return ""
    return text.removeprefix("ended: ").rpartition(", after ")[0] or text
