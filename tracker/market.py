"""What the work loop asks prices of."""

from collections.abc import Sequence
from typing import Protocol

from tracker.model import Token
from tracker.sources import Offers
from watchdog_kit.records import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one batch.

    ``complete``: the source knows all tokens that there are, so one that it leaves out is not known at all;
    a fallback leaves out many that the first source will know again.
    """

    source: str
    offers: Offers
    complete: bool


class NoPricesError(Exception):
    """No source gave anything usable for this batch; the text says why.

    ``batch_only``: it was this question that was refused, other batches may well be answered.
    """

    def __init__(self, reason: str, *, batch_only: bool = False) -> None:
        super().__init__(reason)
        self.batch_only = batch_only


class NotNowError(Exception):
    """The budget of calls is used up for the moment; the rest of the round waits for the next turn."""


class Market(Protocol):
    """All sources as one."""

    batch: int
    trouble: str  # what is to be said although prices arrive, such as that a fallback delivers them

    def begin_turn(self) -> None:
        """Say that a new cycle begins."""

    def ask(self, addresses: Sequence[str]) -> Answer:
        """Return prices for at most ``batch`` addresses.

        Raises:
            NoPricesError: no source answered usably.
            NotNowError: nobody may be asked at the moment.
        """

    def polls(self, token: Token) -> bool:
        """Say if a token is this market's business."""

    def close(self) -> None:
        """Let go of connections."""
