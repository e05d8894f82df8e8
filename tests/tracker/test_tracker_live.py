"""The live market as a whole: fallbacks, pauses, returns, and a tracker that goes on through all of it."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from price_server import PriceServer, body, hang, html, pool, slow, status
from tracker.inbox import Inbox, Noted, StopAsked
from tracker.market import NoPricesError, NotNowError
from tracker.sources.budget import Budget
from tracker.sources.coingecko import CoinGecko
from tracker.sources.dexscreener import DexScreener
from tracker.sources.geckoterminal import GeckoTerminal
from tracker.sources.live import LiveMarket
from waiting import stays_true, wait_until

Start = Callable[..., Any]
MINT = "So11111111111111111111111111111111111111112"
OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
DEX, GECKO, COIN = "/tokens/v1/", "/api/v2/", "/api/v3/"


class Patient(GeckoTerminal):
    """The second service without its narrow limit, for tests that ask more often than real life does."""

    per_minute = 10_000


class Play:
    """A live market over a scripted server."""

    def __init__(self, server: PriceServer, folder: Path, limit_s: float = 3.0, cycle_s: float = 0.2) -> None:
        self.inbox = Inbox()
        self.events: list[Any] = []
        self.market = LiveMarket(
            (DexScreener(server.url), Patient(server.url), CoinGecko(server.url)),
            Budget(str(folder / "budget.json")),
            cycle_s=cycle_s,
            limit_s=limit_s,
            inbox=self.inbox,
            on_event=self.events.append,
            stopping=lambda: any(isinstance(event, StopAsked) for event in self.events),
        )

    def ask(self, *addresses: str) -> Any:
        self.market.begin_turn()
        return self.market.ask(addresses or [MINT])


@pytest.fixture
def server() -> Any:
    with PriceServer() as running:
        running.prices[MINT] = [pool(1.0)]
        yield running


@pytest.fixture
def play(server: PriceServer, tmp_path: Path) -> Any:
    made = Play(server, tmp_path)
    yield made
    made.market.close()


def test_the_first_source_is_enough(server: PriceServer, play: Play) -> None:
    """While the first service answers, no other one is asked."""
    assert play.ask().complete
    assert play.market.trouble == ""
    assert [call.path for call in server.calls] == [f"/tokens/v1/solana/{MINT}"]


def test_fallbacks_in_order_and_back(server: PriceServer, play: Play) -> None:
    """The second and the third service step in, it is said where prices come from, and the first returns."""
    server.always(DEX, html(502))
    assert play.ask().source == "geckoterminal"
    assert "geckoterminal" in play.market.trouble
    assert "502" in play.market.trouble
    server.always(GECKO, status(500))
    answer = play.ask()
    assert (answer.source, answer.complete) == ("coingecko", False)
    server.always(DEX, None)
    wait_until(lambda: play.ask().source == "dexscreener", "the return of the first source")
    assert play.market.trouble == ""


def test_all_down_names_every_reason(server: PriceServer, play: Play) -> None:
    """When nothing works, the reasons of all are told, and the first is tried in each turn."""
    server.always("/", html(503))
    with pytest.raises(NoPricesError, match=r"dexscreener.*geckoterminal.*coingecko"):
        play.ask()
    asked = len(server.calls_of(DEX))
    for _ in range(3):
        with pytest.raises(NoPricesError):
            play.ask()
    assert len(server.calls_of(DEX)) == asked + 3
    assert len(server.calls_of(GECKO)) < 4
    server.always("/", None)
    assert play.ask().source == "dexscreener"


def test_a_failing_source_is_asked_less_and_less(server: PriceServer, play: Play) -> None:
    """While a fallback delivers, the first service is tried after one cycle, then ever more seldom."""
    server.always(DEX, html(503))
    end = time.monotonic() + 3.2
    wait_until(lambda: play.ask().source == "geckoterminal" and time.monotonic() > end, "three seconds")
    gaps = [b.at - a.at for a, b in zip(server.calls_of(DEX), server.calls_of(DEX)[1:], strict=False)]
    assert 0.15 < gaps[0] < 0.5
    assert len(gaps) in (3, 4)
    assert gaps[-1] > 2 * gaps[0]


def test_no_call_inside_a_pause(server: PriceServer, play: Play, tmp_path: Path) -> None:
    """Told to stay away for two seconds, the tracker does, even when nothing else works, and after a restart."""
    server.always(GECKO, html(500))
    server.always(COIN, html(500))
    server.script(DEX, status(429, {"Retry-After": "2"}))
    asked = time.monotonic()
    for _ in range(5):
        with pytest.raises(NoPricesError, match="too many"):
            play.ask()
    again = Play(server, tmp_path)
    with pytest.raises(NoPricesError, match="left alone"):
        again.ask()
    assert len(server.calls_of(DEX)) == 1

    def back() -> bool:
        try:
            return bool(again.ask().offers)
        except NoPricesError:
            return False

    wait_until(back, "prices after the pause")
    assert server.calls_of(DEX)[1].at - asked >= 2
    again.market.close()


def test_a_refused_question_concerns_no_other(server: PriceServer, play: Play) -> None:
    """When a batch is refused, that batch fails alone: the services are asked about others at once."""
    for path in (DEX, GECKO, COIN):
        server.script(path, status(400))
    with pytest.raises(NoPricesError) as caught:
        play.market.ask([OTHER])
    assert caught.value.batch_only
    assert play.market.ask([MINT]).source == "dexscreener"


def test_the_budget_ends_the_turn(server: PriceServer, play: Play) -> None:
    """When the first service's calls of a minute are used up, the rest waits; no fallback is asked instead."""
    for _ in range(270):
        play.market._budget.take(f"dexscreener at {DexScreener(server.url).host}", 300)
    with pytest.raises(NotNowError):
        play.ask()
    assert server.calls == []


