"""Price services: every shape in which they answer, refuse, stall or lie, met over a real connection."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates import Authority
from price_server import (
    Answer,
    PriceServer,
    body,
    close_at_once,
    cut_short,
    drip,
    drip_body,
    flood,
    gecko_answer,
    hang,
    html,
    pool,
    redirect_loop,
    status,
)
from tracker.sources import SourceError
from tracker.sources.coingecko import CoinGecko
from tracker.sources.coingecko import parse as parse_coingecko
from tracker.sources.demo import MARKET, OUTAGE, DemoMarket
from tracker.sources.dexscreener import DexScreener
from tracker.sources.dexscreener import parse as parse_dexscreener
from tracker.sources.geckoterminal import GeckoTerminal
from tracker.sources.geckoterminal import parse as parse_geckoterminal
from tracker.sources.http import JsonService, usable_amount
from tracker.sources.rugcheck import RugCheck
from tracker.sources.rugcheck import parse as parse_rugcheck
from watchdog_kit.notify_http import HttpClient, HttpError, retry_after_s

MINT = "So11111111111111111111111111111111111111112"
OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
SOURCES = [DexScreener, GeckoTerminal, CoinGecko]
PATHS = {"dexscreener": "/tokens/v1/", "geckoterminal": "/api/v2/", "coingecko": "/api/v3/"}


@pytest.fixture
def server() -> Iterator[PriceServer]:
    with PriceServer() as running:
        running.prices[MINT] = [pool("0.00005638")]
        yield running


@pytest.mark.parametrize("kind", SOURCES)
def test_a_proper_answer(server: PriceServer, kind: type[Any]) -> None:
    """Each service's price arrives exactly, and a token that it does not know is left out."""
    source = kind(server.url)
    asked = [MINT, OTHER][: source.batch]
    offers = source.fetch(asked, 5.0)
    assert [offer.price for offer in offers[MINT]] == [0.00005638]
    assert set(offers) == {MINT}
    source.close()


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (html(), "web page"),
        (html(403), "403"),
        (html(502), "502"),
        (status(200, body=b""), "nothing"),
        (status(200, body="Internal Server Error"), "no JSON"),
        (status(503, body="upstream connect error"), "503"),
        (body("text"), "shape"),
        (body(17), "shape"),
        (body({"error": "rate limited"}), "error"),
        (body({"status": {"error_code": 1020, "error_message": "Access Denied"}}), "1020"),
        (redirect_loop(), "redirect"),
        (close_at_once(), "closed"),
        (cut_short(), "properly"),
        (status(200, body=b"[" * 100_000), "no JSON"),
    ],
)
def test_what_is_no_answer(server: PriceServer, kind: type[Any], answer: Answer, said: str) -> None:
    """Pages, errors in disguise, redirects, cut connections and nonsense are failed fetches with a reason."""
    source = kind(server.url)
    server.script(PATHS[source.name], answer)
    with pytest.raises(SourceError, match=said) as caught:
        source.fetch([MINT], 5.0)
    assert source.name in str(caught.value)
    assert source.fetch([MINT], 5.0)[MINT][0].price == 0.00005638, "the next call works again"
    source.close()


@pytest.mark.parametrize("answer", [hang(), drip(), drip_body(), drip(head=b"HTT")])
def test_slow_answers_end_in_time(server: PriceServer, answer: Answer) -> None:
    """However slowly bytes drip in, in the head or in the body, the call ends at its limit."""
    source = DexScreener(server.url)
    server.script("/tokens", answer)
    begun = time.monotonic()
    with pytest.raises(SourceError, match="did not answer within"):
        source.fetch([MINT], 0.5)
    assert 0.4 < time.monotonic() - begun < 3
    source.close()


def test_an_endless_body_is_cut(server: PriceServer) -> None:
    """Beyond 5 MB nothing is read."""
    source = DexScreener(server.url)
    server.script("/tokens", flood())
    with pytest.raises(SourceError, match="more than"):
        source.fetch([MINT], 10.0)
    source.close()


