"""Asks about each new token once how safe it looks, beside the work and within the budget."""

import queue
import threading
from collections.abc import Iterable

from tracker.inbox import Inbox, Learned
from tracker.model import RUGCHECK, Token
from tracker.sources import SourceError
from tracker.sources.budget import Budget
from tracker.sources.rugcheck import RugCheck

_TRIES = 3
_PAUSE_S = 6.0  # between two questions: chosen, nothing is in a hurry here


class SafetyWatcher:
    """Answers arrive in the inbox as ``Learned``; what cannot be learned in three tries waits for a restart."""

    def __init__(self, service: RugCheck, budget: Budget, inbox: Inbox, limit_s: float) -> None:
        self._service = service
        self._budget = budget
        self._inbox = inbox
        self._limit_s = limit_s
        self._seen: set[str] = set()
        self._waiting: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, tokens: Iterable[Token]) -> None:
        """Take on those of these tokens that nothing is known of yet."""
        for token in tokens:
            address = token.address
            if token.fields.get(RUGCHECK) is None and address not in self._seen:
                self._seen.add(address)
                self._waiting.put((address, 0))
        if self._thread is None and not self._waiting.empty():
            self._thread = threading.Thread(target=self._work, name="safety", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ask nothing more."""
        self._ended.set()
        self._service.abort()

    def _work(self) -> None:
        account = f"{self._service.name} at {self._service.host}"
        while not self._ended.is_set():
            address, tries = self._waiting.get()
            while not self._budget.take(account, self._service.per_minute):
                if self._ended.wait(max(1.0, self._budget.paused_s(account))):
                    return
            try:
                self._inbox.put(Learned(address, self._service.ask(address, self._limit_s)))
            except SourceError as error:
                if error.pause_s is not None:
                    self._budget.pause(account, error.pause_s)
                if tries + 1 < _TRIES and not error.batch_only:
                    self._waiting.put((address, tries + 1))
                if self._ended.wait(_PAUSE_S * 2**tries):
                    return
