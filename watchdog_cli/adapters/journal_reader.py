"""The facts of a journal and of its rotated files, read back; lines that are damaged are passed over."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from watchdog_cli.adapters.life import boot_of
from watchdog_cli.adapters.log_reader import close_row, open_row
from watchdog_cli.core.history import SECONDS, Note
from watchdog_cli.core.timeline import Stamp

FILE_LIMIT = 1 << 25  # of a file that somebody else has written here no more is read
LINE_LIMIT = 1 << 16
NUMBER = (int, float)
HIGHEST = 1e15  # beyond it is no time and no count


def read_notes(path: str) -> list[Note]:
    """All facts that can be had, oldest first."""
    try:
        row = open_row(path)
    except OSError:
        return []
    try:
        return [note for file in reversed(row) for note in parse_notes(file.read(0, FILE_LIMIT))]
    finally:
        close_row(row)


def parse_notes(content: bytes) -> Iterator[Note]:
    """The facts in a file's content; a line that is none leaves a hole in their numbers."""
    for line in content.split(b"\n"):
        if line and len(line) <= LINE_LIMIT:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            note = _note(record) if isinstance(record, dict) else None
            if note is not None:
                yield note


def _note(record: dict[str, Any]) -> Note | None:
    seq = _value(record, "seq", int)
    fact = record.get("fact")
    try:
        wall = datetime.fromisoformat(record["at"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if seq is None or not isinstance(fact, str):
        return None
    life = _text(record, "life")
    note = Note(seq, Stamp(wall, _value(record, "up", NUMBER), boot_of(life)), fact, life)
    note.number = _value(record, "number", int)
    if fact == "ended":
        note.cause = _text(record, "cause")
        note.signal = _value(record, "signal", int)
        note.detail = _text(record, "detail")
    elif fact == "notice":
        note.detail = _text(record, "topic")
    elif fact == "spawn-failed":
        note.detail = _text(record, "reason")
    note.exit_code = _value(record, "exit_code", int)
    if fact in SECONDS:
        note.seconds = _value(record, SECONDS[fact], NUMBER)
        if note.seconds is not None and note.seconds < 0:
            note.seconds = None
    return note


def _value(record: dict[str, Any], key: str, kinds: type | tuple[type, ...]) -> Any:
    """A number that arithmetic can bear; None for everything else."""
    value: Any = record.get(key)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return None
    number: Any = value
    return number if -HIGHEST < number < HIGHEST else None


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""
