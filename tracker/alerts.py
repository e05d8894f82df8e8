"""Tells people about rises: from the ledger to a sender, in a thread of its own, never twice."""

import html
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tracker.errors import StorageError
from tracker.ledger import DUE, SENDING, SENT, UNCERTAIN, Entry, Ledger
from tracker.rules import Rise
from tracker.say import clean
from watchdog_kit.notify import Message, Outcome, Result, Sender, utf16_length

_MERGED_AT_MOST = 20  # alerts in one message
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 300.0
_FINAL_PAUSE_S = 120.0
_NAME_SHOWN = 100  # characters; a name in a file of somebody else may have any length


class AlertDesk:
    """Takes rises on and sends them.

    Args:
        ledger: loaded or not; it is loaded here.
        sender: the way to people.
        say: prints a line; called from any thread.
        paused_s: for how long the service asked to be left alone.
        pause: notes such a wish, over restarts.
        carried: waits, with the pause that it is given, until another machine would know what the ledger says now;
            returns why it would not, or nothing.
        send: False begins no thread; the caller sends.
    """

    def __init__(
        self,
        ledger: Ledger,
        sender: Sender,
        say: Callable[[str], None],
        paused_s: Callable[[], float] = lambda: 0.0,
        pause: Callable[[float], None] = lambda _: None,
        *,
        carried: Callable[[Callable[[float], bool]], str] = lambda _: "",
        send: bool = True,
    ) -> None:
        self._ledger = ledger
        self._sender = sender
        self._say = say
        self._paused_s = paused_s
        self._pause = pause
        self._carried = carried
        self._may_send = send
        self._wake = threading.Condition()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._not_before = 0.0  # monotonic
        self._send_failure = ""
        self._ledger_failure = ""
        self._loaded = False
        self._next_load = 0.0
        self._load()

    def _load(self) -> bool:
        """Load the ledger, again now and then when it could not be read."""
        if self._loaded or time.monotonic() < self._next_load:
            return self._loaded
        self._next_load = time.monotonic() + 30.0
        try:
            uncertain = self._ledger.load()
        except StorageError as error:
            self._complain(str(error))
            return False
        self._loaded, self._ledger_failure = True, ""
        for entry in uncertain:
            self._say(
                f"alert {entry.id} may or may not have been sent when the tracker was ended; "
                f"it is not repeated by itself: python -m tracker alerts resend {entry.id}"
            )
        self._start_if_due()
        return True

    def _complain(self, failure: str) -> None:
        if failure != self._ledger_failure:
            self._ledger_failure = failure
            self._say(failure)

    # --- asked by the work loop ---

    def told(self, address: str) -> float:
        """Return the highest level that was told of a token."""
        return self._ledger.told(address)

    def rise(self, rise: Rise) -> bool:
        """Take a rise on; False when it cannot be noted, for what is not noted must not be told."""
        return self._add(rise.address, rise.level, rise_text(rise))

    def notice(self, text: str) -> bool:
        """Tell something that is no rise."""
        return self._add("", 0.0, text)

    def _add(self, address: str, level: float, text: str) -> bool:
        if not self._load():
            return False
        try:
            self._ledger.add(address, level, text)
        except StorageError as error:
            self._complain(f"{error}; alerts are held until it works")
            return False
        self._ledger_failure = ""
        self._start_if_due()
        return True

    def resend(self, number: int) -> None:
        """Make an uncertain alert due again, because a person wants it so."""
        entry = self._ledger.get(number)
        if entry is None or entry.state != UNCERTAIN:
            self._say(f"alert {number} is not uncertain, so it is not sent again")
            return
        try:
            self._ledger.mark([number], DUE, "sent again as asked")
        except StorageError as error:
            self._complain(str(error))
            return
        self._start_if_due()

    def trouble(self) -> str:
        """Say what keeps alerts from being told, or nothing."""
        if self._ledger_failure:
            return self._ledger_failure
        waiting = len(self._ledger.of_state(DUE)) if self._send_failure else 0
        return f"{waiting} alerts wait: {self._send_failure}" if waiting else ""

    def facts(self) -> Mapping[str, Any]:
        """Return what the heartbeat shows."""
        return {
            "alertsWaiting": len(self._ledger.of_state(DUE, SENDING)),
            "alertsUncertain": len(self._ledger.of_state(UNCERTAIN)),
        }

    def close(self, limit_s: float) -> None:
        """Begin nothing new, and give a message that is on its way the time to arrive."""
        with self._wake:
            self._ended = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(limit_s)

    # --- the sending ---

    def _start_if_due(self) -> None:
        if not self._may_send or not self._ledger.of_state(DUE):
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
            self._thread.start()
        with self._wake:
            self._wake.notify_all()

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._ended and not self._ledger.of_state(DUE):
                    self._wake.wait()
                wait = 0.0
                while not self._ended and (wait := self._wait_s()) > 0:
                    self._wake.wait(wait)
                if self._ended:
                    return
            self.deliver_once()

    def _wait_s(self) -> float:
        return max(self._not_before - time.monotonic(), self._sender.ready_in_s(), self._paused_s())

    def deliver_once(self) -> Result | None:
        """Send what is due, as much as fits in one message; None when nothing is."""
        return self._deliver(self._merged(self._ledger.of_state(DUE)))

    def deliver_only(self, number: int) -> Result | None:
        """Send one alert that is due, and no other."""
        return self._deliver([entry for entry in self._ledger.of_state(DUE) if entry.id == number])

    def _deliver(self, entries: list[Entry]) -> Result | None:
        if not entries:
            return None
        ids = [entry.id for entry in entries]
        try:
            self._ledger.mark(ids, SENDING)
        except StorageError as error:
            self._complain(f"{error}; alerts are held until it works")
            self._not_before = time.monotonic() + _FIRST_PAUSE_S
            return None
        held = self._carried(self._pause_or_end)
        result = Result(Outcome.NOT_SENT, held) if held else self._sender.send(message_of(entries))
        try:
            self._note(ids, result)
        except StorageError as error:
            self._complain(str(error))
        return result

    def _pause_or_end(self, seconds: float) -> bool:
        with self._wake:
            return self._wake.wait_for(lambda: self._ended, seconds)

    def _note(self, ids: list[int], result: Result) -> None:
        if result.outcome is Outcome.SENT:
            self._failures, self._not_before = 0, 0.0
            if self._send_failure:
                self._say("alerts can be sent again")
            self._send_failure = ""
            self._ledger.mark(ids, SENT)
            return
        self._failures += 1
        pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10))
        if result.retry_after_s is not None:
            self._pause(result.retry_after_s)
            pause = 0.0
        self._not_before = time.monotonic() + (_FINAL_PAUSE_S if result.final else pause)
        if result.outcome is Outcome.UNCERTAIN:
            self._ledger.mark(ids, UNCERTAIN, result.reason)
            names = ", ".join(str(number) for number in ids)
            self._say(
                f"alert {names} may or may not have arrived ({result.reason}); "
                f"to send it again: python -m tracker alerts resend {ids[0]}"
            )
            return
        if result.reason != self._send_failure:
            self._say(f"an alert could not be sent ({result.reason}); it is kept and tried again")
        self._send_failure = result.reason
        self._ledger.mark(ids, DUE, result.reason)

    def _merged(self, due: list[Entry]) -> list[Entry]:
        """Take as many alerts as fit in one message, always at least one."""
        taken: list[Entry] = []
        room = self._sender.limit - 100
        for entry in due[:_MERGED_AT_MOST]:
            room -= utf16_length(entry.text) + 20
            if taken and room < 0:
                break
            taken.append(entry)
        return taken


