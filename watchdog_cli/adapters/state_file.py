"""state.json: load and save a snapshot, atomically, versioned. A bad file is set aside, never trusted."""

import errno
import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from typing import Any, TypeVar

from watchdog_cli.adapters import foreign_json
from watchdog_cli.core.snapshot import LAST_RUNS, VERSION, ChildRecord, LastRun, ProcessId, Snapshot
from watchdog_kit.atomic_file import write_atomic
from watchdog_kit.os_errors import in_words

SIZE_LIMIT = 8 << 20  # arguments may have 2 MiB, and three times that when escaped
WINDOW_LIMIT = 1000
T = TypeVar("T")


class BadStateError(ValueError):
    """The file is there and does not say what it should."""


def encode(snapshot: Snapshot) -> bytes:
    """The file's content: one line for each key, so that a person can read it.

    Indenting by the library would leave its fast encoder out, and a program that dies often has this written often.
    """
    lines = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in to_record(snapshot).items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def to_record(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot in the shape of the file."""
    record = {one.name: _plain(getattr(snapshot, one.name)) for one in fields(snapshot)}
    unknown = record.pop("unknown")
    return {"version": VERSION, **unknown, **record}


def _plain(value: Any) -> Any:
    """As ``asdict``, without copying the long tuples of plain values."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value] if value and is_dataclass(value[0]) else value
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def decode(content: bytes) -> Snapshot:
    """The snapshot in a file's content.

    Raises:
        BadStateError: says what is wrong; no other error, whatever the bytes.
    """
    if len(content) > SIZE_LIMIT:
        raise BadStateError("it is far too large")
    try:
        record = foreign_json.parse(content)
    except ValueError as error:
        raise BadStateError("it is no complete JSON") from error
    return from_record(record)


def from_record(record: object) -> Snapshot:
    """The snapshot in a value of the shape of the file.

    Raises:
        BadStateError: says what is wrong.
    """
    if not isinstance(record, dict):
        raise BadStateError("it is no JSON object")
    version = record.get("version")
    if not isinstance(version, int) or version < 1:
        raise BadStateError("it has no version")
    if version > VERSION:
        raise BadStateError(f"it was written by a newer watchdog (version {version})")
    return _snapshot(record)


def load(path: str) -> Snapshot | None:
    """The snapshot, or None when there is no file.

    Raises:
        BadStateError: the file is damaged or cannot be read.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            content = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadStateError(f"it cannot be read: {in_words(error)}") from error
    return decode(content)


def set_aside(path: str) -> str | None:
    """Rename a bad file so that it can be looked at; return the new name, None when that is impossible."""
    base = f"{path}.bad-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    names = (base, *(f"{base}-{number}" for number in range(2, 100)))
    target = next((name for name in names if not os.path.lexists(name)), base)
    try:
        os.rename(path, target)
    except OSError:
        return None
    return target


def _without_waiting(path: str, flags: int) -> int:
    """Open what should be a file; a pipe in its place would wait for a writer."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode) and not os.path.isdir(path):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not an ordinary file", path)
    return descriptor


def save(path: str, snapshot: Snapshot) -> None:
    """Replace the file in one step. Not synced: after a power cut no process of it lives any more.

    Raises:
        OSError: it could not be written; the old file is intact.
    """
    write_atomic(path, encode(snapshot), mode=0o600, durable=False)


def _field(record: dict[str, Any], key: str, check: Callable[[Any], bool], default: T) -> T:
    value = record.get(key, default)
    if value is default:
        return default
    if not check(value):
        raise BadStateError(f"its field {key!r} is wrong")
    return value  # type: ignore[no-any-return] # checked just above


def _is_text(value: Any) -> bool:
    """Text that may become part of a path or of an environment."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62


def _is_int_or_none(value: Any) -> bool:
    return value is None or _is_int(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _list(record: dict[str, Any], key: str, check: Callable[[Any], bool], limit: int) -> list[Any]:
    value = record.get(key, [])
    if not isinstance(value, list) or not all(check(one) for one in value):
        raise BadStateError(f"its field {key!r} is wrong")
    return value[-limit:]


def _object(record: dict[str, Any], key: str) -> dict[str, Any]:
    value = record.get(key)
    if not isinstance(value, dict):
        raise BadStateError(f"its field {key!r} is wrong")
    return value


def _process(record: dict[str, Any]) -> ProcessId:
    pid = _field(record, "pid", _is_int, 0)
    if not 0 < pid < 1 << 31:
        raise BadStateError("its field 'pid' is wrong")
    return ProcessId(
        pid=pid,
        start_ticks=_field(record, "start_ticks", _is_int_or_none, None),
        started_at=_field(record, "started_at", _is_text, ""),
    )


def _child(record: dict[str, Any]) -> ChildRecord:
    return ChildRecord(
        process=_process(_object(record, "process")),
        run_id=_field(record, "run_id", _is_text, ""),
        number=_field(record, "number", _is_int, 0),
    )


def _last_run(record: dict[str, Any]) -> LastRun:
    return LastRun(
        at=_field(record, "at", _is_text, ""),
        cause=_field(record, "cause", _is_text, ""),
        exit_code=_field(record, "exit_code", _is_int_or_none, None),
        signal=_field(record, "signal", _is_int_or_none, None),
        text=_field(record, "text", _is_text, ""),
    )


def _snapshot(record: dict[str, Any]) -> Snapshot:
    known = {one.name for one in fields(Snapshot)} | {"version"}
    return Snapshot(
        name=_field(record, "name", _is_text, ""),
        folder=_field(record, "folder", _is_text, ""),
        command=tuple(_list(record, "command", _is_text, 1 << 16)),
        watchdog=_process(_object(record, "watchdog")),
        boot_id=_field(record, "boot_id", _is_text, ""),
        state=_field(record, "state", _is_text, ""),
        child=None if record.get("child") is None else _child(_object(record, "child")),
        number=_field(record, "number", _is_int, 0),
        restarts=_field(record, "restarts", _is_int, 0),
        window=tuple(_list(record, "window", _is_number, WINDOW_LIMIT)),
        cap=_field(record, "cap", _is_int_or_none, None),
        window_s=_field(record, "window_s", _is_number, 300.0),
        ever_beat=_field(record, "ever_beat", _is_flag, False),
        paused=_field(record, "paused", _is_flag, False),
        pause_until=_field(record, "pause_until", _is_number_or_none, None),
        next_start=_field(record, "next_start", _is_number_or_none, None),
        last=tuple(
            _last_run(one) for one in _list(record, "last", lambda one: isinstance(one, dict), LAST_RUNS)
        ),
        ended=_field(record, "ended", _is_text, ""),
        exit_code=_field(record, "exit_code", _is_int_or_none, None),
        heartbeat_file=_field(record, "heartbeat_file", _is_text, ""),
        heartbeat_timeout_s=_field(record, "heartbeat_timeout_s", _is_number, 120.0),
        stop_timeout_s=_field(record, "stop_timeout_s", _is_number_or_none, None),
        log_dir=_field(record, "log_dir", _is_text, "logs"),
        written_at=_field(record, "written_at", _is_text, ""),
        unknown={key: value for key, value in record.items() if key not in known},
    )
