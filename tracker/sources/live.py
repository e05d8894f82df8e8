"""The real market: three services, asked in order, each left alone for a while after it failed.

A thread makes the calls and the work loop waits for it at its inbox, so that a stop is heard during a call,
and so that not even a name lookup that hangs, which nothing can interrupt, holds the loop up.
"""

import math
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import field

from tracker.address import is_invented
from tracker.inbox import Event, Fetched, Inbox
from tracker.market import Answer, NoPricesError, NotNowError
from tracker.model import Token
from tracker.sources import Offer, Offers, Source, SourceError
from tracker.sources.budget import SHARE, Budget
from watchdog_kit.records import dataclass

LONGEST_REST_S = 60.0
_SLACK_S = 0.5  # for an aborted call to come back
_BURST = 10.0  # calls that even a short cycle may make at once
_MOST_LOST = 4  # calls that hang where nothing reaches them, before no new ones are begun


@dataclass(slots=True)
class _State:
    """How a source has been doing."""

    failures: int = 0
    rest_until: float = 0.0
    reason: str = ""
    share: float = math.inf  # calls that it may get in this turn
    shared_at: float = 0.0


@dataclass(slots=True)
class _Job:
    number: int
    source: Source
    addresses: Sequence[str]
    limit_s: float
    offers: Offers | None = None
    error: SourceError | None = None
    done: threading.Event = field(default_factory=threading.Event)


