"""Changes the list from a command: by itself when no tracker runs, else by leaving a change for it."""

import os
from collections.abc import Callable, Mapping

from tracker import edits, token_file
from tracker.changes import apply_edit
from tracker.edits import Edit
from tracker.errors import StorageError, UsageError
from tracker.lock import FolderLock
from tracker.model import Token
from tracker.place import Place
from tracker.settings import Settings, load_settings
from tracker.store import Store
from tracker.token_file import DamagedError
from watchdog_kit.os_errors import in_words

_PATIENCE_S = 20.0


class Editor:
    """One command's work on the list of a folder.

    Args:
        place: the folder.
        given: settings from the command line.
        say: prints a line.
    """

    def __init__(self, place: Place, given: Mapping[str, object], say: Callable[[str], None]) -> None:
        self._place = place
        self._say = say
        self.settings: Settings = load_settings(place.folder, given, os.environ)

    def known(self) -> dict[str, Token]:
        """Return the list as it is, with the changes that wait for the running tracker.

        Raises:
            StorageError: the file cannot be read, or is damaged.
        """
        try:
            with open(self._place.tokens, "rb") as file:
                tokens = token_file.decode(file.read()).tokens
        except FileNotFoundError:
            tokens = {}
        except DamagedError as error:
            raise StorageError(
                f"tracked_tokens.json is damaged ({error}); starting the tracker restores the newest good backup, "
                "see also: python -m tracker verify"
            ) from error
        except OSError as error:
            raise StorageError(f"cannot read {self._place.tokens}: {in_words(error)}") from error
        for edit in edits.waiting(self._place):
            if edit.kind != edits.RESEND:
                apply_edit(edit, tokens)
        return tokens

    def refuse_too_many(self, count: int) -> None:
        """Keep to the limit.

        Raises:
            UsageError: there would be more tokens than allowed.
        """
        most = self.settings.max_tokens
        if count > most:
            raise UsageError(
                f"that would be {count} tokens, and max-tokens is {most}; remove some, or raise --max-tokens"
            )

    def apply(self, edit: Edit) -> int | None:
        """Make a change; return the pid of the tracker that takes it up, or None when it is done already.

        Raises:
            TrackerError: it could not be made.
        """
        self._place.prepare()
        lock = FolderLock(self._place.lock, "edit")
        pid = lock.acquire_or_find(_PATIENCE_S)
        if pid is not None:
            edits.leave(self._place, edit)
            return pid
        try:
            edits.leave(self._place, edit)
            self._work_in()
        finally:
            lock.release()
        return None

    def _work_in(self) -> None:
        """Save the list with all changes that wait. Only with the lock."""
        store = Store(self._place, self.settings.max_backups)
        restored = store.load()
        for line in (*restored.notes, *restored.alarms):
            self._say(line)
        tokens = dict(restored.tokens)
        waiting = [edit for edit in edits.waiting(self._place) if edit.kind != edits.RESEND]
        removed = sum(apply_edit(edit, tokens).removed for edit in waiting)
        store.note_removals(removed)
        store.save(tokens)
        edits.done(self._place, [edit.name for edit in waiting])
