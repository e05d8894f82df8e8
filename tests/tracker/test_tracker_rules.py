"""What a price means: first, last, highest, rises, pools, and when a rise is worth telling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.model import Token, new_token
from tracker.rules import DEAD_AFTER, Moment, Rise, Rules, choose, take_price
from tracker.sources import Offer

MINT = "So11111111111111111111111111111111111111112"
AT = "2026-01-01T00:00:00.000Z"
DEX, GECKO = "dexscreener", "geckoterminal"


def pool(price: float, pair: str = "P1", liquidity: float | None = 5000.0) -> Offer:
    return Offer(price, pair, liquidity)


class Watcher:
    """A token with its prices, as the loop feeds them."""

    def __init__(self, token: Token | None = None, **rules: object) -> None:
        self.token = token or new_token(MINT, AT)
        self.rules = Rules(**rules)  # type: ignore[arg-type]
        self.told = 0.0
        self.now = 0.0

    def see(self, *offers: Offer, source: str = DEX) -> Rise | None:
        self.now += 10
        self.token, rise = take_price(self.token, offers, Moment(source, AT, self.now), self.rules, self.told)
        if rise:
            self.told = rise.level
        return rise

    def number(self, name: str) -> float | None:
        return self.token.number(name)


def test_first_last_highest() -> None:
    """The first price stays, the last follows, the highest and the rise only grow."""
    watcher = Watcher()
    for price in (2.0, 3.0, 1.0):
        watcher.see(pool(price))
    got = [watcher.number(n) for n in ("firstPrice", "lastPrice", "highestPrice", "maxIncrease")]
    assert got == [2.0, 1.0, 3.0, 50.0]
    assert watcher.number("maxRisePercentage") == 50.0
    assert watcher.token.fields["lowLiquidity"] is False
    assert watcher.token.fields["pairAddress"] == "P1"


def test_history_point_each_twenty_seconds() -> None:
    """At a cycle of 10 s every second price becomes a point of history."""
    watcher = Watcher()
    for price in range(1, 8):
        watcher.see(pool(price))
    assert watcher.token.points == 4


def test_a_rise_needs_two_prices_in_a_row() -> None:
    """One price over the level says nothing yet; the second one in a row does, once."""
    watcher = Watcher()
    watcher.see(pool(1.0))
    assert watcher.see(pool(1.6)) is None
    assert watcher.see(pool(1.2)) is None
    assert watcher.see(pool(1.5)) is None
    rise = watcher.see(pool(1.5))
    assert rise is not None
    assert (rise.level, rise.percent, rise.first_price) == (50.0, 50.0, 1.0)
    assert watcher.see(pool(1.7)) is None


def test_a_jump_over_two_levels_is_one_rise() -> None:
    """The highest level that both prices reach is told; lower ones never after it."""
    watcher = Watcher(levels=(50.0, 100.0, 200.0))
    watcher.see(pool(1.0))
    assert watcher.see(pool(2.5)) is None
    rise = watcher.see(pool(3.5))
    assert rise is not None
    assert rise.level == 100.0
    rise = watcher.see(pool(3.5))
    assert rise is not None
    assert rise.level == 200.0
    assert watcher.see(pool(1.0)) is None
    watcher.see(pool(1.6))
    assert watcher.see(pool(1.6)) is None


@pytest.mark.parametrize("liquidity", [None, 0.0, 999.99])
def test_no_rise_without_liquidity(liquidity: float | None) -> None:
    """With unknown or little money behind the price a rise waits, and is told when there is enough."""
    watcher = Watcher()
    watcher.see(pool(1.0, liquidity=liquidity))
    for _ in range(3):
        assert watcher.see(pool(2.0, liquidity=liquidity)) is None
    assert watcher.token.fields["lowLiquidity"] is (None if liquidity is None else True)
    assert watcher.see(pool(2.0, liquidity=1000.0)) is not None


def test_a_file_may_say_that_fifty_was_told() -> None:
    """``reached50`` in a user's file counts as told; higher levels are still to come."""
    watcher = Watcher(new_token(MINT, AT, firstPrice=1.0, reached50=True), levels=(50.0, 100.0))
    watcher.see(pool(1.6))
    assert watcher.see(pool(1.6)) is None
    watcher.see(pool(2.1))
    rise = watcher.see(pool(2.1))
    assert rise is not None
    assert rise.level == 100.0


def test_best_pool_first_then_faithful() -> None:
    """The pool with most liquidity is chosen, volume decides a tie, and it stays while others grow."""
    token = new_token(MINT, AT)
    thin, deep = Offer(9.0, "A", None, 99.0), Offer(1.0, "B", 5000.0, 1.0)
    tied = Offer(2.0, "C", 5000.0, 2.0)
    assert choose(token, [thin, deep, tied], 1000)[0] == tied
    faithful = token.with_fields(pairAddress="B")
    assert choose(faithful, [thin, deep, Offer(2.0, "C", 9e9)], 1000) == (deep, 0)


