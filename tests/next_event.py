"""The next event of an inbox, however often its wait ends with nothing before."""

from typing import Protocol

from watchdog_cli.core.events import Event


class Source(Protocol):
    """An inbox of any platform."""

    def get(self, until: float | None) -> Event | None:
        """Wait for one event until then."""


def next_event(inbox: Source, until: float | None = None) -> Event:
    """Wait for the next event; each single wait lasts until ``until``."""
    while True:
        event = inbox.get(until)
        if event is not None:
            return event
