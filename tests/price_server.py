"""A price service on loopback that speaks the shapes of the real ones, with answers to order.

    with PriceServer() as server:
        server.prices[MINT] = [pool(1.25)]
        server.script("/tokens/v1/", status(429, {"Retry-After": "30"}), html(), hang())

Scripted answers are given first, one a call; then the server answers properly from ``prices``.
"""

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import Listener, Scripted

Answer = Callable[["Handler"], None]
LONGEST_S = 20.0  # no answer, however slow, outlives the tests


@dataclass(frozen=True)
class Pool:
    """One pool of a token, as the first service shows it."""

    price: float | str | None
    pair: str = "Pool1"
    liquidity: float | None = 50_000.0
    volume: float | None = 1000.0
    chain: str = "solana"
    base: str | None = None  # None: the asked token
    name: str = "Wrapped SOL"
    symbol: str = "SOL"


def pool(price: float | str | None, pair: str = "Pool1", **more: Any) -> Pool:
    """Describe a pool."""
    return Pool(price, pair, **more)


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes | str = b"{}") -> Answer:
    """Answer with a status and a body of JSON."""
    data = body.encode() if isinstance(body, str) else body
    return lambda handler: handler.give(code, data, {"Content-Type": "application/json", **(headers or {})})


def body(value: Any, code: int = 200) -> Answer:
    """Answer with any JSON."""
    return status(code, body=json.dumps(value))


def html(code: int = 200) -> Answer:
    """Answer with a page for people."""
    page = b"<!DOCTYPE html><html><body>Attention Required! error code: 1015</body></html>"
    return lambda handler: handler.give(code, page, {"Content-Type": "text/html; charset=UTF-8"})


def redirect_loop() -> Answer:
    """Send the caller to where it came from."""
    return lambda handler: handler.give(302, b"", {"Location": handler.path})


def hang() -> Answer:
    """Take the question and never answer."""
    return lambda handler: handler.wait(LONGEST_S)


def close_at_once() -> Answer:
    """Take the question and close the connection."""
    return lambda handler: handler.cut()


