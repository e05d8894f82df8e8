"""DexScreener: all pools of up to 30 tokens in one call. Source: its API reference, recorded answers."""

from collections.abc import Sequence
from typing import Any

from tracker.sources import Offer, Offers, SourceError
from tracker.sources.http import JsonService, joined, usable_amount, usable_price, usable_text

CHAIN = "solana"
MOST_PAIRS = 30  # longer answers were never seen, however many pools the asked tokens had


class DexScreener(JsonService):
    """The first source."""

    name = "dexscreener"
    batch = 30
    per_minute = 300

    def fetch(self, addresses: Sequence[str], limit_s: float) -> Offers:
        """Return the pools of these tokens."""
        value = self.get(f"/tokens/v1/{CHAIN}/{joined(addresses)}", limit_s)
        self.cut_short = isinstance(value, list) and len(value) >= MOST_PAIRS
        return parse(value, addresses)


def parse(value: Any, addresses: Sequence[str]) -> Offers:
    """Read an answer: a list of pools, or an object with one; ``null`` means that no token is known.

    Pools of other chains count for nothing, and neither do those in which an asked token is only the other
    side: their price is that of another token.

    Raises:
        SourceError: it has another shape.
    """
    pools = value
    if isinstance(value, dict):
        if "pairs" not in value:
            raise SourceError("dexscreener: its answer has an unknown shape")
        pools = value["pairs"] or []
    if not isinstance(pools, list):
        raise SourceError("dexscreener: its answer has an unknown shape")
    asked = set(addresses)
    offers: dict[str, list[Offer]] = {}
    understood = 0
    for pool in pools:
        base = pool.get("baseToken") if isinstance(pool, dict) else None
        if not isinstance(base, dict):
            continue
        understood += 1
        address, price, pair = (
            base.get("address"),
            usable_price(pool.get("priceUsd")),
            pool.get("pairAddress"),
        )
        wanted = pool.get("chainId") == CHAIN and isinstance(address, str) and address in asked
        if not wanted or price is None or not isinstance(pair, str) or not pair:
            continue
        liquidity, volume = pool.get("liquidity"), pool.get("volume")
        offers.setdefault(str(address), []).append(
            Offer(
                price=price,
                pair=pair,
                liquidity=usable_amount(liquidity.get("usd")) if isinstance(liquidity, dict) else None,
                volume=(usable_amount(volume.get("h24")) or 0.0) if isinstance(volume, dict) else 0.0,
                name=usable_text(base.get("name")),
                symbol=usable_text(base.get("symbol")),
            )
        )
    if pools and not understood:
        raise SourceError("dexscreener: its answer has an unknown shape")
    return offers
