"""Messages on their way to one service: paced, tried again, merged when they had to wait.

Nothing is lost while the service cannot be reached. What waits is handed out to be kept on disk, so it outlives the
watchdog. A message whose delivery is uncertain is sent again a few times: an alert that comes twice, with the same
mark in it, is better than none.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from watchdog_cli.sinks.wording import fold
from watchdog_kit.notify import Message, Outcome, Result, Sender
from watchdog_kit.quantities import format_duration
from watchdog_kit.records import dataclass

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0  # chosen: soon at first, and then not to be felt
UNCERTAIN_PAUSE_S = 3600.0  # the longest then: each attempt may be one more copy
FINAL_PAUSE_S = 3600.0  # chosen: a wrong token is mended by a person; it may also be the chat that is mended
MOST_UNCERTAIN = 24  # times that a message is sent without ever knowing: within a day
MOST_FOLDED = 1000  # messages in one, counted


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message, or several merged into one."""

    message: Message
    at: datetime
    count: int = 1


class Outbox:
    """All that waits for one service.

    Args:
        limit: how many messages wait one by one; the oldest are merged beyond it.
    """

    def __init__(self, sender: Sender, *, limit: int) -> None:
        self.sender = sender
        self._limit = limit
        self._waiting: list[Waiting] = []
        self._not_before = 0.0  # monotonic
        self._failures = 0
        self._uncertain = 0
        self.trouble = ""  # why the last attempt did not work

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return sum(one.count for one in self._waiting)

    def add(self, message: Message, at: datetime) -> None:
        """Take a message."""
        self._waiting.append(Waiting(message, at))
        while len(self._waiting) > self._limit > 1:
            self._waiting[:2] = [_merged(self._waiting[:2])]

    def due_in_s(self) -> float | None:
        """Return the seconds until something can be sent; None when nothing waits."""
        if not self._waiting:
            return None
        return max(0.0, self._not_before - time.monotonic(), self.sender.ready_in_s())

    def turn(self) -> str | None:
        """Send what waits, as one message, if it is time.

        Returns:
            A sentence for the journal when the service fails for the first time, or works again; else None.
        """
        due = self.due_in_s()
        if due is None or due > 0:
            return None
        if len(self._waiting) > 1:
            self._waiting = [_merged(self._waiting)]
        one = self._waiting[0]
        return self._judge(self.sender.send(one.message))

    def _judge(self, result: Result) -> str | None:
        name = self.sender.name
        if result.outcome is Outcome.SENT:
            self._waiting.pop(0)
            was_broken, self.trouble = self.trouble, ""
            self._failures = self._uncertain = 0
            return f"{name} works again; what waited was told" if was_broken else None
        self._failures += 1
        longest_s = UNCERTAIN_PAUSE_S if result.outcome is Outcome.UNCERTAIN else LONGEST_PAUSE_S
        pause_s = min(FIRST_PAUSE_S * 2 ** min(self._failures - 1, 20), longest_s)
        if result.final:
            pause_s = FINAL_PAUSE_S
        if result.retry_after_s is not None:
            pause_s = max(result.retry_after_s, 0.1)
        self._not_before = time.monotonic() + pause_s
        if result.outcome is Outcome.UNCERTAIN:
            self._uncertain += 1
            if self._uncertain >= MOST_UNCERTAIN:
                self._waiting.pop(0)
                self._uncertain = 0
                self.trouble = result.reason
                return f"{name}: {result.reason}; nobody knows if an alert arrived, it is not sent again"
        is_first, self.trouble = not self.trouble, result.reason
        again = format_duration(pause_s)
        return f"{name}: {result.reason}; the alert is kept, trying again in {again}" if is_first else None

    # --- over the life of one watchdog -----------------------------------------------------------------------

    def to_record(self) -> list[dict[str, Any]]:
        """Return what waits as JSON can say it."""
        return [
            {
                "at": one.at.isoformat(),
                "count": one.count,
                "text": one.message.text,
                "html": one.message.html,
                "data": None if one.message.data is None else dict(one.message.data),
            }
            for one in self._waiting
        ]

    def take_over(self, record: object) -> None:
        """Take what an earlier watchdog could not send; what cannot be understood is left out."""
        for entry in record if isinstance(record, list) else []:
            waiting = _from_record(entry)
            if waiting is not None:
                self._waiting.append(waiting)


def _merged(several: list[Waiting]) -> Waiting:
    count = min(sum(one.count for one in several), MOST_FOLDED)
    return Waiting(fold([one.message for one in several], count), several[-1].at, count)


def _from_record(entry: object) -> Waiting | None:
    if not isinstance(entry, Mapping):
        return None
    text, html, data, count = (entry.get(key) for key in ("text", "html", "data", "count"))
    try:
        at = datetime.fromisoformat(str(entry.get("at")))
    except ValueError:
        return None
    if not isinstance(text, str) or not text or not isinstance(count, int) or not 0 < count <= MOST_FOLDED:
        return None
    marked = html if isinstance(html, str) else None
    return Waiting(Message(text, marked, data if isinstance(data, dict) else None), at, count)