def test_nobody_listens() -> None:
    """A refused connection, a name that nobody knows and a host that never accepts are told apart."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(HttpError, match="refused") as caught:
            HttpClient(f"http://127.0.0.1:{port}").request("GET", "/", limit_s=2)
        assert not caught.value.maybe_sent
    with pytest.raises(HttpError, match="cannot find") as caught:
        HttpClient("http://nobody.invalid").request("GET", "/", limit_s=5)
    assert not caught.value.maybe_sent
    with (
        PriceServer() as plain,
        pytest.raises(HttpError, match=r"cannot reach .*: no TLS with it: \w+ .*") as caught,
    ):
        HttpClient(plain.url.replace("http", "https")).request("GET", "/", limit_s=5)
    assert not caught.value.maybe_sent
    assert "_ssl.c" not in str(caught.value)


def test_a_certificate_of_nobody(tmp_path: Path) -> None:
    """A service that cannot prove its name is not asked, and why stands there in words."""
    mine = Authority(tmp_path).sign("service")
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(mine.cert, mine.key)
    with PriceServer() as server:
        server._server.socket = secure.wrap_socket(server._server.socket, server_side=True)
        with pytest.raises(HttpError, match=r"its certificate is not trusted: [^_\[]*$") as caught:
            HttpClient(server.url.replace("http", "https")).request("GET", "/", limit_s=5)
    assert not caught.value.maybe_sent
    assert server.calls == []


def test_a_call_can_be_ended_from_outside(server: PriceServer) -> None:
    """A call that hangs ends at once when another thread wants it to."""
    client = HttpClient(server.url)
    server.script("/", hang())
    timer = threading.Timer(0.2, client.abort)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(HttpError):
        client.request("GET", "/", limit_s=15)
    assert time.monotonic() - begun < 5
    timer.join()


def test_a_kept_connection_that_was_closed_is_replaced(server: PriceServer) -> None:
    """When the other side closed an idle connection, the question is asked again on a new one."""
    source = DexScreener(server.url)
    source.fetch([MINT], 5.0)
    server.script("/tokens", close_at_once())
    assert source.fetch([MINT], 5.0)[MINT]
    assert len(server.calls) == 3
    source.close()


def later(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        (lambda: status(429, {"Retry-After": "30"}), 30, 30),
        (lambda: status(429, {"retry-after": later(40)}), 35, 41),
        (lambda: status(429, {"Retry-After": "soon"}), 20, 20),
        (lambda: status(429), 20, 20),
        (lambda: status(429, {"Retry-After": "999999"}), 3600, 3600),
        (lambda: status(429, {"Retry-After": "-5"}), 0, 0),
        (lambda: status(503, {"Retry-After": "12"}), 12, 12),
        (lambda: body({"status": {"error_code": 429, "error_message": "You've exceeded"}}), 20, 20),
        (lambda: status(429, {"Content-Type": "text/plain", "Retry-After": "7"}, "error code: 1015"), 7, 7),
    ],
)
def test_too_many_requests(
    server: PriceServer, answer: Callable[[], Answer], least: float, most: float
) -> None:
    """In whatever form a service says that it was too much, its wish for a pause is read, within reason."""
    source = CoinGecko(server.url)
    server.script("/api/v3/", answer())
    with pytest.raises(SourceError) as caught:
        source.fetch([MINT], 5.0)
    assert caught.value.pause_s is not None
    assert least <= caught.value.pause_s <= most
    source.close()


def test_a_date_is_measured_by_the_clock_that_wrote_it() -> None:
    """A Retry-After date is compared with the Date of the same answer, for clocks differ."""
    headers = {"retry-after": "Wed, 25 Nov 2026 00:01:00 GMT", "date": "Wed, 25 Nov 2026 00:00:18 GMT"}
    assert retry_after_s(headers) == 42.0
    assert retry_after_s({}) is None
    assert retry_after_s({"retry-after": "nan"}) is None


def test_too_many_addresses_is_about_the_question(server: PriceServer) -> None:
    """A refused question is no reason to leave the service alone."""
    source = CoinGecko(server.url)
    server.script(
        "/api/v3/",
        status(400, body='{"error_code": 10012, "status": {"error_message": "exceeds the limit"}}'),
    )
    with pytest.raises(SourceError) as caught:
        source.fetch([MINT], 5.0)
    assert caught.value.batch_only
    source.close()


def pairs(*pools: Any, address: str = MINT) -> Any:
    from price_server import dex_pair

    return [dex_pair(address, described) for described in pools]


def test_pools_that_count_for_nothing() -> None:
    """Other chains, pools in which the token is only the other side, and unusable prices are left out."""
    value = pairs(
        pool("9", "A", chain="fogo"),
        pool("9", "B", base=OTHER),
        pool(None, "C"),
        pool("0", "D"),
        pool("-1", "E"),
        pool("NaN", "F"),
        pool("1e999", "G"),
        pool("abc", "H"),
        pool("2.5", "I", liquidity=None, volume=None),
        pool("2.6", "J", liquidity=0),
    )
    offers = parse_dexscreener([*value, "junk", {"baseToken": None}], [MINT])[MINT]
    assert [(o.price, o.pair, o.liquidity) for o in offers] == [(2.5, "I", None), (2.6, "J", 0.0)]


@pytest.mark.parametrize(
    "value", [[], {"pairs": None}, {"schemaVersion": "1.0.0", "pairs": []}, {"pairs": None, "pair": None}]
)
def test_an_unknown_token_is_no_outage(value: Any) -> None:
    """No pools, in each of the forms in which that is said, means that the token is not known."""
    assert parse_dexscreener(value, [MINT]) == {}


@pytest.mark.parametrize("value", [{}, {"pairs": 7}, [1, 2], ["x"], [[]], {"schemaVersion": "1.0.0"}])
def test_another_shape_is_a_failure(value: Any) -> None:
    """What is neither a list of pools nor an object with one is a failed fetch."""
    with pytest.raises(SourceError, match="shape"):
        parse_dexscreener(value, [MINT])


def test_long_numbers_as_text() -> None:
    """Sixty digits and exponents, both as text, are read as the number they mean."""
    value = gecko_answer({MINT: "0.0033218085765766178572675853421466485514908256861", OTHER: "2.8991e-06"})
    offers = parse_geckoterminal(value, [MINT, OTHER])
    assert offers[MINT][0].price == 0.0033218085765766178
    assert offers[OTHER][0].price == 2.8991e-06
    assert offers[MINT][0].liquidity is None
    assert parse_geckoterminal(gecko_answer({}), [MINT]) == {}
    assert parse_coingecko({}, [MINT]) == {}
    assert parse_coingecko({MINT: {"usd": None}}, [MINT]) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "pairs",
                    "baseToken",
                    "address",
                    "priceUsd",
                    "chainId",
                    "liquidity",
                    "usd",
                    "data",
                    "risks",
                    "score",
                    "level",
                    MINT,
                ]
            )
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(JSON)
def test_any_json_is_an_answer_or_a_failed_fetch(value: Any) -> None:
    """Whatever JSON comes back, a parser returns prices above zero or says that the shape is wrong."""
    with contextlib.suppress(SourceError):
        assert parse_rugcheck(value) in ("GOOD", "WARNING", "DANGER")
    for parse in (parse_dexscreener, parse_geckoterminal, parse_coingecko):
        try:
            offers = parse(value, [MINT])
        except SourceError:
            continue
        assert all(offer.price > 0 for found in offers.values() for offer in found)


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans())
def test_amounts(value: Any) -> None:
    """An amount is finite and not negative, or it is none."""
    amount = usable_amount(value)
    assert amount is None or 0 <= amount < float("inf")


@pytest.mark.parametrize(("level", "word"), [("", "GOOD"), ("warn", "WARNING"), ("danger", "DANGER")])
def test_safety(server: PriceServer, level: str, word: str) -> None:
    """The worst risk in a summary decides the word."""
    server.safety[MINT] = level
    service = RugCheck(server.url)
    assert service.ask(MINT, 5.0) == word
    server.script("/v1/", body([]))
    with pytest.raises(SourceError, match="shape"):
        service.ask(MINT, 5.0)
    service.close()


def test_prefix_of_a_proxy(server: PriceServer) -> None:
    """A base address with a path of its own is put in front of the service's path."""
    service = JsonService(f"{server.url}/proxy/")
    with pytest.raises(SourceError):
        service.get("/x", 5.0)
    assert server.calls[-1].path == "/proxy/x"
    service.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_simulated_prices_stay_in_sight_of_where_they_began(seed: int) -> None:
    """Weeks of a short cycle, also from absurd prices of before: no more than some hundred times up or down."""
    market = DemoMarket(seed, dict.fromkeys(MARKET, 1e9))
    for turn in range(3000):
        market.begin_turn()
        if market.step in OUTAGE:
            continue
        offers = market.ask(list(MARKET)).offers
        if turn > 1500:
            for address, (offer,) in offers.items():
                assert 1 / 300 < offer.price / MARKET[address].price < 300, MARKET[address].symbol
