"""The work loop: ask for prices, apply the rules, save, beat, wait; again until a stop is asked."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tracker.address import is_address, is_invented
from tracker.errors import StorageError
from tracker.faults import Faults
from tracker.freshness import AGED_AFTER, Freshness
from tracker.heartbeat import Heartbeat
from tracker.inbox import Event, Fetched, Inbox, Learned, Noted, Saved, StopAsked
from tracker.market import Answer, Market, NoPricesError, NotNowError
from tracker.model import REACHED_50, RUGCHECK, STOPPED, Token
from tracker.ports import Alerts, Changes
from tracker.rules import TOLD_BY_FLAG, Moment, Rules, take_price
from tracker.saver import Saver
from tracker.say import say
from tracker.settings import Settings
from tracker.when import utc_text
from watchdog_kit.quantities import format_duration

FIRST_TURN_S = 0.5  # the first beat must not wait for a long first turn; what is left follows at once
STOP_SAVE_S = 6.0  # the last save may take so long; below the watchdog's stop timeout


class Loop:
    """One life of the tracker."""

    def __init__(
        self,
        settings: Settings,
        *,
        tokens: dict[str, Token],
        market: Market,
        saver: Saver,
        heartbeat: Heartbeat,
        inbox: Inbox,
        alerts: Alerts,
        changes: Changes,
        faults: Faults,
        save_at_once: bool = False,
        remarks: Sequence[str] = (),
        watch_new: Callable[[Iterable[Token]], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._rules = Rules(settings.levels, settings.min_liquidity, settings.history_step)
        self.tokens = tokens
        self._market = market
        self._saver = saver
        self._heartbeat = heartbeat
        self._inbox = inbox
        self._alerts = alerts
        self._changes = changes
        self._faults = faults
        self._watch_new = watch_new
        self._remarks = remarks  # what happened at the start, to be seen as long as this run lasts
        self._begun = time.monotonic()
        self._stopping: str | None = None
        self._round: deque[str] = deque()
        self._after = ""
        self._round_begun = self._begun
        self._round_s = 0.0  # how long the last round took, or the present one up to its last answer
        self._freshness = Freshness(self._begun)
        self._fetch_failure = ""
        self._save_failure = ""
        self._heartbeat_failure = ""
        self._long_round_said = False
        # Counters, not copies: holding on to old tokens would hold their histories, too.
        self._changes_made = 0
        self._changes_saved = 0
        self._changes_handed = 0
        self._save_asked = save_at_once
        self._next_save = self._begun + settings.save_interval
        self._next_beat = self._begun
        self._beaten: tuple[str, str] | None = None
        self._last_save: str | None = None
        self._last_cycle: str | None = None
        self._save_errors = 0
        self._turns = 0

    def run(self) -> None:
        """Work until a stop is asked; then save and return.

        Raises:
            StorageError: the last save was not possible.
        """
        while self._stopping is None:
            begun = time.monotonic()
            self._turn(begun)
            if self._stopping is None:
                self._beat()
                cut_short = self._turns == 1 and self._round
                self._wait(begun if cut_short else begun + self._settings.cycle)
        self._finish()

    @property
    def stopping(self) -> bool:
        """Say if a stop was asked."""
        return self._stopping is not None

    # --- one turn ---

    def _turn(self, begun: float) -> None:
        self._take_changes()
        self._watch_new(token for token in self.tokens.values() if self.polled(token))
        self._refill()
        self._market.begin_turn()
        end = begun + (self._settings.cycle if self._turns else min(FIRST_TURN_S, self._settings.cycle))
        failure, answered = "", False
        while self._round and self._stopping is None:
            batch = [self._round.popleft() for _ in range(min(self._market.batch, len(self._round)))]
            batch = [address for address in batch if address in self.tokens]
            if not batch:
                continue
            try:
                self._apply(batch, self._market.ask(batch))
                answered = True
            except NotNowError:
                self._round.extendleft(reversed(batch))
                break
            except NoPricesError as error:
                failure = str(error)
                if error.batch_only:
                    continue
                # The next turn begins anew, with those that would have come next: one batch that always
                # fails must not keep the others from being asked.
                self._after = batch[-1]
                self._round.clear()
                break
            self._between()
            if time.monotonic() >= end:
                break
        if failure and failure != self._fetch_failure and self._stopping is None:
            say(f"no prices: {failure}")
        elif answered and not failure and self._fetch_failure:
            say("prices arrive again")
        if failure or answered:
            self._fetch_failure = failure
        self._turns += 1
        self._last_cycle = utc_text()
        self._between()

    def _take_changes(self, *, final: bool = False) -> None:
        before = set(self.tokens)
        if not self._changes.take(self.tokens, final=final):
            return
        self._save_asked = True
        self._changes_made += 1
        now = time.monotonic()
        for address in self.tokens.keys() - before:
            self._freshness.added(address, now)
            if self._round:
                self._round.appendleft(address)
        for address in before - self.tokens.keys():
            self._freshness.removed(address)

    def _refill(self) -> None:
        """Begin a new round of all tokens when the last one is done."""
        if self._round:
            return
        now = time.monotonic()
        if self._turns:
            # A round that failed says nothing of how long a round takes.
            self._round_s = 0.0 if self._fetch_failure else now - self._round_begun
            if self._round_s > self._settings.cycle * 1.5 and not self._long_round_said:
                self._long_round_said = True
                say(
                    f"one round through all tokens takes {format_duration(self._round_s)}: "
                    "the price services allow only so many calls a minute"
                )
        self._round_begun = now
        order = [a for a, token in self.tokens.items() if self.polled(token)]
        if self._after in self.tokens and self._after in order:
            cut = order.index(self._after) + 1
            order = order[cut:] + order[:cut]
        self._after = ""
        self._round.extend(order)

    def polled(self, token: Token) -> bool:
        """Say if prices are asked for a token."""
        return not token.flag(STOPPED) and self._market.polls(token) and is_address(token.address)

    def _apply(self, batch: list[str], answer: Answer) -> None:
        moment = Moment(answer.source, utc_text(), time.monotonic())
        self._round_s = max(self._round_s, moment.now - self._round_begun)
        for address in batch:
            token = self.tokens.get(address)
            if token is None:
                continue
            offers = answer.offers.get(address, ())
            if offers or answer.complete:
                self._freshness.answered(address, moment.now, known=bool(offers))
            # A simulated rise of a real token must not count as told when the real one comes.
            key = address if answer.source != "demo" or is_invented(address) else f"demo:{address}"
            told = self._alerts.told(key)
            changed, rise = take_price(token, offers, moment, self._rules, told)
            # Without a note of it nothing is told, and the rise comes again with the next price.
            if rise is not None and self._alerts.rise(replace(rise, address=key)):
                if rise.level >= TOLD_BY_FLAG:
                    changed = changed.with_fields(**{REACHED_50: True})
                self._save_asked = True
            if changed is not token:
                self.tokens[address] = changed
                self._changes_made += 1

    # --- between the work ---

    def _between(self) -> None:
        """Look at what has happened, without waiting, and do what is due."""
        while (event := self._inbox.get(0.0)) is not None:
            self.handle(event)
        self._faults.strike(time.monotonic() - self._begun)
        self._save_if_due()
        self._beat_if_due()

    def _wait(self, until: float) -> None:
        fault_at = self._begun + self._faults.next_at()
        while self._stopping is None:
            now = time.monotonic()
            if now >= until:
                return
            save_at = self._next_save if not self._saver.busy else until
            event = self._inbox.get(min(until, save_at, fault_at, self._next_beat))
            if event is not None:
                self.handle(event)
            self._faults.strike(time.monotonic() - self._begun)
            self._save_if_due()
            self._beat_if_due()

    def handle(self, event: Event) -> None:
        match event:
            case StopAsked():
                if self._stopping is None:
                    say(f"stop asked ({event.by}): finishing the turn and saving")
                self._stopping = event.by
            case Saved():
                self._on_saved(event)
            case Noted():
                say(event.text)
            case Fetched():
                self._beat_if_due()  # a slow service may need many calls in one turn
            case Learned():
                token = self.tokens.get(event.address)
                if token is not None:
                    self._changes_made += 1
                    self.tokens[event.address] = token.with_fields(**{RUGCHECK: event.status})

    def _save_if_due(self) -> None:
        now = time.monotonic()
        if self._saver.busy or not (self._save_asked or now >= self._next_save):
            return
        self._next_save = now + self._settings.save_interval
        if not self._save_asked and self._changes_made == self._changes_saved:
            return
        self._save_asked = False
        self._saver.start(self._hand_over())

    def _hand_over(self) -> Mapping[str, Token]:
        self._changes.handed()
        self._changes_handed = self._changes_made
        return dict(self.tokens)

    def _on_saved(self, event: Saved) -> None:
        self._saver.collected()
        self._changes.saved(well=event.failure is None and not event.outside)
        if event.outside:
            self._take_changes()
            return
        if event.failure is not None:
            self._save_errors += 1
            if event.failure != self._save_failure:
                say(f"{event.failure}; the last good file is intact, trying again")
            self._save_failure = event.failure
            return
        complaint = "; ".join(event.complaints[:3])
        if complaint != self._save_failure:
            say(complaint or "saving works again")
        self._save_failure = complaint
        self._last_save = utc_text()
        self._changes_saved = self._changes_handed

    # --- the beat ---

    def _beat_if_due(self) -> None:
        """Beat where a turn, or the wait for the next one, is longer than the interval."""
        if self._turns and time.monotonic() >= self._next_beat:
            self._beat()

    def _beat(self) -> None:
        status, message = self._state()
        now = time.monotonic()
        # One cycle early rather than late: the interval is a promise.
        if (status, message) == self._beaten and now + self._settings.cycle <= self._next_beat:
            return
        self._next_beat = now + self._settings.heartbeat_interval
        self._beaten = (status, message)
        polled = sum(1 for token in self.tokens.values() if self.polled(token))
        facts: dict[str, Any] = {
            "activeTokens": polled,
            "totalTokens": len(self.tokens),
            "uptime": round(now - self._begun, 1),
            "lastCycle": self._last_cycle,
            "lastSave": self._last_save,
            "saveErrors": self._save_errors,
            "turns": self._turns,
            **self._alerts.facts(),
        }
        failure = self._heartbeat.write(status, message, facts) or ""
        if failure != self._heartbeat_failure:
            say(failure or "the heartbeat file can be written again")
            self._heartbeat_failure = failure

    def _state(self) -> tuple[str, str]:
        """Say how the work goes, in a word and for people."""
        troubles = [self._save_failure] if self._save_failure else []
        troubles += [trouble for trouble in (self._changes.trouble(), self._alerts.trouble()) if trouble]
        polled = [address for address, token in self.tokens.items() if self.polled(token)]
        limit = AGED_AFTER * max(self._settings.cycle, self._round_s)
        if aged := self._freshness.aged(polled, time.monotonic(), limit):
            reason = self._fetch_failure or self._market.trouble
            why = f": {reason}" if reason else ""
            troubles.append(f"{aged} of {len(polled)} prices are older than {format_duration(limit)}{why}")
        if troubles:
            return "degraded", "; ".join([*troubles, *self._remarks])
        notes = [self._market.trouble] if self._market.trouble else []
        if not self.tokens:
            notes.append("no tokens yet; add one with: python -m tracker add ADDRESS")
        elif unknown := self._freshness.unknown(polled):
            notes.append(f"{unknown} {'token is' if unknown == 1 else 'tokens are'} not known to any source")
        return "ok", "; ".join([*notes, *self._remarks])

    # --- the end ---

    def _finish(self) -> None:
        self._market.close()
        self._alerts.close(STOP_SAVE_S / 2)
        self._saver.finish(STOP_SAVE_S)
        while (event := self._inbox.get(0.0)) is not None:
            self.handle(event)
        for _ in range(3):  # a hand may be changing the file at this very moment
            self._take_changes(final=True)
            if self._saver.busy or (self._changes_made == self._changes_saved and not self._save_asked):
                break
            saved = self._saver.save_now(self._hand_over())
            self._on_saved(saved)
            if not saved.outside:
                break
        if self._saver.busy or self._changes_made != self._changes_saved:
            why = (
                "the disk does not answer"
                if self._saver.busy
                else self._changes.trouble() or self._save_failure or "the file kept changing"
            )
            raise StorageError(f"ended without the last save, the file of before is intact: {why}")
        say(f"ended; {len(self.tokens)} tokens saved")
