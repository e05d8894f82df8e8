"""UptimeReport: all that ``watchdog report`` says, and its stable form for machines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from watchdog_cli.core import uptime
from watchdog_cli.core.history import Failure, History
from watchdog_cli.core.measured import Bucket, Latest, Silence
from watchdog_cli.core.trend import Growth
from watchdog_cli.core.uptime import Kind, Span, Totals
from watchdog_kit.records import dataclass

VERSION = 1
DAY_S = 86_400.0
WINDOWS = (("24h", DAY_S), ("7d", 7 * DAY_S), ("30d", 30 * DAY_S))
KEPT_S = 30 * DAY_S  # how far back at least the samples reach
GOAL = 0.999
STRIP = 60  # parts into which charts are cut for machines


@dataclass(frozen=True, slots=True)
class Window:
    """What was in one stretch of time up to now.

    Args:
        ends: unplanned ends in it.
        covered_s: how much of it the history reaches back.
    """

    name: str
    length_s: float
    covered_s: float
    totals: Totals
    ends: int

    @property
    def mtbf_s(self) -> float | None:
        """Mean time that it was up between failures; None without one."""
        return self.totals.up_s / self.ends if self.ends else None

    @property
    def mttr_s(self) -> float | None:
        """Mean time that it was down after a failure; None without one."""
        return self.totals.down_s / self.ends if self.ends else None


@dataclass(frozen=True, slots=True)
class CauseCount:
    """How often it ended in one way."""

    text: str
    cause: str
    count: int
    last_at: float


@dataclass(frozen=True, slots=True)
class UptimeReport:
    """One answer to "how was it?".

    Args:
        start, end: the time that is looked at closely, in unix seconds.
        goal: a share from 0 to 1.
        windows: the usual ones, and the one that was asked for last.
        spans: within ``start`` and ``end``.
        causes: of unplanned ends in that time, the most frequent first.
        longest_outage: the longest single time that it was down.
        charts: memory and CPU in equal parts of that time.
        silences: the longest times without a sign of life.
        sampled: whether memory and CPU were ever measured.
    """

    name: str
    folder: str
    start: float
    end: float
    begins: float | None
    goal: float
    windows: tuple[Window, ...]
    spans: tuple[Span, ...] = ()
    causes: tuple[CauseCount, ...] = ()
    longest_outage: Span | None = None
    starts: int = 0
    asked_restarts: int = 0
    gave_up: int = 0
    clock_steps: int = 0
    last_failure: Failure | None = None
    charts: tuple[Bucket, ...] = ()
    growth: Growth | None = None
    silences: tuple[Silence, ...] = ()
    latest: Latest | None = None
    sampled: bool = False

    @property
    def asked(self) -> Window:
        """The window that was asked for."""
        return self.windows[-1]

    def mapping(self) -> dict[str, object]:
        """The stable, versioned form for ``--json``."""
        return {
            "version": VERSION,
            "name": self.name,
            "folder": self.folder,
            "since": iso(self.start),
            "until": iso(self.end),
            "begins": iso(self.begins),
            "goal_percent": round(self.goal * 100, 6),
            "uptime": [self._window(window) for window in self.windows],
            "causes": [asdict(cause) | {"last_at": iso(cause.last_at)} for cause in self.causes],
            "starts": self.starts,
            "asked_restarts": self.asked_restarts,
            "gave_up": self.gave_up,
            "clock_steps": self.clock_steps,
            "last_failure": self._failure(self.last_failure),
            "longest_outage": _span(self.longest_outage),
            "spans": [_span(span) for span in self.spans],
            "memory": [
                {"at": iso(one.start), "bytes": _whole(one.rss), "most_bytes": _whole(one.rss_most)}
                for one in self.charts
            ],
            "cpu": [{"at": iso(one.start), "percent": _percent(one.cpu)} for one in self.charts],
            "memory_growth": self._growth(),
            "silences": [{"at": iso(one.start), "length_s": one.length_s} for one in self.silences],
        }

    def _window(self, window: Window) -> dict[str, object]:
        totals = window.totals
        return {
            "window": window.name,
            "length_s": window.length_s,
            "covered_s": round(window.covered_s, 3),
            "percent": None if totals.uptime is None else totals.uptime * 100,
            "meets_goal": totals.meets(self.goal),
            "budget_left_s": round(totals.budget_left_s(self.goal), 3),
            **{key: round(value, 3) for key, value in asdict(totals).items()},
            "failures": window.ends,
            "mtbf_s": _rounded(window.mtbf_s),
            "mttr_s": _rounded(window.mttr_s),
        }

    @staticmethod
    def _failure(one: Failure | None) -> dict[str, object] | None:
        return None if one is None else asdict(one) | {"at": iso(one.at), "text": one.text}

    def _growth(self) -> dict[str, object] | None:
        found = self.growth
        if found is None:
            return None
        return {
            "growing": found.is_steady,
            "bytes_per_hour": round(found.bytes_per_s * 3600),
            "over_s": round(found.over_s, 3),
            "level_bytes": round(found.level),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What the samples gave, for ``review``."""

    charts: tuple[Bucket, ...] = ()
    growth: Growth | None = None
    silences: tuple[Silence, ...] = ()
    latest: Latest | None = None


