"""What of a program's files would survive the loss of this machine, told by the watchdog that carries them along.

The file is replaced as a whole after each state that the keeper of the lease has confirmed::

    {"version": 1, "needed": true, "files": {"/srv/main/told.jsonl": {"size": 512, "sha256": "9f86…"}}}

A program that must do something at most once on all machines together (a message, a payment) notes it in a log that
is only ever appended to, waits until its note is among the confirmed bytes, and only then does it.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

from watchdog_kit.atomic_file import write_atomic
from watchdog_kit.damage import DAMAGE
from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass

VARIABLE = "WATCHDOG_CARRIED"
_READ_AT_MOST = 1 << 20
_CHUNK = 1 << 18
_VERSION = 1


def write_carried(path: str, files: Mapping[str, bytes | None]) -> None:
    """Say that exactly these contents are confirmed.

    Args:
        files: by absolute path; None where there was no such file.
    Raises:
        OSError: it cannot be written; what was said before still stands, and is still true.
    """
    _write(path, needed=True, files={name: _described(content) for name, content in files.items()})


def write_not_needed(path: str) -> None:
    """Say to a program that began under a lease that it needs none any more.

    Raises:
        OSError: it cannot be written.
    """
    _write(path, needed=False, files={})


def _described(content: bytes | None) -> dict[str, object] | None:
    from hashlib import sha256

    return None if content is None else {"size": len(content), "sha256": sha256(content).hexdigest()}


def _write(path: str, **told: object) -> None:
    # Not durable: after a power cut no program lives that would read it.
    write_atomic(path, json.dumps({"version": _VERSION, **told}).encode(), mode=0o600, durable=False)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at it.

    Args:
        may_go: the next machine knows, or none needs to.
        why: for people: what is missing; or, with ``may_go``, that the file does not move at all.
    """

    may_go: bool
    why: str = ""


class CarriedLog:
    """A log of this program: a file that one process appends to, and that nobody shortens.

    The confirmed bytes count if they are a beginning of the log as it is now. Their number alone would not do: a log
    may have been cut after a write that failed, or removed and begun anew, since it was read.
    """

    def __init__(self, record: str, path: str) -> None:
        """Nothing is read yet.

        Args:
            record: what ``WATCHDOG_CARRIED`` names.
            path: the log.
        """
        self._record = record
        self._path = path
        self._seen: tuple[bytes, int] | None = None
        self._last = Look(may_go=False)

    def look(self, size: int) -> Look:
        """Say whether the first ``size`` bytes of the log are safe; quick when nothing was confirmed since."""
        try:
            with open(self._record, "rb") as file:
                raw = file.read(_READ_AT_MOST)
        except OSError as error:
            return Look(may_go=False, why=f"cannot read {self._record}: {in_words(error)}")
        if self._seen != (raw, size):
            self._last = self._judge(raw, size)
            self._seen = (raw, size)
        return self._last

    def _judge(self, raw: bytes, size: int) -> Look:
        try:
            told = json.loads(raw)
            if told["version"] != _VERSION:
                return Look(may_go=False, why=f"{self._record} is of another version")
            if told["needed"] is False:
                return Look(may_go=True)
            found, moves = self._mine(dict(told["files"]))
            safe = found is not None and self._begins_with(found, size)
        except DAMAGE:
            return Look(may_go=False, why=f"{self._record} is damaged")
        if safe:
            return Look(may_go=True)
        if not moves:
            return Look(may_go=True, why=f"{os.path.basename(self._path)} does not move with the lease")
        return Look(may_go=False, why="the lease has not confirmed yet that it is noted")

    def _mine(self, files: dict[str, Any]) -> tuple[Any, bool]:
        for name, found in files.items():
            try:
                if os.path.samefile(name, self._path):  # both may go through links and mounts
                    return found, True
            except OSError:
                continue  # not there, or not yet
        return None, False

    def _begins_with(self, found: Any, size: int) -> bool:
        from hashlib import sha256

        rest, expected = found["size"], found["sha256"]
        if type(rest) is not int or rest < size:
            return False
        seen = sha256()
        try:
            with open(self._path, "rb") as file:
                while rest and (chunk := file.read(min(rest, _CHUNK))):
                    seen.update(chunk)
                    rest -= len(chunk)
        except OSError:
            return False
        return not rest and seen.hexdigest() == expected
