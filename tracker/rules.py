"""What a price means: pure rules, price in, token and rise out.

A series is the run of prices of one token from one pool, or from one source that names no pool. Two series
of one token never stand at quite the same price, so a change of series must not look like a rise: the new
series continues from where the old one ended. Its factor says how its prices compare with the first series:

    rise in %  =  (price / factor / firstPrice - 1) * 100

``lastPrice`` and the history show what the market says; ``firstPrice``, ``highestPrice`` and the rises are
kept in the scale of the first series. The factor of the chosen pool is kept while a fallback source delivers,
so coming back to the pool brings back the truth, with whatever the fallback got wrong left behind.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tracker.model import (
    FACTOR,
    FIRST,
    HIGHEST,
    HISTORY_AT,
    LAST,
    LAST_AT,
    LOW_LIQUIDITY,
    MAX_INCREASE,
    MAX_RISE,
    PAIR,
    PAIR_FACTOR,
    REACHED_50,
    RUGCHECK,
    SOURCE,
    Token,
)
from tracker.sources import Offer
from watchdog_kit.records import dataclass

DEAD_AFTER = 3  # answers in a row; source: chosen, half a minute at the usual cycle
TOLD_BY_FLAG = 50.0  # what ``reached50`` in a file says was told
_ROUNDING = 1e-9  # from 0.1 to 0.15 is a rise of 50 %, though floats miss it by a hair
HIGHEST_BELIEVED_RISE = 1e12  # percent; what lies above is a broken price, not a rise


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers that the rules go by."""

    levels: tuple[float, ...] = (50.0,)
    min_liquidity: float = 1000.0
    history_step_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Where and when an answer came from: the wall time is for files, the monotonic one for the rules."""

    source: str
    at: str
    now: float


@dataclass(frozen=True, slots=True)
class Rise:
    """A token stands over a level, with two prices in a row and liquidity behind it."""

    address: str
    name: str
    symbol: str
    level: float
    percent: float
    first_price: float
    price: float
    liquidity: float
    source: str


def choose(token: Token, offers: Sequence[Offer], min_liquidity: float) -> tuple[Offer | None, int]:
    """Pick the offer that counts, and say for how many answers in a row the chosen pool has been unfit.

    The chosen pool stays until it was missing or too thin ``DEAD_AFTER`` times; a pool without known
    liquidity is unfit only when another one has enough.
    """
    if not offers:
        return None, token.misses
    best = max(offers, key=lambda o: (-1.0 if o.liquidity is None else o.liquidity, o.volume))
    pair = token.text(PAIR)
    if not pair or best.pair is None:
        return best, 0
    own = next((offer for offer in offers if offer.pair == pair), None)
    enough = (best.liquidity or 0.0) >= min_liquidity
    if own is not None and (own is best or not enough or (own.liquidity or 0.0) >= min_liquidity):
        return own, 0
    misses = token.misses + 1
    if misses >= DEAD_AFTER:
        return best, 0
    return own, misses


def take_price(
    token: Token, offers: Sequence[Offer], moment: Moment, rules: Rules, told: float
) -> tuple[Token, Rise | None]:
    """Work one answer of a source into a token.

    Args:
        token: the token so far.
        offers: what the source offers for it; none means that the source does not know it.
        moment: where and when the answer came from.
        rules: the numbers.
        told: highest level that was told of this token, 0 for none.
    Returns:
        The token as it is now, and a rise that was not told yet.
    """
    if token.simulated and moment.source != "demo":
        token = without_prices(token)
    offer, misses = choose(token, offers, rules.min_liquidity)
    if offer is None:
        return (token if token.misses == misses else replace(token, misses=misses)), None
    first = token.number(FIRST) or offer.price
    factor, changes, continues = _series(token, offer, moment.source)
    percent = (offer.price / factor / first - 1) * 100
    if not -100 <= percent <= HIGHEST_BELIEVED_RISE:
        return token, None
    scaled = offer.price if factor == 1 else offer.price / factor
    changes |= {LAST: offer.price, LAST_AT: moment.at, SOURCE: moment.source}
    if token.number(FIRST) is None:
        changes[FIRST] = offer.price
    if scaled > (token.number(HIGHEST) or 0):
        changes[HIGHEST] = scaled
    highest_rise = max(percent, 0.0)
    for name in (MAX_INCREASE, MAX_RISE):
        if highest_rise > (token.number(name) or 0) or token.number(name) is None:
            changes[name] = highest_rise
    if offer.liquidity is not None:
        changes[LOW_LIQUIDITY] = offer.liquidity < rules.min_liquidity
    elif token.fields.get(LOW_LIQUIDITY) is not None and offer.pair is not None:
        changes[LOW_LIQUIDITY] = None
    for name, known in (("name", offer.name), ("symbol", offer.symbol)):
        if known and not token.text(name):
            changes[name] = known
    over = max((level for level in rules.levels if percent + _ROUNDING >= level), default=0.0)
    level = min(over, token.over) if continues else 0.0
    rise = None
    if token.flag(REACHED_50):
        told = max(told, TOLD_BY_FLAG)
    if level > told and offer.liquidity is not None and offer.liquidity >= rules.min_liquidity:
        rise = Rise(
            address=token.address,
            name=token.text("name") or offer.name or "",
            symbol=token.text("symbol") or offer.symbol or "",
            level=level,
            percent=percent,
            first_price=float(first),
            price=offer.price,
            liquidity=offer.liquidity,
            source=moment.source,
        )
    done = replace(token, fields={**token.fields, **changes}, over=over, misses=misses)
    if done.pointed_at is None or moment.now - done.pointed_at >= rules.history_step_s:
        done = done.with_point(offer.price, moment.at, moment.now)
    return done, rise


def without_prices(token: Token) -> Token:
    """Return a token as if it had just been added: simulated prices never mix with real ones."""
    dropped = {SOURCE, PAIR, PAIR_FACTOR, FACTOR, LAST_AT, HISTORY_AT, "name", "symbol", RUGCHECK}
    fields = {name: None if name in dropped else value for name, value in token.fields.items()}
    fields |= dict.fromkeys((FIRST, LAST, HIGHEST, LOW_LIQUIDITY)) | {MAX_INCREASE: 0, MAX_RISE: 0}
    for name in (SOURCE, PAIR, PAIR_FACTOR, FACTOR, LAST_AT):
        fields.pop(name, None)
    return Token(fields | {REACHED_50: False})


def _series(token: Token, offer: Offer, source: str) -> tuple[float, dict[str, Any], bool]:
    """Find the factor of the series that an offer belongs to, what to note of it, and if it continues."""
    factor = float(token.number(FACTOR) or 1.0)
    last = token.number(LAST)
    earlier = token.text(SOURCE)
    pair = token.text(PAIR)
    changes: dict[str, Any] = {}
    if offer.pair is not None and offer.pair != pair:
        changes[PAIR] = offer.pair
    same_source = source == earlier
    same_series = same_source and (offer.pair is None or offer.pair == pair)
    if same_series or last is None or not earlier:
        # a file of an older tracker names no source: what it says of the price is all there is to go by
        new = factor
    elif offer.pair is not None and offer.pair == pair:
        new = float(token.number(PAIR_FACTOR) or 1.0)
    else:
        new = offer.price * factor / last
        if not 0 < new < math.inf:  # two prices that no real market has side by side
            new = factor
    if new != factor:
        changes[FACTOR] = new
    if offer.pair is not None and (new != float(token.number(PAIR_FACTOR) or 1.0)):
        changes[PAIR_FACTOR] = new
    return new, changes, same_series