@pytest.mark.parametrize("own", [None, pool(5.0, "P1", 20.0), pool(5.0, "P1", None)])
def test_a_dead_pool_is_left_after_three_answers(own: Offer | None) -> None:
    """Missing or too thin three times in a row, the pool is given up, and the switch is no rise."""
    watcher = Watcher()
    watcher.see(pool(1.0, "P1"), pool(1.9, "P2", 2000.0))
    offers = [pool(1.9, "P2", 2000.0), *([own] if own else [])]
    for _ in range(DEAD_AFTER - 1):
        assert watcher.see(*offers) is None
        assert watcher.token.fields["pairAddress"] == "P1"
    last = watcher.number("lastPrice")
    rise_before = watcher.number("maxIncrease")
    assert watcher.see(*offers) is None
    assert watcher.token.fields["pairAddress"] == "P2"
    assert watcher.number("lastPrice") == 1.9
    assert watcher.number("maxIncrease") == rise_before
    assert watcher.number("highestPrice") == last
    assert last is not None
    if last == 1.0:
        watcher.see(pool(1.9 * 1.5, "P2"))
        rise = watcher.see(pool(1.9 * 1.5, "P2"))
        assert rise is not None
        assert rise.percent == pytest.approx(50.0)


def test_one_missing_answer_changes_nothing() -> None:
    """A pool that is back within three answers was never left; the old price stays meanwhile."""
    watcher = Watcher()
    watcher.see(pool(1.0, "P1"))
    watcher.see(pool(4.0, "P2"))
    watcher.see(pool(4.0, "P2"))
    assert watcher.number("lastPrice") == 1.0
    watcher.see(pool(1.1, "P1"), pool(4.0, "P2"))
    watcher.see(pool(4.0, "P2"))
    watcher.see(pool(4.0, "P2"))
    assert watcher.token.fields["pairAddress"] == "P1"
    assert watcher.number("maxIncrease") == pytest.approx(10.0)


def test_another_source_is_no_rise_and_coming_back_is_the_truth() -> None:
    """A fallback that sees everything twice as dear raises nothing; back at the pool, real rises count."""
    watcher = Watcher()
    watcher.see(pool(1.0))
    for _ in range(4):
        assert watcher.see(Offer(2.0), source=GECKO) is None
    assert watcher.number("lastPrice") == 2.0
    assert watcher.number("maxIncrease") == 0.0
    watcher.see(Offer(2.4), source=GECKO)
    assert watcher.number("maxIncrease") == pytest.approx(20.0)
    assert watcher.see(pool(1.6)) is None
    rise = watcher.see(pool(1.6))
    assert rise is not None
    assert rise.percent == pytest.approx(60.0)
    assert "seriesFactor" not in watcher.token.fields or watcher.number("seriesFactor") == 1.0


def test_an_old_file_names_no_source() -> None:
    """Prices of an older tracker are taken as they are: the rise since then is a rise."""
    old = new_token(MINT, AT, firstPrice=1.0, lastPrice=1.1, highestPrice=1.2, maxIncrease=20)
    watcher = Watcher(old)
    assert watcher.see(pool(1.7)) is None
    rise = watcher.see(pool(1.7))
    assert rise is not None
    assert rise.percent == pytest.approx(70.0)


def test_absurd_prices_are_not_believed() -> None:
    """A price that would be a rise beyond all measure is dropped, and the old one stays."""
    watcher = Watcher()
    watcher.see(pool(1e-9))
    watcher.see(pool(1e9))
    assert watcher.number("lastPrice") == 1e-9


PRICES = st.floats(1e-12, 1e9)
OFFERS = st.lists(
    st.builds(
        Offer,
        PRICES,
        st.sampled_from(["P1", "P2", "P3"]),
        st.none() | st.sampled_from([0.0, 500.0, 5e3, 1e6]),
    ),
    max_size=3,
    unique_by=lambda offer: offer.pair,
)


@given(st.lists(st.tuples(st.booleans(), OFFERS, PRICES), max_size=25))
def test_invariants_hold_for_any_history(history: list[tuple[bool, list[Offer], float]]) -> None:
    """Whatever comes: a switch never raises the highest rise, rises only grow, a level is told once."""
    watcher = Watcher(levels=(50.0, 100.0))
    told: list[float] = []
    for dex, offers, price in history:
        before = watcher.token
        rise = watcher.see(*(offers if dex else [Offer(price)]), source=DEX if dex else GECKO)
        after = watcher.token
        assert (after.number("maxIncrease") or 0) >= (before.number("maxIncrease") or 0)
        assert (after.number("highestPrice") or 0) >= (before.number("highestPrice") or 0)
        switched = after.fields.get("pairAddress") != before.fields.get("pairAddress") and before.number(
            "lastPrice"
        )
        if switched and before.fields.get("priceSource"):
            assert after.number("maxIncrease") == pytest.approx(
                before.number("maxIncrease"), rel=1e-6, abs=1e-6
            )
            assert rise is None
        if rise:
            assert rise.liquidity >= 1000
            told.append(rise.level)
    assert told == sorted(set(told))