def review(
    history: History,
    found: Found,
    *,
    name: str,
    folder: str,
    since_s: float,
    label: str,
    goal: float = GOAL,
) -> UptimeReport:
    """Look at a history from now backwards.

    Args:
        since_s: how far back the closer look goes.
        label: how people write that time.
    """
    now, start = history.now, history.now - since_s
    windows = [_make_window(history, text, length) for text, length in (*WINDOWS, (label, since_s))]
    within = [one for one in history.failures if one.at >= start]
    spans = tuple(uptime.clip(history.spans, start, now))
    return UptimeReport(
        name=name,
        folder=folder,
        start=start,
        end=now,
        begins=history.begins,
        goal=goal,
        windows=tuple(windows),
        spans=spans,
        causes=tuple(count_causes(within)),
        longest_outage=uptime.longest(spans, Kind.DOWN),
        starts=_count(history.starts, start),
        asked_restarts=_count(history.asked_restarts, start),
        gave_up=_count(history.gave_up, start),
        clock_steps=_count(history.clock_steps, start),
        last_failure=within[-1] if within else None,
        charts=found.charts,
        growth=found.growth,
        silences=found.silences,
        latest=found.latest,
        sampled=found.latest is not None,
    )


def count_causes(failures: Sequence[Failure]) -> list[CauseCount]:
    """How often each kind of end is among them, the most frequent first."""
    keys = [(one.cause, one.exit_code, one.signal) for one in failures]
    last = dict(zip(keys, failures, strict=True))
    return [
        CauseCount(last[key].text, last[key].cause, count, last[key].at)
        for key, count in Counter(keys).most_common()
    ]


def strip(spans: Sequence[Span], start: float, end: float, count: int) -> list[Kind | None]:
    """The kind that each equal part of a window is shown as; None where nothing is known at all.

    An outage is shown however short it is; of the rest, what takes the most time.
    """
    width = (end - start) / count
    shown: list[Kind | None] = []
    for nth in range(count):
        totals = uptime.total(uptime.clip(spans, start + nth * width, start + (nth + 1) * width))
        lengths = {
            Kind.UP: totals.up_s,
            Kind.PLANNED: totals.planned_s,
            Kind.STANDBY: totals.standby_s,
            Kind.UNKNOWN: totals.unknown_s,
        }
        most = max(lengths, key=lambda kind: lengths[kind])
        if totals.down_s > 0:
            shown.append(Kind.DOWN)
        else:
            shown.append(most if lengths[most] > 0 else None)
    return shown


def percent(share: float | None) -> str:
    """``99.95 %``: never rounded up, so that 100 % means 100 %."""
    if share is None:
        return "unknown"
    hundredths = int(share * 100_000 + 1e-6) / 1000
    return f"{hundredths:.3f}".rstrip("0").rstrip(".") + " %"


def iso(at: float | None) -> str | None:
    """``2026-11-25T03:28:00Z``."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _make_window(history: History, name: str, length_s: float) -> Window:
    start = history.now - length_s
    covered = 0.0 if history.begins is None else history.now - max(start, history.begins)
    totals = uptime.total(uptime.clip(history.spans, start, history.now))
    return Window(name, length_s, covered, totals, sum(one.at >= start for one in history.failures))


def _count(times: Sequence[float], start: float) -> int:
    return sum(at >= start for at in times)


def _span(span: Span | None) -> dict[str, object] | None:
    if span is None:
        return None
    return {
        "kind": span.kind.value,
        "since": iso(span.start),
        "until": iso(span.end),
        "length_s": round(span.length_s, 3),
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 2)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
