"""Facts on disk: typed lines for machines in journal.jsonl, one line for people in NAME.watchdog.log, and state.json.

One thread of its own writes all three, so that a slow or full disk never holds up a decision.
"""

import contextlib
import json
import os
import queue
import signal
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from watchdog_cli.adapters import boot_clock, foreign_json, life, log_reader, state_file
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.core.errors import StorageError
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.record import one_line
from watchdog_cli.core.snapshot import Snapshot
from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass
from watchdog_kit.wall_time import iso

VERSION = 1
JOURNAL_SIZE = 5_000_000  # about 20,000 facts; months of a healthy program
JOURNAL_BACKUPS = 2
TRY_AGAIN_S = 10.0  # chosen: how often a state that could not be written is tried again


class Chore(Protocol):
    """Something small to write now and then; should it raise, it is not done any more."""

    def turn(self) -> float | None:
        """Do what is due, and return for how many seconds nothing is; None: until a fact comes."""

    def close(self) -> None:
        """It will not be done again."""


@dataclass(frozen=True, slots=True)
class _Line:
    at: datetime
    up: float  # on the clock that nobody sets
    fact: Fact
    extra: dict[str, object]


class Recorder:
    """Takes facts and snapshots from the main thread and writes them in its own."""

    def __init__(
        self,
        *,
        state_path: str,
        journal_path: str,
        log_path: str,
        log_size: int,
        log_backups: int,
        on_problem: Callable[[str], None],
        floor: str = "",
    ) -> None:
        """Open the files.

        Args:
            floor: the folder of the program, which is never made anew.

        Raises:
            StorageError: one of them cannot be written at the start.
        """
        self._state_path = state_path
        self._on_problem = on_problem
        self._journal = RotatingFile(
            journal_path,
            JOURNAL_SIZE,
            JOURNAL_BACKUPS,
            gap_note=_journal_gap,
            mend="pick another folder with -C",
            floor=floor,
        )
        self._log = RotatingFile(log_path, log_size, min(log_backups, JOURNAL_BACKUPS), floor=floor)
        self._journal.open()
        try:
            self._log.open()
        except StorageError:
            self._journal.close()
            raise
        for file in (self._journal, self._log):
            _end_half_line(file)
        self._number = _last_number(journal_path)
        self._life = life.own_life()
        self._queue: queue.SimpleQueue[_Line | Snapshot | None] = queue.SimpleQueue()
        self._state_trouble = False
        self.chore: Chore | None = None  # done in our thread, while there is nothing else to write
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def fact(self, at: datetime, fact: Fact, **extra: object) -> None:
        """Write a fact soon."""
        self._queue.put(_Line(at, boot_clock.now_s(), fact, extra))

    def state(self, snapshot: Snapshot) -> None:
        """Write the state soon; only the newest of several counts."""
        self._queue.put(snapshot)

    def close(self, limit_s: float) -> None:
        """Write what waits, but no longer than ``limit_s``; a disk that hangs is left behind."""
        self._queue.put(None)
        self._thread.join(limit_s)
        if not self._thread.is_alive():
            self._journal.close()
            self._log.close()
            if self.chore is not None:
                self.chore.close()

    def _run(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # Signals belong to the main thread: one that came here between two images of us would end us.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        fine = False
        try:
            self._write_until_closed()
            fine = True
        finally:
            if not fine:
                self._on_problem("the recorder has ended by a fault of its own; facts are no longer written")

    def _write_until_closed(self) -> None:
        going_on = True
        unsaved: Snapshot | None = None
        while going_on:
            batch: list[_Line | Snapshot | None] = []
            with contextlib.suppress(queue.Empty):
                batch.append(self._queue.get(timeout=self._patience_s(unsaved is not None)))
            if not batch and unsaved is None:
                continue  # only the chore was due
            with contextlib.suppress(queue.Empty):
                while True:
                    batch.append(self._queue.get_nowait())
            lines = [one for one in batch if isinstance(one, _Line)]
            unsaved = next((one for one in reversed(batch) if isinstance(one, Snapshot)), unsaved)
            going_on = None not in batch
            if unsaved is not None and self._save(unsaved):
                unsaved = None
            if lines:
                self._journal.write(b"".join(self._encode(line) for line in lines))
                self._log.write(b"".join(_for_people(line) for line in lines))

    def _patience_s(self, has_unsaved: bool) -> float | None:
        """How long we may wait for the next fact; None: as long as it takes."""
        due_in_s = self._do_chore()
        if not has_unsaved:
            return due_in_s
        return TRY_AGAIN_S if due_in_s is None else min(TRY_AGAIN_S, due_in_s)

    def _do_chore(self) -> float | None:
        if self.chore is None:
            return None
        try:
            return self.chore.turn()
        except Exception as error:  # noqa: BLE001 - what only listens must not end the journal
            self.chore = None
            kind = type(error).__name__
            self._on_problem(
                f"history: a fault of its own ({one_line(f'{kind}: {error}')}); nothing is measured any more"
            )
            return None

    def _encode(self, line: _Line) -> bytes:
        self._number += 1
        record = {"v": VERSION, "seq": self._number, "at": iso(line.at), "fact": line.fact.kind}
        record |= line.fact.mapping() | line.extra | {"text": line.fact.text}
        record |= {"up": round(line.up, 3), "life": self._life}
        return (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "replace")

    def _save(self, snapshot: Snapshot) -> bool:
        try:
            state_file.save(self._state_path, snapshot)
        except OSError as error:
            if not self._state_trouble:
                self._state_trouble = True
                self._on_problem(f"cannot write {self._state_path}: {in_words(error)}; going on")
            return False
        self._state_trouble = False
        return True


def _for_people(line: _Line) -> bytes:
    text = line.fact.text.replace("\n", " ")
    return f"{iso(line.at)} {line.fact.level.name:7} {text}\n".encode("utf-8", "replace")


def _end_half_line(file: RotatingFile) -> None:
    """What a watchdog that was killed in the middle of a line left must not swallow our first one."""
    with contextlib.suppress(OSError), open(file.path, "rb") as left:
        if left.seek(0, os.SEEK_END) and left.seek(-1, os.SEEK_END) >= 0 and left.read(1) != b"\n":
            file.write(b"\n")


def _journal_gap(lost: int, reason: str) -> bytes:
    record = {"v": VERSION, "fact": "journal-gap", "lost_bytes": lost, "reason": reason}
    return (json.dumps(record) + "\n").encode()


def _last_number(path: str) -> int:
    """The newest sequence number in the journal; its order outlives clock steps and restarts."""
    for line in reversed(log_reader.last_lines(path, 5)):
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return int(foreign_json.parse(line)["seq"])
    return 0
