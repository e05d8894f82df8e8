"""One tracked token, exactly as the users' files have it.

A token keeps every field of its file in the order found there, known or not, and its price history in its
written form: 50 points of 10,000 tokens are half a million objects when parsed, and 60 MB when written.
A token is never changed; each change makes a new one, so a save in another thread sees no half-done work.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from json.encoder import encode_basestring
from typing import Any

from watchdog_kit.records import dataclass

Number = int | float

ADDRESS = "token"
FIRST, LAST, HIGHEST = "firstPrice", "lastPrice", "highestPrice"
MAX_INCREASE, MAX_RISE = "maxIncrease", "maxRisePercentage"
HISTORY, HISTORY_AT = "priceHistoryEvery20s", "lastPriceUpdate20s"
LAST_AT, SOURCE = "lastPriceAt", "priceSource"
PAIR, PAIR_FACTOR, FACTOR = "pairAddress", "pairFactor", "seriesFactor"
REACHED_50, STOPPED, LOW_LIQUIDITY = "reached50", "stopped", "lowLiquidity"
RUGCHECK = "rugcheckStatus"

NEW_FIELDS: dict[str, Any] = {
    ADDRESS: "",
    "name": None,
    "symbol": None,
    "startTime": None,
    FIRST: None,
    LAST: None,
    MAX_INCREASE: 0,
    REACHED_50: False,
    STOPPED: False,
    RUGCHECK: None,
    LOW_LIQUIDITY: None,
    "solValue": None,
    HIGHEST: None,
    MAX_RISE: 0,
    HISTORY: None,
    HISTORY_AT: None,
}
PRICES = (FIRST, LAST, HIGHEST)
RISES = (MAX_INCREASE, MAX_RISE)
_KEPT: dict[str, str] = {
    name: name
    for name in (*NEW_FIELDS, LAST_AT, SOURCE, PAIR, PAIR_FACTOR, FACTOR, "lastSave", "previousHighPrice")
}
POINT_JOINT = b",\n"
_POINT_END = b"\n      },\n"
MAX_POINTS = 50


class NotAToken(ValueError):  # noqa: N818  # it says what the thing is not; an error it is only for the caller
    """What stands in the file under one address cannot be a token."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of one token.

    ``history`` holds the points as they are written, joined by ``POINT_JOINT``. The last four fields belong
    to the running program only and are not saved.
    """

    fields: Mapping[str, Any]
    history: bytes = b""
    points: int = 0
    last_point: Number | None = None
    over: float = 0.0  # highest level that the previous price of this series was over
    misses: int = 0  # answers in a row in which the chosen pool was missing or too thin
    pointed_at: float | None = None  # monotonic instant of the last history point in this run

    @property
    def address(self) -> str:
        """The mint."""
        return str(self.fields[ADDRESS])

    def text(self, name: str) -> str:
        """Return a field for people: its text, or nothing when it is not text."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> Number | None:
        """Return a field that is a usable number, or None."""
        return as_number(self.fields.get(name))

    def flag(self, name: str) -> bool:
        """Say if a field is really true."""
        return self.fields.get(name) is True

    @property
    def simulated(self) -> bool:
        """Say if the prices come from the demo market."""
        return self.fields.get(SOURCE) == "demo"

    def with_fields(self, **changes: Any) -> "Token":
        """Return this token with some fields changed; unknown names are added at the end."""
        return replace(self, fields={**self.fields, **changes})

    def with_point(self, price: Number, at: str, now: float) -> "Token":
        """Return this token with one more point of history; the oldest ones beyond the last 50 go."""
        before = self.last_point
        change: Number = 0 if not before else (price / before - 1) * 100
        point = write_point(price, change if math.isfinite(change) else 0, at)
        history, points = (self.history + POINT_JOINT + point, self.points + 1) if self.points else (point, 1)
        while points > MAX_POINTS:
            cut = history.find(_POINT_END)
            if cut < 0:  # cannot happen: every point is written at this depth
                history, points = point, 1
                break
            history, points = history[cut + len(_POINT_END) :], points - 1
        fields = {**self.fields, HISTORY_AT: at}
        fields.setdefault(HISTORY, None)
        return replace(self, fields=fields, history=history, points=points, last_point=price, pointed_at=now)


def new_token(address: str, at: str, **known: Any) -> Token:
    """Make a token that nothing is known of yet."""
    return Token({**NEW_FIELDS, ADDRESS: address, "startTime": at, **known})


def as_number(value: object) -> Number | None:
    """Return ``value`` when it is a number that JSON can hold, else None. A flag is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # an integer too large for arithmetic with prices
        return None


def as_price(value: object) -> Number | None:
    """Return a price above zero, from a number or from the text of one; anything else is no price yet."""
    if isinstance(value, str):
        try:
            value = float(value) if len(value) <= 100 else None
        except ValueError:
            return None
    number = as_number(value)
    return number if number is not None and number > 0 else None


def parse_token(address: str, value: object) -> Token:
    """Read what stands under one address in a file; the history is still to be put in (``token_file``).

    Raises:
        NotAToken: it is no object, or nothing in it says that it is a token.
    """
    from tracker.address import is_address

    if not isinstance(value, dict):
        raise NotAToken("it is not an object")
    if not is_address(address) and value.get(ADDRESS) != address and not any(p in value for p in PRICES):
        raise NotAToken("its name is no address and it has no field of a token")
    fields: dict[str, Any] = {_KEPT.get(name) or name: content for name, content in value.items()}
    if fields.get(ADDRESS) != address:
        fields = {ADDRESS: address} | {n: c for n, c in fields.items() if n != ADDRESS}
    for name in PRICES:
        if name in fields:
            fields[name] = as_price(fields[name])
    for name in RISES:
        if name in fields:
            fields[name] = as_number(fields[name])
    if PAIR in fields and not isinstance(fields[PAIR], str):
        del fields[PAIR]
    for name in (FACTOR, PAIR_FACTOR):
        if name in fields and as_price(fields[name]) is None:
            del fields[name]
    if HISTORY in fields:
        fields[HISTORY] = None  # the place in the order; the points themselves live in ``history``
    return Token({name: _plain(content) for name, content in fields.items()})


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: what is not finite becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _plain(content) for name, content in value.items()}
    if isinstance(value, list):
        return [_plain(content) for content in value]
    return value


def write_number(value: Number) -> str:
    """Write a number as the files have it, digit for digit: ``0.000003977``, ``12``; never ``3.977e-06``."""
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    mantissa, mark, power = text.partition("e-0")
    if not mark:
        return text
    if power not in "56":
        return f"{mantissa}e-{power}"
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    return f"{sign}0.{'0' * (int(power) - 1)}{mantissa.replace('.', '')}"


def write_point(price: Number, change: Number, at: str) -> bytes:
    """Write one history point at the depth at which it stands in the file."""
    return (
        f'      {{\n        "price": {write_number(price)},\n        "changePercent": {write_number(change)},\n'
        f'        "timestamp": {encode_basestring(at)}\n      }}'
    ).encode()
