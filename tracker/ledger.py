"""What was told, so that it is told once: it survives a kill at any instruction.

``sent_tokens.ledger.jsonl`` gets a line for each step of each alert, brought to the disk before the next step
is taken: ``due`` before it may be sent, ``sending`` before the first byte leaves, ``sent`` after the service
said so. What stands at ``sending`` when a tracker starts was cut off in between: it may have arrived, so it
becomes ``uncertain``, is shown, and is never sent again by itself.

``sent_tokens.txt`` beside it keeps one address a line, as the old system reads it. An address there that the
ledger does not know was told by the old system, at its only level of 50 %.
"""

import contextlib
import json
import os
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tracker.errors import StorageError
from tracker.when import utc_text
from watchdog_kit.atomic_file import Steps, write_atomic
from watchdog_kit.damage import DAMAGE
from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass

DUE, SENDING, SENT, UNCERTAIN = "due", "sending", "sent", "uncertain"
OLD_LEVEL = 50.0
_STATES = (DUE, SENDING, SENT, UNCERTAIN)
_COMPACT_ABOVE = 4 * 1024 * 1024
_KEPT_WHOLE = 200  # newest alerts that keep their text when the ledger is made small


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert: a rise of a token over a level, or (``token`` is empty) a notice."""

    id: int
    state: str
    at: str
    token: str
    level: float
    text: str
    reason: str = ""


class LedgerFile(Steps):
    """The system calls of the ledger. A test can make any of them fail or stop."""

    def append(self, path: str, data: bytes) -> None:
        """Add whole lines to a file and bring them to the disk; what was cut off before is closed first."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size:
                os.lseek(descriptor, -1, os.SEEK_END)
                if os.read(descriptor, 1) != b"\n":
                    data = b"\n" + data
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[self.write(descriptor, rest) :]
                self.sync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, size)  # a half line would be read as damage
                raise
            if not size:
                self.sync_folder(os.path.dirname(path) or os.curdir)
        finally:
            os.close(descriptor)


