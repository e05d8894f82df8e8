"""GeckoTerminal: prices of up to 30 tokens in one call, without pools. Source: its API guide."""

from collections.abc import Sequence
from typing import Any

from tracker.sources import Offer, Offers, SourceError
from tracker.sources.http import JsonService, joined, usable_price


class GeckoTerminal(JsonService):
    """The second source."""

    name = "geckoterminal"
    batch = 30
    per_minute = 30
    headers = {"Accept": "application/json;version=20230302"}  # noqa: RUF012 - never changed

    def fetch(self, addresses: Sequence[str], limit_s: float) -> Offers:
        """Return a price for each known token."""
        path = f"/api/v2/simple/networks/solana/token_price/{joined(addresses)}"
        return parse(self.get(path, limit_s), addresses)


def parse(value: Any, addresses: Sequence[str]) -> Offers:
    """Read an answer.

    Raises:
        SourceError: it has another shape.
    """
    prices = value
    for name in ("data", "attributes", "token_prices"):
        prices = prices.get(name) if isinstance(prices, dict) else None
    if not isinstance(prices, dict):
        raise SourceError("geckoterminal: its answer has an unknown shape")
    found = {address: usable_price(prices.get(address)) for address in addresses}
    return {address: (Offer(price),) for address, price in found.items() if price is not None}
