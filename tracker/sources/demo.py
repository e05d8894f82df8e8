"""An embedded market that needs no network. Everything from it is simulated, and is called so."""

import math
import random
from collections.abc import Callable, Mapping, Sequence

from tracker.market import Answer, NoPricesError
from tracker.model import FIRST, LAST, Token
from tracker.sources import Offer
from watchdog_kit.records import dataclass

NAME = "demo"
_FURTHEST = math.log(50.0)  # a price goes no further from where it began, but for its shaking
_LEAST_PULL = 0.01
OUTAGE = range(36, 42)  # steps in which the whole market cannot be reached


@dataclass(frozen=True, slots=True)
class Script:
    """How one simulated token behaves: drift and shake per step, in parts of its price."""

    name: str
    symbol: str
    price: float
    liquidity: float
    drift: float = 0.0
    shake: float = 0.01
    rug_at: int | None = None  # step at which its liquidity is pulled
    dies_at: int | None = None  # step from which its pool is not offered any more


def _address(word: str) -> str:
    return "DEMo" + word + "1" * (40 - len(word))


MARKET: Mapping[str, Script] = {
    _address("Rocket"): Script("Rocket (simulated)", "ROCKET", 0.0000041, 84_000, drift=0.045, shake=0.02),
    _address("Steady"): Script("Steady (simulated)", "STEADY", 0.0132, 410_000, shake=0.003),
    _address("Snai1"): Script("Snail (simulated)", "SNAIL", 0.00084, 52_000, drift=0.004, shake=0.004),
    _address("Stone"): Script("Stone (simulated)", "STONE", 0.27, 120_000, drift=-0.006, shake=0.008),
    _address("Wave"): Script("Wave (simulated)", "WAVE", 0.0021, 33_000, shake=0.05),
    _address("Rug"): Script("Rug (simulated)", "RUG", 0.00031, 61_000, drift=0.03, shake=0.02, rug_at=24),
    _address("Thin"): Script("Thin (simulated)", "THIN", 0.000002, 140, drift=0.06, shake=0.03),
    _address("Ghost"): Script("Ghost (simulated)", "GHOST", 0.0009, 18_000, shake=0.01, dies_at=18),
}


class DemoMarket:
    """The market itself: the same seed gives the same prices, one step for each question of a cycle.

    Args:
        seed: what all chance comes from.
        start: prices that tokens had when the market was last open.
        out: says if the market cannot be reached at this moment (``--fail-for``).
    """

    batch = 50
    trouble = "prices are simulated (demo market)"

    def __init__(
        self, seed: int, start: Mapping[str, float] | None = None, out: Callable[[], bool] = lambda: False
    ) -> None:
        self._chance = random.Random(seed)
        self._prices: dict[str, float] = dict(start or {})
        self._liquidity: dict[str, float] = {}
        self._out = out
        self.step = 0

    def begin_turn(self) -> None:
        """Let one cycle of market time pass."""
        self.step += 1

    def ask(self, addresses: Sequence[str]) -> Answer:
        """Return simulated offers; an address that is not in the script gets a quiet market too."""
        if self._out() or self.step in OUTAGE:
            raise NoPricesError("the demo market plays an outage")
        offers = {}
        for address in addresses:
            script = MARKET.get(address) or self._unknown(address)
            if script.dies_at is None or self.step < script.dies_at:
                offers[address] = (self._offer(address, script),)
        return Answer(NAME, offers, complete=True)

    def polls(self, token: Token) -> bool:
        """Say yes to simulated tokens and to those without any price: a real one is never overwritten."""
        return token.simulated or (token.number(FIRST) is None and token.number(LAST) is None)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _unknown(self, address: str) -> Script:
        price = 10 ** -(2 + sum(address.encode()) % 5)
        return Script(f"{address[:4]} (simulated)", f"SIM{address[:3].upper()}", price, 25_000.0, shake=0.01)

    def _offer(self, address: str, script: Script) -> Offer:
        price = self._prices.get(address)
        liquidity = self._liquidity.get(address, script.liquidity)
        if price is None:
            price = script.price
        elif script.rug_at is not None and self.step == script.rug_at:
            price, liquidity = price * 0.02, 0.0005
        else:
            # The further from home, the less it drifts: else weeks of a short --cycle end in absurd prices.
            pull = max(abs(script.drift), _LEAST_PULL) * math.log(price / script.price) / _FURTHEST
            price *= math.exp(self._chance.gauss(script.drift - pull, script.shake))
        price = min(max(price, 1e-12), 1e9)
        self._prices[address], self._liquidity[address] = price, liquidity
        return Offer(
            price=float(f"{price:.4g}"),
            pair=address,
            liquidity=liquidity,
            volume=liquidity / 3,
            name=script.name,
            symbol=script.symbol,
        )
