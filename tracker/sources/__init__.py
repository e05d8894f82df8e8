"""Where prices come from, behind one protocol."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from watchdog_kit.records import dataclass


@dataclass(frozen=True, slots=True)
class Offer:
    """One price of one token: of one pool, or (``pair`` is None) of the source as a whole.

    ``liquidity`` in USD; None when the source does not say, which is not the same as none.
    """

    price: float
    pair: str | None = None
    liquidity: float | None = None
    volume: float = 0.0
    name: str | None = None
    symbol: str | None = None


Offers = Mapping[str, Sequence[Offer]]


class SourceError(Exception):
    """No prices this time. The text says why, for people.

    ``pause_s`` is how long the other side asked to be left alone; ``batch_only`` says that this question was
    refused, and that others may well be answered.
    """

    def __init__(self, reason: str, *, pause_s: float | None = None, batch_only: bool = False) -> None:
        super().__init__(reason)
        self.pause_s = pause_s
        self.batch_only = batch_only


class Source(Protocol):
    """A service that knows prices."""

    @property
    def name(self) -> str:
        """Return its name, as it stands in files."""

    @property
    def host(self) -> str:
        """Return the host that is called."""

    @property
    def batch(self) -> int:
        """Return how many addresses one call may name."""

    @property
    def per_minute(self) -> int:
        """Return how many calls a minute it bears; we keep below it."""

    @property
    def cut_short(self) -> bool:
        """Say if the last answer was so long that tokens may be missing only for that."""

    def fetch(self, addresses: Sequence[str], limit_s: float) -> Offers:
        """Return what is offered for at most ``batch`` addresses; unknown ones are left out.

        Raises:
            SourceError: nothing usable came back.
        """

    def abort(self) -> None:
        """End a fetch that another thread is making."""

    def close(self) -> None:
        """Let go of the connection."""
