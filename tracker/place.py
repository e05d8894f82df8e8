"""Where things lie in a working folder."""

import os

from tracker.errors import StorageError
from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one working folder."""

    folder: str

    @property
    def tokens(self) -> str:
        """The main file."""
        return os.path.join(self.folder, "tracked_tokens.json")

    @property
    def sent(self) -> str:
        """One address a line: what was told, as the old system reads it."""
        return os.path.join(self.folder, "sent_tokens.txt")

    @property
    def ledger(self) -> str:
        """What was told and what may have been, alert by alert."""
        return os.path.join(self.folder, "sent_tokens.ledger.jsonl")

    @property
    def backups(self) -> str:
        """Folder of older copies."""
        return os.path.join(self.folder, "backups")

    @property
    def heartbeat(self) -> str:
        """The heartbeat file, unless the watchdog asks for another."""
        return os.path.join(self.folder, "heartbeat.json")

    @property
    def inner(self) -> str:
        """Folder of what no person needs to look at."""
        return os.path.join(self.folder, ".tracker")

    @property
    def lock(self) -> str:
        """The lock file."""
        return os.path.join(self.inner, "lock")

    @property
    def budget(self) -> str:
        """How often services were called lately, and which asked to be left alone."""
        return os.path.join(self.inner, "budget.json")

    @property
    def moved_chats(self) -> str:
        """New numbers of Telegram groups that were upgraded."""
        return os.path.join(self.inner, "telegram_chats.json")

    @property
    def digest(self) -> str:
        """Hash of the main file as it was saved last: what has it need not be read with all care."""
        return os.path.join(self.inner, "saved")

    @property
    def removals(self) -> str:
        """How many tokens were removed on purpose, ever."""
        return os.path.join(self.inner, "removals")

    @property
    def edits_lock(self) -> str:
        """Held for the moment in which a change gets its number."""
        return os.path.join(self.inner, "edits.lock")

    @property
    def last_edit(self) -> str:
        """The highest number that a change ever got."""
        return os.path.join(self.inner, "edits.last")

    @property
    def edits(self) -> str:
        """Folder of changes that other terminals asked the running tracker for."""
        return os.path.join(self.inner, "edits")

    def prepare(self) -> None:
        """Make the inner folder.

        Raises:
            StorageError: the working folder is missing or cannot be written.
        """
        if not os.path.isdir(self.folder):
            raise StorageError(f"there is no folder {self.folder}; make it first, or name another with -C")
        try:
            os.makedirs(self.inner, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot make {self.inner}: {in_words(error)}; is the folder writable?"
            ) from error
