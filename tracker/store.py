"""``tracked_tokens.json``: saved so that it always loads, restored from a backup when it does not.

Only the process that holds the folder's lock saves. One save: the written tokens are put together, the main
file of before gets a second name in ``backups/``, the new content replaces the main file in one step, and
backups that are too many go. A backup is always of the *previous* content: what damages the main file in
place later cannot reach it.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tracker import backups, token_file
from tracker.aside import Restored, set_aside, set_bad_tokens_aside
from tracker.backups import Backup
from tracker.errors import StorageError, UnrecoverableError
from tracker.model import Token
from tracker.place import Place
from tracker.token_file import DamagedError, Loaded
from watchdog_kit.atomic_file import Steps, sweep_temps, write_atomic
from watchdog_kit.os_errors import in_words
from watchdog_kit.quantities import format_duration

Signature = tuple[int, int, int]
Fields = Mapping[str, Any]


class OutsideChangeError(Exception):
    """Somebody else changed the main file since we last read or wrote it."""


class LinkSteps(Steps):
    """The system calls of one save, with those that make and remove backups."""

    def link(self, source: str, target: str) -> None:
        """Give the file a second name; copy it where the file system has no such thing."""
        try:
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:
            with open(source, "rb") as file:
                write_atomic(target, file.read())


class Store:
    """The main file and its backups in one folder.

    Args:
        place: where.
        max_backups: how many older copies to keep.
        steps: the system calls to use.
    """

    def __init__(self, place: Place, max_backups: int, steps: LinkSteps | None = None) -> None:
        self._place = place
        self._max_backups = max_backups
        self._steps = steps or LinkSteps()
        self._signature: Signature | None = None
        self._digest = ""
        self._count = 0
        self._saved_at = datetime.now(UTC)
        self._removed = 0  # as ``removed`` was when the present main file was saved
        self._sequence: int | None = None
        self.removed = 0  # tokens removed on purpose, ever: what tells a wish from an accident
        self.base: dict[str, Fields] = {}  # as last read or written: what hand-made changes are measured by

    def load(self) -> Restored:
        """Read what was saved, from the newest valid backup when the main file is damaged or gone.

        Raises:
            StorageError: something cannot be read or written.
            UnrecoverableError: there is saved data and none of it is valid.
        """
        for folder in (self._place.folder, self._place.backups, self._place.inner):
            sweep_temps(folder)
        found, no_backups = self._list_backups()
        self.removed = self._removed = max([self._noted_removals(), *(b.removed for b in found)])
        restored = Restored()
        damage = "it is gone"
        signature = self._stat()
        if signature is not None:
            try:
                self._load_main(restored, signature)
            except DamagedError as error:
                damage = str(error)
            else:
                if no_backups is not None:
                    restored.notes.append(f"{no_backups}; the list itself is in order")
                return restored
        if no_backups is not None:
            raise no_backups
        if signature is None and not found:
            restored.first_start = True
            return restored
        self._restore_newest(found, restored, damage, there=signature is not None)
        return restored

    def _list_backups(self) -> tuple[list[Backup], StorageError | None]:
        """List what there is, or say why it cannot be told; a good list does not need them."""
        try:
            found = backups.list_backups(self._place.backups)
        except StorageError as error:
            self._sequence = None  # looked for again when one is made
            return [], error
        self._sequence = max((b.sequence for b in found), default=0) + 1
        return found, None

    def _load_main(self, restored: Restored, signature: Signature) -> None:
        data = self._read(self._place.tokens)
        digest = backups.digest_of(data)
        loaded = None
        if digest == self._noted_digest():
            with contextlib.suppress(ValueError, AttributeError):  # then it is read with all care below
                loaded = Loaded(token_file.decode_own(data))
        if loaded is None:
            loaded = token_file.decode(data)
        self._take(loaded, restored, digest, signature)

    def restore(self, backup: Backup) -> Restored:
        """Put one chosen backup in the place of the main file, which itself becomes the newest backup.

        Raises:
            StorageError: the backup is damaged, or something cannot be read or written.
        """
        restored = Restored()
        data, loaded = self._read_backup(backup)
        if self._stat() is not None:
            try:
                present = self._read(self._place.tokens)
                count = len(token_file.decode(present).tokens)
            except DamagedError as error:
                set_aside(self._place, restored, f"the main file is damaged ({error})")
            else:
                self._digest, self._count = backups.digest_of(present), count
                self._saved_at = datetime.fromtimestamp(os.stat(self._place.tokens).st_mtime, UTC)
                self._back_up()
        self._write(data)
        self._take(loaded, restored, backups.digest_of(data), self._stat())
        return restored

    def _take(self, loaded: Loaded, restored: Restored, digest: str, signature: Signature | None) -> None:
        restored.tokens = loaded.tokens
        self.remember(loaded.tokens)
        self._signature, self._digest, self._count = signature, digest, len(loaded.tokens)
        with contextlib.suppress(OSError):
            self._saved_at = datetime.fromtimestamp(os.stat(self._place.tokens).st_mtime, UTC)
        self._remark(loaded, restored)

    def _remark(self, loaded: Loaded, restored: Restored) -> None:
        """Say what in a file could not be taken as it stands, and put entries that are no tokens aside."""
        if loaded.nulled:
            names = ", ".join(name[:44] for name in loaded.nulled[:5])
            more = f" and {len(loaded.nulled) - 5} more" if len(loaded.nulled) > 5 else ""
            restored.alarms.append(
                f"NaN or infinity, which is no JSON, stood in tracked_tokens.json under {names}{more}; "
                "it counts as unknown (null)"
            )
        if loaded.bad:
            set_bad_tokens_aside(self._place, loaded, restored)

    def _restore_newest(self, found: list[Backup], restored: Restored, damage: str, *, there: bool) -> None:
        failures = []
        for backup in found:
            try:
                data, loaded = self._read_backup(backup)
            except StorageError as error:
                failures.append(str(error))
                continue
            if there:
                set_aside(self._place, restored, f"tracked_tokens.json is damaged ({damage})")
            self._write(data)
            self._take(loaded, restored, backups.digest_of(data), self._stat())
            age = max(0.0, (datetime.now(UTC) - backup.at).total_seconds())
            restored.alarms.append(
                f"tracked_tokens.json could not be used ({damage}); restored {len(loaded.tokens)} tokens "
                f"from backup {backup.name}, which is {format_duration(age)} old"
            )
            restored.notes += failures
            return
        what = f"tracked_tokens.json cannot be used ({damage})" if there else "tracked_tokens.json is gone"
        more = f", nor is any of the {len(found)} files in backups/" if found else " and there is no backup"
        raise UnrecoverableError(
            f"{what}{more}; nothing was changed. Put a good copy there (see: python -m tracker verify), "
            "or move tracked_tokens.json and backups/ away to start with an empty list"
        )

    def _read_backup(self, backup: Backup) -> tuple[bytes, Loaded]:
        try:
            data = self._read(os.path.join(self._place.backups, backup.name))
            if not backup.ours or backups.digest_of(data) == backup.digest:
                return data, token_file.decode(data)
            reason = "its content is not what its name says"
        except DamagedError as error:
            reason = str(error)
        raise StorageError(f"backup {backup.name} is damaged: {reason}")

    def save(self, tokens: Mapping[str, Token]) -> list[str]:
        """Save these tokens; return complaints about single ones.

        Raises:
            OutsideChangeError: the file was changed by somebody else; it has to be merged first.
            StorageError: it cannot be written; the old file is intact.
        """
        self._look_for_a_hand()
        complaints: list[str] = []
        removed = self.removed
        data = token_file.encode(self._pieces(tokens, complaints))
        digest = backups.digest_of(data)
        if self._signature is not None:
            try:
                self._back_up()
            except StorageError as error:  # a list without a new backup is better than no new list
                complaints.append(str(error))
        self._write(data, self._look_for_a_hand)
        self._signature, self._digest, self._count = self._stat(), digest, len(tokens)
        self._saved_at, self._removed = datetime.now(UTC), removed
        self.remember(tokens)
        self._prune()
        with contextlib.suppress(OSError):  # without the note the next start only takes longer
            write_atomic(self._place.digest, digest.encode(), durable=False)
        return complaints

    def _pieces(self, tokens: Mapping[str, Token], complaints: list[str]) -> Iterator[tuple[str, bytes]]:
        for address, token in tokens.items():
            try:
                yield address, token_file.encode_token(token)
            except (ValueError, TypeError, RecursionError) as error:
                # The model lets nothing in that cannot be written; should it ever, the others must not pay.
                complaints.append(f"token {address} cannot be written: {error}")
                if address in self.base:
                    with contextlib.suppress(ValueError, TypeError, RecursionError):
                        yield address, token_file.encode_token(replace(token, fields=self.base[address]))

    def remember(self, tokens: Mapping[str, Token]) -> None:
        """Take these tokens for what stands in the main file."""
        self.base = {address: token.fields for address, token in tokens.items()}

    def _noted_digest(self) -> str:
        try:
            with open(self._place.digest, "rb") as file:
                return file.read(100).decode("ascii", "replace")
        except OSError:
            return ""

    def changed_outside(self) -> bool:
        """Say if the main file is not the one that we last read or wrote."""
        return self._stat() != self._signature

    def _look_for_a_hand(self) -> None:
        if self.changed_outside():
            raise OutsideChangeError

    def read_outside(self) -> tuple[Loaded, list[str]] | None:
        """Read a main file that somebody else changed, with remarks on it; None when it was taken away.

        Raises:
            DamagedError: it is no list of tokens.
            StorageError: it cannot be read, or what is no token in it cannot be put aside.
        """
        signature = self._stat()
        if signature is None:
            self._signature = None
            return None
        data = self._read(self._place.tokens)
        loaded, restored = token_file.decode(data), Restored()
        self._remark(loaded, restored)
        self._signature, self._digest, self._count = signature, backups.digest_of(data), len(loaded.tokens)
        self._saved_at, self._removed = datetime.now(UTC), self.removed
        return loaded, restored.alarms

    def outside_age_s(self) -> float:
        """Say how long ago the main file was changed, by the wall clock."""
        try:
            return time.time() - os.stat(self._place.tokens).st_mtime
        except OSError:
            return 0.0

    def set_outside_aside(self, reason: str) -> list[str]:
        """Put a main file that somebody else broke out of the way."""
        restored = Restored()
        set_aside(
            self._place, restored, f"tracked_tokens.json was changed by somebody and is damaged ({reason})"
        )
        self._signature = None
        return restored.alarms + restored.notes

    def note_removals(self, count: int) -> None:
        """Remember that so many tokens were removed on purpose."""
        if not count:
            return
        self.removed += count
        with contextlib.suppress(OSError):  # without the note a copy counts as shrunken, which loses nothing
            write_atomic(self._place.removals, str(self.removed).encode(), durable=False)

    def _noted_removals(self) -> int:
        try:
            with open(self._place.removals, "rb") as file:
                return max(0, int(file.read(20)))
        except (OSError, ValueError):
            return 0

    def _stat(self) -> Signature | None:
        try:
            found = os.stat(self._place.tokens)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"cannot look at {self._place.tokens}: {in_words(error)}") from error
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self, path: str) -> bytes:
        try:
            with open(path, "rb") as file:
                if os.fstat(file.fileno()).st_size > token_file.FILE_LIMIT:
                    raise DamagedError("it is larger than 512MiB, which no list of tokens is")
                return file.read()
        except OSError as error:
            raise StorageError(f"cannot read {path}: {in_words(error)}") from error

    def _write(self, data: bytes | bytearray, last_look: Callable[[], None] = lambda: None) -> None:
        mode = 0o600
        with contextlib.suppress(OSError):
            mode = os.stat(self._place.tokens).st_mode & 0o777
        try:
            write_atomic(self._place.tokens, data, mode=mode, last_look=last_look, steps=self._steps)
        except OSError as error:
            raise StorageError(f"cannot save {self._place.tokens}: {in_words(error)}") from error

    def _back_up(self) -> None:
        """Give the present main file, which we know to be good, a second name in the backup folder."""
        found = backups.list_backups(self._place.backups)
        if self._sequence is None:
            self._sequence = max((b.sequence for b in found), default=0) + 1
        newest = next((b for b in found if b.ours), None)
        if newest is not None and newest.digest == self._digest:
            return
        name = backups.name_of(self._sequence, self._saved_at, self._count, self._removed, self._digest)
        try:
            os.makedirs(self._place.backups, mode=0o700, exist_ok=True)
            with contextlib.suppress(FileExistsError):  # then that very content is there under this name
                self._steps.link(
                    os.path.realpath(self._place.tokens), os.path.join(self._place.backups, name)
                )
        except OSError as error:
            raise StorageError(f"cannot make a backup in {self._place.backups}: {in_words(error)}") from error
        self._sequence += 1

    def _prune(self) -> None:
        # One too many does no harm; the next save tries again.
        with contextlib.suppress(OSError, StorageError):
            found = backups.list_backups(self._place.backups)
            for name in backups.superfluous(found, self._max_backups):
                self._steps.remove(os.path.join(self._place.backups, name))
