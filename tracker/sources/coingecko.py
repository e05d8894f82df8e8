"""CoinGecko: the last resort, one token a call without a key. Source: its API reference, recorded answers."""

from collections.abc import Sequence
from typing import Any

from tracker.sources import Offer, Offers, SourceError
from tracker.sources.http import JsonService, joined, usable_price


class CoinGecko(JsonService):
    """The last source."""

    name = "coingecko"
    batch = 1
    per_minute = 10

    def fetch(self, addresses: Sequence[str], limit_s: float) -> Offers:
        """Return a price for each known token."""
        path = f"/api/v3/simple/token_price/solana?contract_addresses={joined(addresses)}&vs_currencies=usd"
        return parse(self.get(path, limit_s), addresses)


def parse(value: Any, addresses: Sequence[str]) -> Offers:
    """Read an answer; an empty object means that no token is known.

    Raises:
        SourceError: it has another shape.
    """
    if not isinstance(value, dict) or any(not isinstance(entry, dict) for entry in value.values()):
        raise SourceError("coingecko: its answer has an unknown shape")
    found = {address: usable_price(value.get(address, {}).get("usd")) for address in addresses}
    return {address: (Offer(price),) for address, price in found.items() if price is not None}
