"""How long ago each token was answered about."""

from collections.abc import Iterable

AGED_AFTER = 3  # cycles, or rounds with a long list; chosen: one lost answer is no reason to worry anybody


class Freshness:
    """Remembers when a source last answered about each token, be it that it does not know it.

    Args:
        begun: monotonic instant from which the age of tokens counts that nobody answered about yet.
    """

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._answered: dict[str, float] = {}
        self._unknown: set[str] = set()

    def unknown(self, addresses: Iterable[str]) -> int:
        """Count the tokens that no source knows."""
        return sum(1 for address in addresses if address in self._unknown)

    def added(self, address: str, now: float) -> None:
        """Take on a token that nobody can have asked about before."""
        self._answered[address] = now

    def answered(self, address: str, now: float, *, known: bool) -> None:
        """Note an answer."""
        self._answered[address] = now
        if known:
            self._unknown.discard(address)
        else:
            self._unknown.add(address)

    def removed(self, address: str) -> None:
        """Forget a token."""
        self._answered.pop(address, None)
        self._unknown.discard(address)

    def aged(self, addresses: Iterable[str], now: float, limit_s: float) -> int:
        """Count the tokens whose last answer is older than ``limit_s``."""
        return sum(1 for address in addresses if now - self._answered.get(address, self._begun) > limit_s)
