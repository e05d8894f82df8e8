"""The tokens in a ``tracked_tokens.json``, if the program keeps one: those that rose most, ready to be shown.

The file is read one token after the other, and only those that are shown are kept, so that ten thousand tokens with
their history do not become a million objects of ours.
"""

import heapq
import json
import math
import os
from collections.abc import Iterator
from typing import Any

from watchdog_kit.printable import printable

FILE = "tracked_tokens.json"
SHOWN = 60
SIZE_LIMIT = 64 << 20  # bytes; a larger file is left alone
POINTS = 50
_BLANK = " \t\r\n"
Tokens = dict[str, Any]


class TokenFile:
    """One such file, read again when it has changed."""

    def __init__(self, folder: str) -> None:
        """Nothing is read yet."""
        self._path = os.path.join(folder, FILE)
        self._stamp: tuple[int, int, int] | None = None
        self._found: Tokens | None = None

    def look(self) -> Tokens | None:
        """What is in it; None when there is none. Of a file in the middle of a change the last good look counts."""
        try:
            seen = os.stat(self._path)
            stamp = seen.st_ino, seen.st_size, seen.st_mtime_ns
            if stamp == self._stamp:
                return self._found
            if seen.st_size > SIZE_LIMIT:
                self._stamp, self._found = stamp, {"count": None, "shown": []}
                return self._found
            with open(self._path, "rb") as file:
                text = file.read(SIZE_LIMIT).decode("utf-8", "replace")
        except OSError:
            self._stamp = self._found = None
            return None
        try:
            found = _summary(text)
        except (ValueError, RecursionError):
            return self._found
        self._stamp, self._found = stamp, found
        return found


def _summary(text: str) -> Tokens:
    best: list[tuple[float, int, dict[str, Any]]] = []
    count = 0
    for address, value in _entries(text):
        token = _token(address, value)
        if token is None:
            continue
        count += 1
        rise = token["rise"]
        entry = (-math.inf if rise is None else rise, -count, token)
        if len(best) < SHOWN:
            heapq.heappush(best, entry)
        else:
            heapq.heappushpop(best, entry)
    return {
        "count": count,
        "shown": [token for _, _, token in sorted(best, reverse=True, key=lambda e: e[:2])],
    }


def _entries(text: str) -> Iterator[tuple[str, Any]]:
    """The members of the one object that the text is.

    Raises:
        ValueError: it is none.
    """
    scan = json.JSONDecoder().raw_decode
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError("it is no object")
    at = _skip(text, at + 1)
    while text[at : at + 1] == '"':
        name, at = scan(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise ValueError("a colon is missing")
        value, at = scan(text, _skip(text, at + 1))
        yield name, value
        at = _skip(text, at)
        if text[at : at + 1] != ",":
            break
        at = _skip(text, at + 1)
    if text[at : at + 1] != "}":
        raise ValueError("it is cut off")


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _token(address: str, value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    last = _number(value.get("lastPrice"))
    points = value.get("priceHistoryEvery20s")
    prices = (
        [_number(point.get("price")) for point in points[-POINTS:] if isinstance(point, dict)]
        if isinstance(points, list)
        else []
    )
    return {
        "address": _text(address),
        "symbol": _text(value.get("symbol")),
        "name": _text(value.get("name")),
        "price": last,
        "rise": _rise(_number(value.get("firstPrice")), last, _number(value.get("seriesFactor"))),
        "most": _number(value.get("maxRisePercentage")),
        "low": value.get("lowLiquidity") is True,
        "stopped": value.get("stopped") is True,
        "history": [price for price in prices if price is not None],
    }


def _rise(first: float | None, last: float | None, factor: float | None) -> float | None:
    """In percent. ``factor`` compares the present pool or source with the first one: a switch is no rise."""
    if first is None or first <= 0 or last is None:
        return None
    return _number((last / (factor if factor and factor > 0 else 1.0) / first - 1) * 100)


def _text(value: Any) -> str:
    # Marks that turn the direction of writing, and the like, would twist what stands beside; joiners belong to words.
    text = value if isinstance(value, str) else ""
    return printable(text[:200], "")[:80]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