def rise_text(rise: Rise) -> str:
    """Write a rise for people."""
    mark = "[SIMULATED] " if rise.source == "demo" else ""
    mint = rise.address.removeprefix("demo:")
    symbol, name = clean(rise.symbol)[:_NAME_SHOWN], clean(rise.name)[:_NAME_SHOWN]
    called = f"{symbol} ({name})" if name and symbol and name != symbol else symbol or name or mint[:8]
    lines = [
        f"{mark}{called} is up {rise.percent:,.1f} % since tracking began",
        f"level {rise.level:g} %, price {plain_price(rise.price)} USD, first {plain_price(rise.first_price)} USD",
        f"liquidity {rise.liquidity:,.0f} USD, source {rise.source}",
        mint,
    ]
    return "\n".join(lines)


def plain_price(price: float) -> str:
    """Write a price without an exponent, with the digits that matter; one beyond all measure keeps it."""
    from decimal import Decimal

    if not 1e-18 <= price < 1e15:
        return f"{price:.6g}"
    text = f"{Decimal(f'{price:.6g}'):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def message_of(entries: list[Entry]) -> Message:
    """Put alerts together to one message; a mint is marked so that a tap copies it."""
    pieces, marked = [], []
    for entry in entries:
        text = f"{entry.text}\nalert {entry.id}"
        pieces.append(text)
        safe = html.escape(text, quote=False)
        mint = entry.token.removeprefix("demo:")
        marked.append(safe.replace(mint, f"<code>{mint}</code>") if mint else safe)
    head = f"{len(entries)} alerts\n\n" if len(entries) > 1 else ""
    return Message(head + "\n\n".join(pieces), head + "\n\n".join(marked))
