"""Arithmetic of time spans: for how long was it up, down, stopped on purpose, standing by, or watched by nobody."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise

from watchdog_kit.records import dataclass


class Kind(StrEnum):
    """What is known of a span."""

    UP = "up"
    DOWN = "down"  # it should have run and did not, or it ran and did not work
    PLANNED = "planned"  # somebody stopped, paused or restarted it
    STANDBY = "standby"  # the lease was not ours, so nothing could run here
    UNKNOWN = "unknown"  # nobody watched


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` up to ``end``, in seconds of one timeline."""

    start: float
    end: float
    kind: Kind

    @property
    def length_s(self) -> float:
        """How long it is."""
        return self.end - self.start


class Record:
    """Spans without holes, in the making: each addition begins where the one before it ended."""

    def __init__(self) -> None:
        """Nothing is known yet, not even where it begins."""
        self._bounds: list[float] = []
        self._kinds: list[Kind] = []

    @property
    def end(self) -> float | None:
        """Until when something is recorded; None before ``begin``."""
        return self._bounds[-1] if self._bounds else None

    def begin(self, at: float) -> None:
        """Say where the record begins."""
        self._bounds.append(at)

    def add(self, until: float, kind: Kind) -> None:
        """Say what was so until then; a time that is not later than the end adds nothing."""
        if until <= self._bounds[-1]:
            return
        if self._kinds and self._kinds[-1] is kind:
            self._bounds[-1] = until
        else:
            self._bounds.append(until)
            self._kinds.append(kind)

    def recolour(self, since: float, old: Kind, new: Kind) -> None:
        """Correct all that was recorded as ``old`` from ``since`` on: better is known now."""
        tail: list[tuple[float, Kind]] = []
        while self._kinds and self._bounds[-1] > since:
            tail.append((self._bounds.pop(), self._kinds.pop()))
        start = self._bounds[-1]
        for until, kind in reversed(tail):
            if kind is old and start < since:
                self.add(since, old)
            self.add(until, new if kind is old else kind)
            start = until

    def spans(self) -> tuple[Span, ...]:
        """All of it, oldest first."""
        return tuple(
            Span(start, end, kind)
            for (start, end), kind in zip(pairwise(self._bounds), self._kinds, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """Seconds of each kind within a window."""

    up_s: float = 0.0
    down_s: float = 0.0
    planned_s: float = 0.0
    unknown_s: float = 0.0
    standby_s: float = 0.0

    @property
    def known_s(self) -> float:
        """Time in which it was meant to run and somebody watched."""
        return self.up_s + self.down_s

    @property
    def uptime(self) -> float | None:
        """The share of the known time in which it was up, from 0 to 1; None when nothing is known."""
        return self.up_s / self.known_s if self.known_s > 0 else None

    def meets(self, goal: float) -> bool | None:
        """Whether the uptime reaches a goal, a share from 0 to 1; None when nothing is known."""
        return None if self.uptime is None else self.uptime >= goal

    def budget_left_s(self, goal: float) -> float:
        """How much longer it might have been down and still meet the goal; negative when it was down for too long."""
        return self.known_s * (1.0 - goal) - self.down_s


def clip(spans: Sequence[Span], start: float, end: float) -> Iterator[Span]:
    """Yield what lies between two times."""
    first = max(0, bisect_right(spans, start, key=lambda span: span.start) - 1)
    for nth in range(first, len(spans)):
        span = spans[nth]
        if span.start >= end:
            return
        low, high = max(span.start, start), min(span.end, end)
        if low < high:
            yield span if (low, high) == (span.start, span.end) else Span(low, high, span.kind)


def total(spans: Iterable[Span]) -> Totals:
    """Add them up."""
    sums = dict.fromkeys(Kind, 0.0)
    for span in spans:
        sums[span.kind] += span.length_s
    return Totals(
        up_s=sums[Kind.UP],
        down_s=sums[Kind.DOWN],
        planned_s=sums[Kind.PLANNED],
        unknown_s=sums[Kind.UNKNOWN],
        standby_s=sums[Kind.STANDBY],
    )


def longest(spans: Iterable[Span], kind: Kind) -> Span | None:
    """The longest span of a kind; the earliest of several."""
    return max((span for span in spans if span.kind is kind), key=lambda span: span.length_s, default=None)