def test_a_fallback_without_calls_hides_no_reason(server: PriceServer, play: Play) -> None:
    """A last resort that has no calls left does not keep back why the first services are of no use."""
    for _ in range(9):
        play.market._budget.take(f"coingecko at {CoinGecko(server.url).host}", 10)
    server.always("/", html(503))
    with pytest.raises(NotNowError):
        play.ask()
    assert "dexscreener: answered 503" in play.market.trouble
    assert "coingecko: its budget of calls is used up" in play.market.trouble
    server.always("/", None)
    wait_until(lambda: play.ask().source == "dexscreener", "the return of the first source")
    assert play.market.trouble == ""


def test_what_a_cut_answer_leaves_out_is_asked_again(server: PriceServer, play: Play) -> None:
    """When an answer is full, tokens that are missing in it are asked about in smaller batches."""
    mints = [f"{MINT[:-2]}{a}{b}" for a in "234567" for b in "23456"]
    for mint in mints[:29]:
        server.prices[mint] = [pool(1.0, f"P{number}") for number in range(7)]
    server.most_pairs = 30
    play.market._states["dexscreener"].share = 100.0
    answer = play.ask(*mints)
    assert set(answer.offers) == set(mints[:29])
    assert answer.complete
    assert len(server.calls) < 30


def test_a_long_list_is_asked_about_steadily(server: PriceServer, tmp_path: Path) -> None:
    """With more batches than a cycle's share of the budget, a turn ends at its share; none is lost of it."""
    play = Play(server, tmp_path, cycle_s=4.0)
    play.market.begin_turn()
    play.ask()
    play.market._states["dexscreener"].share = 18.0
    for _ in range(18):
        play.market.ask([MINT])
    with pytest.raises(NotNowError):
        play.market.ask([MINT])
    assert len(server.calls_of(DEX)) == 19
    wait_until(lambda: play.ask().offers if _share_grows(play) else None, "the next turn's share")
    play.market.close()


def _share_grows(play: Play) -> bool:
    play.market.begin_turn()
    return play.market._states["dexscreener"].share >= 1


