"""Puts the parts together for one life of the tracker."""

import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping

from tracker import edits, stop_file
from tracker.alerts import AlertDesk
from tracker.carriage import Carriage
from tracker.changes import ChangeDesk
from tracker.faults import Faults
from tracker.heartbeat import Heartbeat
from tracker.inbox import Event, Inbox
from tracker.ledger import Ledger
from tracker.lock import FolderLock
from tracker.loop import Loop
from tracker.market import Market
from tracker.model import LAST, RUGCHECK, SOURCE, Token, new_token
from tracker.place import Place
from tracker.saver import Saver
from tracker.say import say
from tracker.senders import make_sender
from tracker.settings import Settings, load_settings
from tracker.sources.budget import Budget
from tracker.store import Store
from tracker.when import utc_text

DUMP_SIGNAL = "SIGUSR1"


def run_tracker(place: Place, given: Mapping[str, object], faults: Faults, seed: int) -> None:
    """Work in ``place`` until a stop is asked.

    Raises:
        TrackerError: it cannot start; the error knows the exit code.
    """
    settings = load_settings(place.folder, given, os.environ)
    inbox = Inbox()
    inbox.listen_to_signals()
    stop_file.obey(os.environ.get(stop_file.VARIABLE), inbox.put)
    place.prepare()
    with FolderLock(place.lock, "run"):
        _run(place, settings, faults, seed, inbox)


def _run(place: Place, settings: Settings, faults: Faults, seed: int, inbox: Inbox) -> None:
    edits.sweep(place)
    budget = Budget(place.budget)
    sender = make_sender(settings, place, say)
    store = Store(place, settings.max_backups)
    restored = store.load()
    for line in (*restored.notes, *restored.alarms):
        say(line)
    tokens = restored.tokens
    live = _Live(settings, budget, inbox) if settings.source == "live" else None
    market = live.market if live else _demo_market(tokens, faults, seed)
    ledger = Ledger(place.ledger, place.sent)
    account = f"alerts by {sender.name}"
    alerts = AlertDesk(
        ledger,
        sender,
        say,
        lambda: budget.paused_s(account),
        lambda seconds: budget.pause(account, seconds),
        carried=Carriage(place.ledger, os.environ, say).wait,
    )
    for line in restored.alarms:
        alerts.notice(line)
    saver = Saver(store, inbox)
    changes = ChangeDesk(place, store, say, lambda: saver.busy, alerts.resend)
    heartbeat = Heartbeat(
        os.environ.get("WATCHDOG_HEARTBEAT") or place.heartbeat,
        os.environ.get("WATCHDOG_RUN_ID"),
        settings.heartbeat_interval,
        _offer_dump(),
    )
    loop = Loop(
        settings,
        tokens=tokens,
        market=market,
        saver=saver,
        heartbeat=heartbeat,
        inbox=inbox,
        alerts=alerts,
        changes=changes,
        faults=faults,
        watch_new=live.watch_new if live else lambda _: None,
        remarks=restored.alarms,
        save_at_once=restored.first_start or bool(restored.alarms),
    )
    if live:
        live.loop = loop
    _greet(settings, loop)
    if len(tokens) > settings.max_tokens:
        say(f"the list holds more than max-tokens ({settings.max_tokens}): all are kept, none can be added")
    try:
        loop.run()
    finally:
        if live and live.safety:
            live.safety.close()


def _greet(settings: Settings, loop: Loop) -> None:
    where = "the demo market (all prices are SIMULATED)" if settings.source == "demo" else "live prices"
    polled = sum(1 for token in loop.tokens.values() if loop.polled(token))
    say(f"tracker started (pid {os.getpid()}): {polled} of {len(loop.tokens)} tokens, {where}")
    if not loop.tokens:
        say("no tokens yet; add one with: python -m tracker add ADDRESS")


def _demo_market(tokens: dict[str, Token], faults: Faults, seed: int) -> Market:
    from tracker.sources.demo import MARKET, DemoMarket

    if not tokens:
        at = utc_text()
        for address, script in MARKET.items():
            known = {"name": script.name, "symbol": script.symbol, RUGCHECK: "SIMULATED", SOURCE: "demo"}
            tokens[address] = new_token(address, at, **known)
    begun = time.monotonic()
    start = {a: float(t.number(LAST) or 0) for a, t in tokens.items() if t.simulated}
    known_prices = {a: price for a, price in start.items() if price > 0}
    return DemoMarket(seed, known_prices, lambda: time.monotonic() - begun < faults.fail_for_s)


class _Live:
    """The live market with what belongs to it; the loop is known only later."""

    def __init__(self, settings: Settings, budget: Budget, inbox: Inbox) -> None:
        from tracker.sources.coingecko import CoinGecko
        from tracker.sources.dexscreener import DexScreener
        from tracker.sources.geckoterminal import GeckoTerminal
        from tracker.sources.live import LiveMarket
        from tracker.sources.rugcheck import RugCheck
        from tracker.sources.safety import SafetyWatcher

        self.loop: Loop | None = None
        connect_s = min(5.0, settings.request_timeout)
        self.market = LiveMarket(
            (
                DexScreener(settings.dexscreener_url, connect_s),
                GeckoTerminal(settings.geckoterminal_url, connect_s),
                CoinGecko(settings.coingecko_url, connect_s),
            ),
            budget,
            cycle_s=settings.cycle,
            limit_s=settings.request_timeout,
            inbox=inbox,
            on_event=self._on_event,
            stopping=self._stopping,
        )
        self.safety = None
        if settings.rugcheck:
            service = RugCheck(settings.rugcheck_url, connect_s)
            self.safety = SafetyWatcher(service, budget, inbox, settings.request_timeout)

    def _on_event(self, event: Event) -> None:
        assert self.loop is not None
        self.loop.handle(event)

    def _stopping(self) -> bool:
        return self.loop is not None and self.loop.stopping

    def watch_new(self, tokens: Iterable[Token]) -> None:
        if self.safety is not None:
            self.safety.watch(tokens)


def _offer_dump() -> str | None:
    """Let a signal print the stacks of all threads; return its name, to be announced in the heartbeat."""
    number = getattr(signal, DUMP_SIGNAL, None)
    if number is None:
        return None
    import faulthandler

    try:
        faulthandler.register(number, file=sys.stderr, all_threads=True)
    except (OSError, ValueError, RuntimeError, AttributeError):  # no stderr to print to
        return None
    return DUMP_SIGNAL
