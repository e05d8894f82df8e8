"""Cases of the tracker and its price services, seen from outside, under the watchdog."""

import json
import time
from collections.abc import Iterator
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path

import pytest

from price_server import (
    PriceServer,
    body,
    close_at_once,
    cut_short,
    drip,
    hang,
    html,
    pool,
    redirect_loop,
    status,
)
from rig import Rig
from tracker_case import FAST, RUN, TRACKER, beat, saved
from waiting import wait_until

MINT = "So11111111111111111111111111111111111111112"
OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
DEX, GECKO, COIN = "/tokens/v1/", "/api/v2/", "/api/v3/"


@pytest.fixture
def server() -> Iterator[PriceServer]:
    """A price service that knows one token."""
    with PriceServer() as running:
        running.prices[MINT] = [pool(1.0)]
        yield running


def listed(folder: Path, *mints: str) -> None:
    """A list as an earlier tracker left it."""
    (folder / "tracked_tokens.json").write_text(json.dumps({mint: {"token": mint} for mint in mints}))


def price(folder: Path, mint: str = MINT) -> float | None:
    """The last price that was saved."""
    found = saved(folder).get(mint, {}).get("lastPrice")
    return None if found is None else float(found)


# --- J04: one bad value -----------------------------------------------------------------------------------


@pytest.mark.timeout(90)
def test_J04_bad_value_of_one_token_costs_no_other(rig: Rig, server: PriceServer) -> None:
    """NaN, infinity, and numbers beyond all measure in one token and its prices: strict JSON, the others go on."""
    server.prices[OTHER] = [
        pool("NaN"),
        pool("Infinity", "Pool2"),
        pool("1e400", "Pool3"),
        pool(-1.0, "Pool4"),
    ]
    (rig.folder / "tracked_tokens.json").write_text(
        f'{{"{OTHER}": {{"token": "{OTHER}", "firstPrice": NaN, "highestPrice": Infinity, "lastPrice": 1e400,'
        f' "solValue": -Infinity, "name": "odd \\ud800"}}, "{MINT}": {{"token": "{MINT}"}}}}'
    )
    rig.run(*RUN, "--", *TRACKER, *server.options(), *FAST)
    wait_until(lambda: beat(rig.folder).get("lastSave") and price(rig.folder), "a save", 40)
    server.prices[MINT] = [pool(1.5)]
    wait_until(lambda: price(rig.folder) == 1.5, "the next price of the other", 40)
    odd = saved(rig.folder)[OTHER]
    assert odd["token"] == OTHER
    assert [odd.get(name) for name in ("firstPrice", "highestPrice", "lastPrice", "solValue")] == [None] * 4
    assert "NaN or infinity" in beat(rig.folder)["message"]
    assert OTHER in beat(rig.folder)["message"]
    assert rig.healthy()["health"] == "healthy"
    assert rig.cli("stop").returncode == 0


# --- J05: Retry-After -------------------------------------------------------------------------------------


@pytest.mark.timeout(90)
@pytest.mark.parametrize("form", ["seconds", "date", "none"])
def test_J05_retry_after_is_obeyed_and_the_last_price_stays(rig: Rig, server: PriceServer, form: str) -> None:
    """429 from every service: no call inside the pause, the tracker beats on, the watchdog does nothing."""
    listed(rig.folder, MINT)
    rig.run(*RUN, "--", *TRACKER, *server.options(), *FAST)
    wait_until(lambda: price(rig.folder) == 1.0, "the first price", 40)
    good = len(server.calls_of(DEX))
    for path in (DEX, GECKO, COIN):
        headers = {}
        if form == "seconds":
            headers = {"Retry-After": "4"}
        elif form == "date":
            headers = {"Retry-After": formatdate(time.time() + 5, usegmt=True)}
        server.always(path, status(429, headers))
    server.prices[MINT] = [pool(2.0)]
    wait_until(lambda: beat(rig.folder).get("status") == "degraded", "degraded", 40)
    pid = beat(rig.folder)["pid"]
    seq = beat(rig.folder)["seq"]
    wait_until(lambda: beat(rig.folder)["seq"] > seq + 2, "beats inside the pause", 30)
    assert price(rig.folder) == 1.0
    assert not rig.facts("ended", "hang")
    if form == "none":  # then it is left alone for longer than a test can wait
        assert len(server.calls_of(DEX)) == good + 1
        assert rig.cli("stop").returncode == 0
        return
    wait_until(lambda: len(server.calls_of(DEX)) >= good + 2, "a call after the pause", 40)
    refused = [call.at for call in server.calls_of(DEX)[good:]]
    for path in (DEX, GECKO, COIN):
        server.always(path, None)
    wait_until(lambda: price(rig.folder) == 2.0, "the price after it", 60)
    pauses = [later - sooner for sooner, later in pairwise(refused)]
    assert min(pauses) >= 4.0
    assert beat(rig.folder)["pid"] == pid
    assert not rig.facts("ended", "hang")
    assert rig.cli("stop").returncode == 0


# --- J07: odd answers -------------------------------------------------------------------------------------

NONSENSE = [
    html(200),
    status(200, body=b""),
    body({"pairs": None}),
    body([{"priceUsd": "Error fetching price"}]),
    status(403),
    redirect_loop(),
    drip(),
    hang(),
    close_at_once(),
    cut_short(),
    status(200, body=b'{"a": 1e400'),
    body({"data": [{"attributes": {"token_prices": "none"}}]}),
]


@pytest.mark.timeout(150)
def test_J07_odd_answers_are_failed_fetches(rig: Rig, server: PriceServer) -> None:
    """Pages, nothing, nulls, text for a price, loops, drips, cut answers: the old price stays, the loop lives."""
    listed(rig.folder, MINT)
    rig.run(*RUN, "--", *TRACKER, *server.options(), *FAST, "--request-timeout", "500ms")
    wait_until(lambda: price(rig.folder) == 1.0, "the first price", 40)
    pid = beat(rig.folder)["pid"]
    server.prices[MINT] = [pool("no price today"), pool(-2.0, "Pool2"), pool("1e400", "Pool3")]
    server.script(DEX, *NONSENSE)
    server.script(GECKO, *NONSENSE[::-1])
    server.always(GECKO, html(500))
    server.always(COIN, body(None))
    wait_until(lambda: beat(rig.folder).get("status") == "degraded", "degraded", 60)
    assert beat(rig.folder)["message"]
    wait_until(lambda: not server.unused(DEX), "all of them", 100)
    assert price(rig.folder) == 1.0
    for path in (GECKO, COIN):
        server.always(path, None)
    server.prices[MINT] = [pool(3.0)]
    wait_until(lambda: price(rig.folder) == 3.0, "a price again", 60)
    assert beat(rig.folder)["pid"] == pid
    assert not rig.facts("ended", "hang")
    assert rig.cli("stop").returncode == 0