def test_the_last_resort_asks_in_turn(server: PriceServer, play: Play) -> None:
    """With one token a call and few calls a minute, those who waited longest are asked first."""
    mints = [f"{MINT[:-2]}{a}{b}" for a in "2345" for b in "2345"]
    for mint in mints:
        server.prices[mint] = [pool(1.0)]
    server.always(DEX, html(500))
    server.always(GECKO, html(500))
    first = play.ask(*mints)
    assert len(first.offers) == 9
    play.market._budget = Budget(str(Path(play.market._budget._path).with_name("new.json")))
    play.market._states["coingecko"].share = 9.0
    second = play.ask(*mints)
    assert set(first.offers) | set(second.offers) == set(mints)


def test_a_stop_is_heard_during_a_call(server: PriceServer, tmp_path: Path) -> None:
    """A stop that arrives while a service does not answer ends the call at once; other events get through."""
    play = Play(server, tmp_path, limit_s=15.0)
    server.always("/", hang())
    play.inbox.put(Noted("x"))
    play.inbox.put(StopAsked("SIGTERM"))
    begun = time.monotonic()
    with pytest.raises(NoPricesError, match="stop"):
        play.ask()
    assert time.monotonic() - begun < 5
    assert Noted("x") in play.events
    play.market.close()


def test_a_call_that_nothing_reaches_is_left_behind(tmp_path: Path) -> None:
    """A call that even an abort does not end is given up at its limit, and that service not asked again."""

    class Stuck(DexScreener):
        def fetch(self, addresses: Any, limit_s: float) -> Any:
            release.recv(1)  # as a name lookup that hangs
            return {}

    holder, release = socket.socketpair()
    with PriceServer() as server:
        server.prices[MINT] = [pool(1.0)]
        play = Play(server, tmp_path)
        play.market._sources = (Stuck(server.url), GeckoTerminal(server.url))
        assert play.ask().source == "geckoterminal"
        wait_until(lambda: time.monotonic() > play.market._states["dexscreener"].rest_until, "the rest")
        assert "still hangs" in (play.ask() and play.market.trouble)
        holder.close()
        play.market.close()
    release.close()


def prices_move(tracker: Any, price: float) -> Callable[[], bool]:
    return lambda: tracker.tokens().get(MINT, {}).get("lastPrice") == price


FAST = (
    "--cycle",
    "200ms",
    "--save-interval",
    "200ms",
    "--heartbeat-interval",
    "200ms",
    "--history-step",
    "200ms",
)


def listed(folder: Path, *mints: str) -> None:
    text = ",\n".join(f'"{mint}": {{"token": "{mint}"}}' for mint in mints)
    (folder / "tracked_tokens.json").write_text(f"{{{text}}}")


def test_life_through_an_outage(server: PriceServer, start: Start, folder: Path) -> None:
    """With every service down the tracker stays up, beats, says degraded and why; then prices move again."""
    listed(folder, MINT)
    tracker = start(*server.options(), *FAST)
    tracker.until(prices_move(tracker, 1.0), "the first price")
    assert tracker.beat()["status"] == "ok"
    server.always("/", html(503))
    server.prices[MINT] = [pool(1.25)]
    beat = tracker.until(lambda: (b := tracker.beat()).get("status") == "degraded" and b, "degraded")
    assert "503" in beat["message"]
    seq = tracker.beat()["seq"]
    tracker.until(lambda: tracker.beat().get("seq", 0) > seq + 2, "more beats")
    assert tracker.tokens()[MINT]["lastPrice"] == 1.0
    server.always("/", None)
    begun = time.monotonic()
    tracker.until(prices_move(tracker, 1.25), "prices after the return")
    assert time.monotonic() - begun < 3
    tracker.until(lambda: tracker.beat().get("status") == "ok", "ok again")
    assert tracker.process.poll() is None
    assert tracker.stop() == 0
    assert tracker.text().count("no prices:") == 1
    assert tracker.text().count("prices arrive again") == 1


def test_a_service_that_never_answers_does_not_stop_the_heart(
    server: PriceServer, start: Start, folder: Path
) -> None:
    """Every call runs into its limit; the tracker beats, names the timeout, and ends softly and at once."""
    listed(folder, MINT)
    server.always("/", hang())
    tracker = start(*server.options(), *FAST, "--request-timeout", "300ms", "--no-rugcheck")
    tracker.until(lambda: tracker.beat().get("status") == "degraded", "degraded")
    assert "did not answer within" in tracker.beat()["message"]
    seq = tracker.beat()["seq"]
    tracker.until(lambda: tracker.beat().get("seq", 0) > seq + 1, "more beats")
    begun = time.monotonic()
    assert tracker.stop() == 0
    assert time.monotonic() - begun < 3


