"""The facts of a journal and of its rotated files, read back; lines that are damaged are passed over."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from watchdog_cli.adapters.life import boot_of
from watchdog_cli.adapters.log_reader import opened_row
from watchdog_cli.core.history import SECONDS, Note
from watchdog_cli.core.timeline import Stamp

FILE_LIMIT = 1 << 25  # of a file that somebody else has written here no more is read
LINE_LIMIT = 1 << 16
HIGHEST = 1e15  # beyond it is no time and no count
# How a line begins, as we write it, whose fact changes nothing but what is sure if the watchdog dies right then: half
# of a long journal. It is understood only where that may be so.
_ASIDE = re.compile(
    r'\{"v": 1, "seq": (\d{1,18}), "at": "[^"]*", "fact": "(?:healthy|recovered|no-heartbeat|memory|restarting)"'
)
_decode = json.JSONDecoder().raw_decode


def read_notes(path: str) -> list[Note]:
    """All facts that can be had, oldest first."""
    with opened_row(path) as row:
        contents = (file.read(0, min(file.size_now(), FILE_LIMIT)) for file in reversed(row))
        texts = (content.decode("utf-8", "replace") for content in contents)
        return list(parse_notes(line for text in texts for line in text.split("\n")))


def parse_notes(lines: Iterable[str]) -> Iterator[Note]:
    """The facts in the lines of a journal; a line that is none leaves a hole in their numbers."""
    expected: int | None = None
    aside = ""  # a line that was passed over since the last note
    before: Note | None = None
    for line in lines:
        found = _ASIDE.match(line)
        if found is not None and int(found[1]) == expected:
            expected += 1
            aside = line
            continue
        note = _note(line)
        if note is None:
            continue
        if aside and before is not None and (note.life != before.life or note.seq != expected):
            yield from _sign(aside, before)
        note.follows = note.seq == expected
        expected = note.seq + 1
        aside, before = "", note
        yield note
    if aside and before is not None:
        yield from _sign(aside, before)


def _sign(line: str, before: Note) -> Iterator[Note]:
    note = _note(line)
    if note is not None and note.life == before.life:
        note.follows = True
        yield note


def _note(line: str) -> Note | None:
    if not line or len(line) > LINE_LIMIT:
        return None
    try:
        record, _ = _decode(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    seq = _whole(record, "seq")
    fact = record.get("fact")
    try:
        wall = datetime.fromisoformat(record["at"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if seq is None or not isinstance(fact, str):
        return None
    life = _text(record, "life")
    note = Note(seq, Stamp(wall, _number(record, "up"), boot_of(life)), fact, life)
    if "number" in record:
        note.number = _whole(record, "number")
    if "exit_code" in record:
        note.exit_code = _whole(record, "exit_code")
    if fact == "ended":
        note.cause = _text(record, "cause")
        note.signal = _whole(record, "signal")
        note.detail = _text(record, "detail")
    elif fact == "notice":
        note.detail = _text(record, "topic")
    elif fact == "spawn-failed":
        note.detail = _text(record, "reason")
    if fact in SECONDS:
        seconds = _number(record, SECONDS[fact])
        note.seconds = seconds if seconds is not None and seconds >= 0 else None
    return note


def _number(record: dict[str, Any], key: str) -> int | float | None:
    """A number that arithmetic can bear; None for everything else."""
    value = record.get(key)
    if type(value) is int or type(value) is float:  # and not bool, which is an int too
        return value if -HIGHEST < value < HIGHEST else None
    return None


def _whole(record: dict[str, Any], key: str) -> int | None:
    value = record.get(key)
    return value if type(value) is int and -HIGHEST < value < HIGHEST else None


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""