class Ledger:
    """The told-once memory of one folder. Its methods may be called from any thread.

    Args:
        path: the ledger.
        sent_path: ``sent_tokens.txt``.
        files: the system calls to use.
    """

    def __init__(self, path: str, sent_path: str, files: LedgerFile | None = None) -> None:
        self._path = path
        self._sent_path = sent_path
        self._files = files or LedgerFile()
        self._guard = threading.RLock()
        self._entries: dict[int, Entry] = {}
        self._told: dict[str, float] = {}
        self._listed: set[str] = set()
        self._unwritten: list[dict[str, Any]] = []  # steps that happened but could not be noted yet
        self._unlisted: list[str] = []

    def load(self, *, repair: bool = True) -> list[Entry]:
        """Read what was told; return the alerts that became uncertain just now.

        Args:
            repair: note what was found (for the tracker); False only looks (for a command beside it).
        Raises:
            StorageError: it cannot be read, so nobody knows what was told.
        """
        with self._guard:
            for line in self._lines(self._path):
                self._take_line(line)
            self._listed = {_address_in(line) for line in self._lines(self._sent_path)}
            for address in self._listed:
                self._told.setdefault(address, OLD_LEVEL)
            cut_off = [e for e in self._entries.values() if e.state == SENDING]
            for entry in cut_off:
                self._entries[entry.id] = replace(
                    entry, state=UNCERTAIN, reason="the tracker was ended while it was sent"
                )
            if repair:
                self._unwritten += [self._step(self._entries[e.id]) for e in cut_off]
                self._unlisted = [
                    e.token
                    for e in self._entries.values()
                    if e.token and e.state in (SENT, UNCERTAIN) and e.token not in self._listed
                ]
                with contextlib.suppress(StorageError):  # tried again with the next step
                    self.flush()
                self._compact()
            return [self._entries[e.id] for e in cut_off]

    def _lines(self, path: str) -> list[bytes]:
        try:
            with open(path, "rb") as file:
                return [line for line in (piece.strip() for piece in file.read().split(b"\n")) if line]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(
                f"cannot read {path}: {in_words(error)}; until it can be read no alert is sent, "
                "for nobody knows what was told"
            ) from error

    def _take_line(self, line: bytes) -> None:
        try:
            entry = self._read_step(json.loads(line))
        except DAMAGE:
            return  # cut off or foreign: the step that it stood for had not been taken
        if entry is not None:
            self._entries[entry.id] = entry
            self._note_told(entry)

    def _read_step(self, told: dict[str, Any]) -> Entry | None:
        number, state = told["id"], told["state"]
        if type(number) is not int or state not in _STATES:
            return None
        at, reason = str(told["at"]), str(told.get("reason", ""))
        before = self._entries.get(number)
        if before is not None:
            return replace(before, state=state, at=at, reason=reason)
        token, text = str(told.get("token", "")), str(told.get("text", ""))
        return Entry(number, state, at, token, float(told.get("level", 0.0)), text, reason)

    def _note_told(self, entry: Entry) -> None:
        if entry.token:
            self._told[entry.token] = max(entry.level, self._told.get(entry.token, 0.0))

    def told(self, address: str) -> float:
        """Return the highest level that was told of a token, or is about to be; 0 for none."""
        return self._told.get(address, 0.0)

    def add(self, token: str, level: float, text: str) -> Entry:
        """Note an alert that is due.

        Raises:
            StorageError: it cannot be noted, so it must not be sent.
        """
        with self._guard:
            self.flush()
            number = max(self._entries, default=0) + 1
            entry = Entry(number, DUE, utc_text(), token, level, text)
            self._append([self._step(entry, whole=True)])
            self._entries[number] = entry
            self._note_told(entry)
            return entry

    def mark(self, ids: Iterable[int], state: str, reason: str = "") -> None:
        """Note a step of some alerts.

        Raises:
            StorageError: it cannot be noted. ``sending`` then must not begin; what already happened
                (``sent``, ``uncertain``) is remembered and noted as soon as it can be.
        """
        with self._guard:
            changed = [replace(self._entries[i], state=state, at=utc_text(), reason=reason) for i in ids]
            steps = [self._step(entry) for entry in changed]
            if state in (SENDING, DUE):
                self.flush()
                self._append(steps)
                self._entries.update({e.id: e for e in changed})
                return
            self._entries.update({e.id: e for e in changed})
            self._unwritten += steps
            self._unlisted += [e.token for e in changed if e.token and e.token not in self._listed]
            self.flush()

    def flush(self) -> None:
        """Note what happened but could not be noted at its time.

        Raises:
            StorageError: it still cannot.
        """
        with self._guard:
            if self._unwritten:
                self._append(self._unwritten)
                self._unwritten = []
            if self._unlisted:
                addresses = list(dict.fromkeys(self._unlisted))
                self._write(self._sent_path, "".join(f"{address}\n" for address in addresses))
                self._listed.update(addresses)
                self._unlisted = []

    def of_state(self, *states: str) -> list[Entry]:
        """Return the alerts that stand at one of these steps, oldest first."""
        with self._guard:
            return [e for _, e in sorted(self._entries.items()) if e.state in states]

    def get(self, number: int) -> Entry | None:
        """Return one alert."""
        with self._guard:
            return self._entries.get(number)

    def _step(self, entry: Entry, *, whole: bool = False) -> dict[str, Any]:
        step: dict[str, Any] = {"id": entry.id, "state": entry.state, "at": entry.at}
        if whole:
            step |= {"token": entry.token, "level": entry.level, "text": entry.text}
        if entry.reason:
            step["reason"] = entry.reason
        return step

    def _append(self, steps: list[dict[str, Any]]) -> None:
        self._write(self._path, "".join(json.dumps(step) + "\n" for step in steps))

    def _write(self, path: str, text: str) -> None:
        try:
            self._files.append(path, text.encode(errors="backslashreplace"))
        except OSError as error:
            raise StorageError(f"cannot note alerts in {path}: {in_words(error)}") from error

    def _compact(self) -> None:
        """Make a long ledger short: one line an alert, and texts only of the newest."""
        try:
            if os.path.getsize(self._path) < _COMPACT_ABOVE:
                return
        except OSError:
            return
        newest = set(sorted(self._entries)[-_KEPT_WHOLE:])
        lines = []
        for number, entry in sorted(self._entries.items()):
            open_still = entry.state in (DUE, UNCERTAIN)
            kept = entry if number in newest or open_still else replace(entry, text="")
            lines.append(json.dumps(self._step(kept, whole=True)) + "\n")
        with contextlib.suppress(OSError):  # it only is longer than it need be
            write_atomic(self._path, "".join(lines).encode())


def _address_in(line: bytes) -> str:
    """Return what stands in a line of the old list; Windows may have saved it with a byte order mark or as UTF-16."""
    return line.replace(b"\0", b"").strip(b"\xef\xbb\xbf\xff\xfe \t\r").decode(errors="replace")