class LiveMarket:
    """All live sources as one.

    Args:
        sources: in the order in which they are asked; the first one knows all tokens that there are.
        budget: how often each may be called.
        cycle_s: the tracker's cycle.
        limit_s: limit for one call.
        inbox: where the end of a call arrives.
        on_event: takes all other events that arrive meanwhile.
        stopping: says if a stop was asked.
    """

    batch = 30

    def __init__(
        self,
        sources: Sequence[Source],
        budget: Budget,
        *,
        cycle_s: float,
        limit_s: float,
        inbox: Inbox,
        on_event: Callable[[Event], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._sources = sources
        self._budget = budget
        self._cycle_s = cycle_s
        self._limit_s = limit_s
        self._inbox = inbox
        self._on_event = on_event
        self._stopping = stopping
        self._states = {source.name: _State() for source in sources}
        self._jobs: queue.SimpleQueue[_Job | None] | None = None
        self._number = 0
        self._lost: list[_Job] = []
        self._asked_at: dict[str, float] = {}  # for sources with a small batch: who waits longest comes first
        self._first_of_turn = True
        self._none_worked = False
        self.trouble = ""

    def begin_turn(self) -> None:
        """Let the first source be tried again when none works, and each have its share of calls."""
        self._first_of_turn = True
        now = time.monotonic()
        for source in self._sources:
            state = self._states[source.name]
            rate = source.per_minute * SHARE / 60
            # A long list is asked about steadily: all calls of a minute at once would leave old prices behind.
            most = max(_BURST, rate * self._cycle_s)
            state.share = min(most, state.share + rate * (now - state.shared_at))
            state.shared_at = now

    def polls(self, token: Token) -> bool:
        """Say no to tokens of the demo market: they do not exist."""
        return not is_invented(token.address)

    def ask(self, addresses: Sequence[str]) -> Answer:
        """Return prices from the first source that gives any."""
        reasons = []
        again, self._first_of_turn = self._first_of_turn and self._none_worked, False
        batch_only = out_of_calls = False
        for place, source in enumerate(self._sources):
            state = self._states[source.name]
            paused = self._budget.paused_s(self._account(source))
            resting = time.monotonic() < state.rest_until and not (again and place == 0)
            if paused > 0 or resting:
                reasons.append(state.reason or f"{source.name} asked to be left alone")
                continue
            try:
                offers, whole = self._fetch(source, addresses)
            except NotNowError:
                if place == 0:
                    raise
                out_of_calls = out_of_calls or not state.failures
                reasons.append(f"{source.name}: its budget of calls is used up")
                continue
            except SourceError as error:
                reasons.append(str(error))
                batch_only = batch_only or error.batch_only
                self._failed(source, state, error)
                if self._stopping():
                    break
                continue
            state.failures, state.rest_until, state.reason = 0, 0.0, ""
            self._none_worked = False
            self.trouble = "" if place == 0 else f"prices come from {source.name}; {reasons[0]}"
            return Answer(source.name, offers, complete=whole and place == 0)
        self._none_worked = not batch_only
        if out_of_calls:
            self.trouble = self.trouble or "; ".join(reasons)
            raise NotNowError
        self.trouble = ""
        raise NoPricesError("; ".join(reasons), batch_only=batch_only)

    def _failed(self, source: Source, state: _State, error: SourceError) -> None:
        state.reason = str(error)
        if error.pause_s is not None:
            # Everybody whom the service sent away comes back at the same moment: come a little later.
            self._budget.pause(self._account(source), error.pause_s * random.uniform(1.0, 1.1))
        if error.batch_only:
            return
        state.failures += 1
        rest = min(LONGEST_REST_S, self._cycle_s * 2 ** min(state.failures - 1, 20))
        # The first rest ends just before the next turn; the longer ones are shaken.
        share = 0.9 if state.failures == 1 else random.uniform(0.7, 0.95)
        state.rest_until = time.monotonic() + rest * share

    @staticmethod
    def _account(source: Source) -> str:
        return f"{source.name} at {source.host}"

    def _fetch(self, source: Source, addresses: Sequence[str]) -> tuple[Offers, bool]:
        """Ask one source, in as many calls as it needs and as its budget allows.

        Returns:
            What is offered, and whether all was asked that had to be.
        """
        waiting = list(addresses)
        if len(waiting) > source.batch:
            waiting.sort(key=lambda address: self._asked_at.get(address, 0.0))
        parts = deque(waiting[at : at + source.batch] for at in range(0, len(waiting), source.batch))
        offers: dict[str, Sequence[Offer]] = {}
        end = time.monotonic() + max(self._limit_s, self._cycle_s / 2)
        first = True
        while parts:
            if (not first and time.monotonic() >= end) or not self._may_call(source):
                if first:
                    raise NotNowError
                return offers, False
            part = parts.popleft()
            try:
                found = self._call(source, part)
            except SourceError:
                if first:
                    raise
                return offers, False
            first = False
            offers.update(found)
            if len(addresses) > source.batch:
                self._asked_at.update(dict.fromkeys(part, time.monotonic()))
            missing = [address for address in part if address not in found]
            if source.cut_short and missing and len(part) > 1:
                half = (len(missing) + 1) // 2
                parts.extend(piece for piece in (missing[:half], missing[half:]) if piece)
        return offers, True

    def _may_call(self, source: Source) -> bool:
        state = self._states[source.name]
        if state.share < 1 or not self._budget.take(self._account(source), source.per_minute):
            return False
        state.share -= 1
        return True

    def _call(self, source: Source, addresses: Sequence[str]) -> Offers:
        """Let the thread make one call, and wait for its end with an open ear for everything else."""
        self._lost = [job for job in self._lost if not job.done.is_set()]
        if any(job.source is source for job in self._lost) or len(self._lost) >= _MOST_LOST:
            raise SourceError(f"{source.name}: an earlier call still hangs; the name lookup may be broken")
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(self._jobs,), name="fetcher", daemon=True).start()
        self._number += 1
        job = _Job(self._number, source, addresses, self._limit_s)
        self._jobs.put(job)
        end = time.monotonic() + self._limit_s + _SLACK_S
        while not job.done.is_set() and not self._stopping():
            event = self._inbox.get(end)
            if event is None:
                break
            if event != Fetched(job.number):
                self._on_event(event)
        self._on_event(Fetched(job.number))  # the work loop may have to beat between two calls
        if not job.done.is_set():
            source.abort()
            self._lost.append(job)
            self._jobs.put(None)  # that thread ends when it can; the next call gets a new one
            self._jobs = None
            why = "a stop was asked" if self._stopping() else f"no answer within {self._limit_s:g} s"
            raise SourceError(f"{source.name}: {why}")
        if job.error is not None:
            raise job.error
        if job.offers is None:
            raise SourceError(f"{source.name}: the call ended without an answer")
        return job.offers

    def _work(self, jobs: "queue.SimpleQueue[_Job | None]") -> None:
        while (job := jobs.get()) is not None:
            try:
                job.offers = job.source.fetch(job.addresses, job.limit_s)
            except SourceError as error:
                job.error = error
            except (
                ArithmeticError,
                LookupError,
                TypeError,
                ValueError,
                AttributeError,
                RecursionError,
            ) as error:
                # An answer of a shape that nobody thought of is a failed fetch, never the end of the tracker.
                job.error = SourceError(
                    f"{job.source.name}: unreadable answer ({type(error).__name__}: {error})"
                )
            finally:
                job.done.set()
                self._inbox.put(Fetched(job.number))

    def close(self) -> None:
        """Let go of connections."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None
        for source in self._sources:
            source.close()
