"""Saving beside the work: a thread writes what the loop hands it, and says how it went."""

import threading
import time
from collections.abc import Mapping

from tracker.errors import StorageError
from tracker.inbox import Inbox, Saved
from tracker.model import Token
from tracker.store import OutsideChangeError, Store


class Saver:
    """At most one save at a time.

    The tokens that are handed over never change, so the loop goes on with newer ones meanwhile.
    """

    def __init__(self, store: Store, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox
        self._thread: threading.Thread | None = None
        self.busy = False  # until the loop has taken notice of the end

    def start(self, tokens: Mapping[str, Token]) -> None:
        """Begin a save; its end arrives in the inbox as ``Saved``."""
        assert not self.busy
        self.busy = True
        # A daemon: a disk that hangs for ever must not keep a process alive that was told to end.
        self._thread = threading.Thread(target=self._work, args=(tokens,), name="saver", daemon=True)
        self._thread.start()

    def finish(self, limit_s: float) -> bool:
        """Wait for a save under way; False when it is still going on after ``limit_s``."""
        if self._thread is not None:
            self._thread.join(limit_s)
        return self._thread is None or not self._thread.is_alive()

    def collected(self) -> None:
        """Say that the loop knows of the end."""
        self.busy = False

    def _work(self, tokens: Mapping[str, Token]) -> None:
        result = Saved(0.0, failure="cannot save: a fault of the tracker itself, see its traceback")
        try:
            result = self.save_now(tokens)
        finally:
            self._inbox.put(result)  # or the loop would wait for ever for this save, and begin no other

    def save_now(self, tokens: Mapping[str, Token]) -> Saved:
        """Save in this thread."""
        begun = time.monotonic()
        try:
            complaints = self._store.save(tokens)
        except OutsideChangeError:
            return Saved(time.monotonic() - begun, outside=True)
        except StorageError as error:
            return Saved(time.monotonic() - begun, failure=str(error))
        except MemoryError:
            return Saved(time.monotonic() - begun, failure="cannot save: out of memory")
        return Saved(time.monotonic() - begun, complaints=tuple(complaints))