def test_the_first_round_of_a_long_list_is_no_trouble(
    server: PriceServer, start: Start, folder: Path
) -> None:
    """Tokens whose turn has not come yet, for the services allow only so many calls, make nothing degraded."""
    many = [f"{MINT[:-3]}{a}{b}{c}" for a in "2345678" for b in "23456789A" for c in "23456789AB"]
    listed(folder, *many)
    server.prices = {mint: [pool(1.0)] for mint in many}
    tracker = start(*server.options(), *FAST, "--no-rugcheck")
    seen = set()

    def round_is_done() -> bool:
        seen.add(tracker.beat().get("status"))
        return {a for call in server.calls_of(DEX) for a in call.addresses} >= set(many)

    tracker.until(round_is_done, "the end of the first round")
    assert "ok" in seen
    assert "degraded" not in seen
    assert tracker.stop() == 0


def test_a_long_turn_does_not_stop_the_heart(server: PriceServer, start: Start, folder: Path) -> None:
    """With a long list, a slow service and a long cycle a turn takes minutes; the heart beats all along."""
    many = [MINT, *(f"{MINT[:-3]}{a}{b}{c}" for a in "23" for b in "3456789" for c in "23456789ABCDEFGHJK")]
    listed(folder, *many)
    server.always("/tokens/v1/", slow(0.6))
    often = ("--cycle", "1h", "--heartbeat-interval", "100ms")
    tracker = start(*server.options(), *often, "--no-rugcheck")
    tracker.until(lambda: tracker.beat().get("turns") == 1, "the first turn, cut short")
    beat = tracker.until(lambda: (b := tracker.beat()).get("seq", 0) > 3 and b, "beats within one turn")
    assert beat["turns"] == 1
    assert tracker.stop() == 0


def test_names_and_safety_are_learned(server: PriceServer, start: Start, folder: Path) -> None:
    """A token added by its address alone gets its name, its pool and its safety status."""
    listed(folder, MINT)
    server.safety[MINT] = "danger"
    server.prices[MINT] = [pool(1.0, name="سوق \x1b[31mred", symbol="SQ")]
    tracker = start(*server.options(), *FAST)
    token = tracker.until(
        lambda: (t := tracker.tokens().get(MINT, {})).get("rugcheckStatus") and t, "the safety status"
    )
    assert token["rugcheckStatus"] == "DANGER"
    assert token["name"] == "سوق [31mred"
    assert token["symbol"] == "SQ"
    assert token["pairAddress"] == "Pool1"
    assert tracker.stop() == 0
    assert len(server.calls_of("/v1/tokens/")) == 1


def test_unknown_tokens_are_no_outage(server: PriceServer, start: Start, folder: Path) -> None:
    """A mint that no service knows leaves the tracker ok, with a word about it."""
    listed(folder, MINT, OTHER)
    tracker = start(*server.options(), *FAST)
    beat = tracker.until(lambda: (b := tracker.beat()).get("message", "") and b, "a message")
    assert "1 token is not known" in beat["message"]
    stays_true(lambda: tracker.beat().get("status") in ("ok", None), "ok", 1.0)
    assert tracker.stop() == 0


def test_one_bad_answer_is_forgiven(server: PriceServer, start: Start, folder: Path) -> None:
    """A single wrong answer among good ones changes no price and no status."""
    listed(folder, MINT)
    tracker = start(*server.options(), *FAST)
    tracker.until(prices_move(tracker, 1.0), "the first price")
    server.always(GECKO, html(500))
    server.always(COIN, html(500))
    asked = len(server.calls_of(DEX))
    server.script(DEX, body({"pairs": 5}))
    tracker.until(lambda: len(server.calls_of(DEX)) > asked + 2, "more calls")
    assert tracker.tokens()[MINT]["lastPrice"] == 1.0
    assert tracker.stop() == 0
    assert "degraded" not in tracker.text()
