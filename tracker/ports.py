"""What the work loop needs of those around it."""

from collections.abc import Mapping
from typing import Any, Protocol

from tracker.model import Token
from tracker.rules import Rise


class Alerts(Protocol):
    """Where rises go."""

    def told(self, address: str) -> float:
        """Return the highest level that was told of a token, 0 for none."""

    def rise(self, rise: Rise) -> bool:
        """Take a rise on; False when it cannot be noted now, so that it must come again."""

    def trouble(self) -> str:
        """Say what is wrong with telling, or nothing."""

    def facts(self) -> Mapping[str, Any]:
        """Return what the heartbeat shows of alerts."""

    def close(self, limit_s: float) -> None:
        """Stop sending."""


class Changes(Protocol):
    """What other terminals and hands changed."""

    def take(self, tokens: dict[str, Token], *, final: bool = False) -> bool:
        """Work changes into the tokens; True when there were some, so that a save is due."""

    def trouble(self) -> str:
        """Say what keeps changes, and with them all saving, from going on, or nothing."""

    def handed(self) -> None:
        """Say that the present list was handed to a save."""

    def saved(self, *, well: bool) -> None:
        """Say how that save ended."""
