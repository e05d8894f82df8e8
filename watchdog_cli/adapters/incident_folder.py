"""Incidents on disk: a folder for each unplanned end, the newest twenty of each watchdog.

A folder is written under another name and renamed when it is complete, so a reader finds all of it or nothing, and so
does whoever comes after a kill in the middle.
"""

import contextlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from typing import Any

from watchdog_cli.adapters import foreign_json
from watchdog_cli.adapters.rotating_file import make_folder
from watchdog_cli.core.errors import StorageError
from watchdog_kit.os_errors import in_words

KEPT = 20
RECORD = "incident.json"
VERSION = 1
LEFTOVER_S = 3600.0  # chosen: an unfinished folder that old belongs to nobody who still writes
_READ_LIMIT = 1 << 20
_UNFINISHED = ".unfinished-"
_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


class IncidentFolder:
    """The folder of all incidents, as one watchdog writes it.

    Args:
        path: ``logs/incidents``.
        floor: the folder of the program, which is never made anew.
        name: of the watchdog; incidents of others in the same folder are left alone.
    """

    def __init__(self, path: str, name: str, *, floor: str = "") -> None:
        self._path = path
        self._name = name
        self._floor = floor

    def keep(self, wanted_id: str, record: Mapping[str, object], files: Mapping[str, str]) -> str:
        """Write one incident and let old ones go; return its id.

        Args:
            wanted_id: its name, unless one of that name is there.
            record: what goes into ``incident.json``, besides version, id and name.
            files: the texts of the other files by their names.
        Raises:
            OSError: it cannot be written; nothing of it is left.
        """
        make_folder(self._path, self._floor)
        unfinished = os.path.join(self._path, f"{_UNFINISHED}{os.getpid()}-{time.monotonic_ns():x}")
        os.mkdir(unfinished, 0o700)
        try:
            final_id = self._free_id(wanted_id)
            whole = {"version": VERSION, "id": final_id, "name": self._name, **record}
            for name, text in files.items():
                _write(os.path.join(unfinished, name), text)
            _write(os.path.join(unfinished, RECORD), json.dumps(whole, ensure_ascii=False, indent=1) + "\n")
            os.rename(unfinished, os.path.join(self._path, final_id))
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        self._let_go()
        return final_id

    def _free_id(self, wanted: str) -> str:
        found, number = wanted, 1
        while os.path.lexists(os.path.join(self._path, found)):
            number += 1
            found = f"{wanted}-{number}"
        return found

    def _let_go(self) -> None:
        """Remove the oldest ones, and what a killed watchdog left unfinished."""
        ours = list_incidents(self._path, self._name)
        for record in ours[KEPT:]:
            _remove(os.path.join(self._path, record["id"]))
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._path):
                if entry.name.startswith(_UNFINISHED):
                    with contextlib.suppress(OSError):
                        if time.time() - entry.stat(follow_symlinks=False).st_mtime > LEFTOVER_S:
                            _remove(entry.path)


def list_incidents(path: str, name: str) -> list[dict[str, Any]]:
    """Return the records of one watchdog's incidents, newest first; what is no incident is passed over.

    Raises:
        StorageError: the folder is not ours to read.
    """
    found = [record for record in _records(path) if record.get("name") == name]
    # Not by the time: clocks are set back. The number of a run is never used twice.
    return sorted(found, key=lambda record: (_number(record), record["at"], record["id"]), reverse=True)


def read_file(path: str, incident_id: str, name: str) -> str | None:
    """Return the text of one file of an incident; None if there is none."""
    if not is_id(incident_id) or os.path.basename(name) != name:
        return None
    try:
        return _read(os.path.join(path, incident_id, name)).decode("utf-8", "replace")
    except OSError:
        return None


def is_id(text: str) -> bool:
    """Whether a text can be the id of an incident; one that names another place cannot."""
    return 0 < len(text) <= 100 and set(text) <= _ID_CHARACTERS and not text.startswith("-")


def _records(path: str) -> Iterator[dict[str, Any]]:
    try:
        entries = sorted(entry.name for entry in os.scandir(path) if is_id(entry.name))
    except PermissionError as error:
        raise StorageError(f"cannot read {path}: {in_words(error)}") from error
    except OSError:
        return
    for entry in entries:
        try:
            record = foreign_json.parse(_read(os.path.join(path, entry, RECORD)), lenient=True)
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and isinstance(record.get("at"), str):
            yield record | {"id": entry}  # people rename folders


def _number(record: Mapping[str, Any]) -> int:
    number = record.get("number")
    return number if isinstance(number, int) else 0


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(path)
        parts = []
        room = _READ_LIMIT
        while room > 0 and (part := file.read(room)):
            parts.append(part)
            room -= len(part)
    return b"".join(parts)


def _write(path: str, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:
        rest = memoryview(text.encode("utf-8", "replace"))
        while rest:
            rest = rest[file.write(rest) :]


def _remove(path: str) -> None:
    if os.path.islink(path):
        with contextlib.suppress(OSError):
            os.unlink(path)
    else:
        shutil.rmtree(path, ignore_errors=True)