def cut_short() -> Answer:
    """Promise more than is sent."""

    def answer(handler: "Handler") -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n[")
        handler.cut()

    return answer


def drip(pause_s: float = 0.05, head: bytes = b"HTTP/1.1 200 OK\r\nX-Slow: ") -> Answer:
    """Send a byte now and then, for ever."""

    def answer(handler: "Handler") -> None:
        handler.wfile.write(head)
        end = time.monotonic() + LONGEST_S
        while time.monotonic() < end and not handler.wait(pause_s):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    return answer


def slow(pause_s: float) -> Answer:
    """Answer properly, and late."""

    def answer(handler: "Handler") -> None:
        handler.wait(pause_s)
        proper(handler.server.owner, _addresses(handler.path))(handler)

    return answer


def drip_body() -> Answer:
    """Send a proper head and then the body byte by byte, for ever."""
    return drip(head=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n[")


def flood(size: int = 50 * 1024 * 1024) -> Answer:
    """Send an endless body without saying how long it is."""

    def answer(handler: "Handler") -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[")
        for _ in range(size // 65536):
            handler.wfile.write(b" " * 65536)
        handler.cut()

    return answer


@dataclass
class Call:
    """One question that arrived."""

    at: float
    path: str
    addresses: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: "Listener[PriceServer]"

    def do_GET(self) -> None:
        """Answer from the script or properly."""
        owner = self.server.owner
        addresses = _addresses(self.path)
        with owner.guard:
            owner.calls.append(Call(time.monotonic(), self.path, addresses))
            scripted = owner.next_answer(self.path)
        try:
            (scripted or proper(owner, addresses))(self)
        except (ConnectionError, TimeoutError, ValueError):
            self.close_connection = True

    def give(self, code: int, data: bytes, headers: Mapping[str, str]) -> None:
        """Send a whole answer."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def wait(self, seconds: float) -> bool:
        """Wait; True when the server is being closed."""
        ended = self.server.owner.ended.wait(seconds)
        self.close_connection = self.close_connection or ended or seconds >= LONGEST_S
        return ended

    def cut(self) -> None:
        """Close the connection."""
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class PriceServer(Scripted):
    """All services in one; which one is asked shows in the path."""

    def __init__(self, port: int = 0) -> None:
        self.prices: dict[str, list[Pool]] = {}
        self.safety: dict[str, str] = {}
        self.most_pairs: int | None = None  # how long an answer of the first service may get
        self.calls: list[Call] = []
        self._scripts: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        super().__init__(Handler, port)

    def script(self, path: str, *answers: Answer) -> None:
        """Give these answers to the next calls of a path that begins so."""
        with self.guard:
            self._scripts[path].extend(answers)

    def always(self, path: str, answer: Answer | None) -> None:
        """Give this answer to every call of a path that begins so; None ends it."""
        with self.guard:
            if answer is None:
                self._always.pop(path, None)
            else:
                self._always[path] = answer

    def next_answer(self, path: str) -> Answer | None:
        """Return the next scripted answer."""
        for prefix, answers in self._scripts.items():
            if path.startswith(prefix) and answers:
                return answers.popleft()
        return next((answer for prefix, answer in self._always.items() if path.startswith(prefix)), None)

    def unused(self, path: str) -> int:
        """Return how many scripted answers of a path were not given yet."""
        with self.guard:
            return len(self._scripts[path])

    def calls_of(self, path: str) -> list[Call]:
        """Return the calls of a path so far."""
        with self.guard:
            return [call for call in self.calls if call.path.startswith(path)]

    def options(self) -> list[str]:
        """Return the tracker's options that lead all of its questions here."""
        services = ("dexscreener", "geckoterminal", "coingecko", "rugcheck")
        return [word for name in services for word in (f"--{name}-url", self.url)]


def _addresses(path: str) -> list[str]:
    parts = urlsplit(path)
    if parts.path.startswith("/api/v3/"):
        return parse_qs(parts.query).get("contract_addresses", [""])[0].split(",")
    if parts.path.startswith("/v1/tokens/"):
        return [parts.path.split("/")[3]]
    return parts.path.rpartition("/")[2].split(",")


def proper(server: PriceServer, addresses: list[str]) -> Answer:
    """Answer as the real service of this path does."""

    def answer(handler: Handler) -> None:
        path = handler.path
        known = {a: server.prices[a] for a in addresses if a in server.prices}
        if path.startswith("/tokens/v1/solana/"):
            value: Any = [dex_pair(a, p) for a, pools in known.items() for p in pools][: server.most_pairs]
        elif path.startswith("/api/v2/simple/networks/solana/token_price/"):
            value = gecko_answer({a: str(pools[0].price) for a, pools in known.items()})
        elif path.startswith("/api/v3/simple/token_price/solana"):
            value = {a: {"usd": pools[0].price} for a, pools in known.items()}
        elif path.startswith("/v1/tokens/"):
            value = rug_answer(server.safety.get(addresses[0], ""))
        else:
            handler.give(404, b'{"error": "no such path"}', {"Content-Type": "application/json"})
            return
        handler.give(200, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"})

    return answer


def dex_pair(address: str, described: Pool) -> dict[str, Any]:
    """Write one pool as DexScreener does."""
    pair: dict[str, Any] = {
        "chainId": described.chain,
        "dexId": "orca",
        "url": f"https://dexscreener.example/solana/{described.pair.lower()}",
        "pairAddress": described.pair,
        "labels": ["wp"],
        "baseToken": {
            "address": described.base or address,
            "name": described.name,
            "symbol": described.symbol,
        },
        "quoteToken": {"address": address if described.base else "Quote", "name": "Q", "symbol": "Q"},
        "priceNative": "1.0",
        "priceUsd": None if described.price is None else str(described.price),
        "txns": {"h24": {"buys": 3, "sells": 4}},
        "priceChange": {"h24": -0.84},
        "pairCreatedAt": 1688106058000,
    }
    if described.liquidity is not None:
        pair["liquidity"] = {"usd": described.liquidity, "base": 1, "quote": 2}
    if described.volume is not None:
        pair["volume"] = {"h24": described.volume, "h1": 1}
    return pair


def gecko_answer(prices: Mapping[str, str]) -> dict[str, Any]:
    """Write prices as GeckoTerminal does."""
    return {
        "data": {
            "id": "9ac7da31-0000-4000-8000-000000000000",
            "type": "simple_token_price",
            "attributes": {"token_prices": dict(prices)},
        }
    }


def rug_answer(level: str) -> dict[str, Any]:
    """Write a summary as rugcheck.xyz does."""
    risks = [{"name": "Low Liquidity", "value": "$0.41", "score": 1990, "level": level}] if level else []
    return {"tokenProgram": "T", "tokenType": "", "risks": risks, "score": 1, "score_normalised": 1}
