"""UptimeReport in lines for people: the same words on a screen, in a file and in a mail."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from watchdog_cli.cli.sparkline import BLOCKS, PLAIN, sparkline
from watchdog_cli.core.uptime import Kind
from watchdog_cli.core.uptime_report import UptimeReport, Window, percent, strip
from watchdog_kit.printable import printable
from watchdog_kit.quantities import format_duration, format_size

LABEL_WIDTH = 11
CAUSES_SHOWN = 8
SHORT_SILENCE_S = 5.0  # programs that beat more often than that are silent between any two beats
SHORT_S = 60.0  # unknown time of less than that is the time between two looks

Piece = tuple[str, str]  # text and style; "" is plain


class Signs(NamedTuple):
    """The characters that stand for the kinds of time, and for high and low."""

    kinds: dict[Kind | None, str]
    ramp: str


_KINDS = (Kind.UP, Kind.DOWN, Kind.PLANNED, Kind.STANDBY, Kind.UNKNOWN, None)
FINE = Signs(dict(zip(_KINDS, "█X▒░· ", strict=True)), BLOCKS)
COARSE = Signs(dict(zip(_KINDS, "#X=-. ", strict=True)), PLAIN)
STYLES = dict(zip(_KINDS, ("green", "bold red", "blue", "cyan", "dim", ""), strict=True))
MEANINGS = {
    Kind.UP: "up",
    Kind.DOWN: "down",
    Kind.PLANNED: "stopped or paused on purpose",
    Kind.STANDBY: "standing by",
    Kind.UNKNOWN: "nobody watched",
}


class Row(NamedTuple):
    """One line: a label, or "" to go on with the one above, and its text in pieces."""

    label: str
    pieces: list[Piece]

    @property
    def text(self) -> str:
        """Without styles."""
        return f"  {self.label:<{LABEL_WIDTH}} {''.join(text for text, _ in self.pieces)}".rstrip()


def headline(report: UptimeReport) -> Piece:
    """The one number that was asked for."""
    window = report.asked
    if window.totals.uptime is None and window.totals.standby_s > 0:
        return f"{report.name}: only stood by in the last {window.name}", ""
    if window.totals.uptime is None:
        return f"{report.name}: nothing is known of the last {window.name}", "yellow"
    style = "green" if window.totals.meets(report.goal) else "red"
    return f"{report.name}: up {percent(window.totals.uptime)} of the last {window.name}", f"bold {style}"


def rows(report: UptimeReport, width: int, signs: Signs) -> list[Row]:
    """All lines below the headline.

    Args:
        width: how many characters the timeline may take.
    """
    return [
        *_uptime(report),
        *_timeline(report, width, signs),
        *_failures(report),
        *_charts(report, signs),
        *_growth(report),
        *_silences(report),
        *_notes(report),
    ]


def _plain(label: str, text: str, style: str = "") -> Row:
    return Row(label, [(text, style)])


def _uptime(report: UptimeReport) -> Iterator[Row]:
    for nth, window in enumerate(report.windows[:-1]):
        share = window.totals.uptime
        style = "" if share is None else "green" if window.totals.meets(report.goal) else "red"
        less = f"  known: {format_duration(window.totals.known_s)}" if _is_partly_known(window) else ""
        yield Row(
            "uptime" if not nth else "",
            [(f"{window.name:<4} ", ""), (f"{percent(share):<10}", style), (less, "dim")],
        )
    window = report.asked
    left = window.totals.budget_left_s(report.goal)
    goal = percent(report.goal)
    if window.totals.uptime is None:
        return
    if left >= 0:
        text = f"{goal} is met; another {format_duration(left)} down in {window.name} would be too much"
    else:
        down = format_duration(window.totals.down_s)
        text = f"{goal} is missed: {down} down in {window.name}, {format_duration(-left)} too much"
    yield _plain("goal", text, "" if left >= 0 else "red")


def _is_partly_known(window: Window) -> bool:
    return window.totals.known_s < window.length_s * 0.99


def _timeline(report: UptimeReport, width: int, signs: Signs) -> Iterator[Row]:
    kinds = strip(report.spans, report.start, report.end, width)
    yield Row("timeline", [(signs.kinds[kind], STYLES[kind]) for kind in kinds])
    begin = local(report.start, date_only=report.end - report.start > 2 * 86_400)
    yield _plain("", f"{begin}{'now':>{max(4, width - len(begin))}}", "dim")
    met = [kind for kind in MEANINGS if kind in kinds]
    if met != [Kind.UP]:
        yield _plain("", "   ".join(f"{signs.kinds[kind]} {MEANINGS[kind]}" for kind in met), "dim")


def _failures(report: UptimeReport) -> Iterator[Row]:
    window = report.asked
    if window.ends and window.mtbf_s is not None and window.mttr_s is not None:
        text = (
            f"{window.ends}; on average {format_duration(window.mtbf_s)} up between them, "
            f"{format_duration(window.mttr_s)} down after each"
        )
        yield _plain("failures", text)
        for cause in report.causes[:CAUSES_SHOWN]:
            yield _plain("", f"{cause.count:>4} x {printable(cause.text)[:80]}, last {local(cause.last_at)}")
        rest = sum(cause.count for cause in report.causes[CAUSES_SHOWN:])
        if rest:
            yield _plain("", f"{rest:>4} x in other ways")
    else:
        yield _plain("failures", "none")
    outage = report.longest_outage
    if outage is not None:
        yield _plain("longest", f"{format_duration(outage.length_s)} down, from {local(outage.start)}")
    asked = f", {report.asked_restarts} of them asked for" if report.asked_restarts else ""
    gave_up = f"; gave up {_times(report.gave_up)}" if report.gave_up else ""
    yield _plain("starts", f"{report.starts}{asked}{gave_up}", "red" if gave_up else "")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _charts(report: UptimeReport, signs: Signs) -> Iterator[Row]:
    charts = report.charts
    memory = [one.rss for one in charts]
    known = [one for one in charts if one.rss is not None and one.rss_most is not None]
    if not known:
        if report.sampled:
            yield _plain("memory", f"not measured in the last {report.asked.name}")
        return
    yield _plain("memory", sparkline(memory, ramp=signs.ramp), "cyan")
    most = max(one.rss_most or 0.0 for one in known)
    average = sum(one.rss or 0.0 for one in known) / len(known)
    now = f", {format_size(report.latest.rss)} at last" if report.latest is not None else ""
    yield _plain("", f"{format_size(average)} on average, {format_size(most)} at most{now}")
    cpu = [one.cpu for one in charts]
    used = [share for share in cpu if share is not None]
    if used:
        yield _plain("cpu", sparkline(cpu, from_zero=True, ramp=signs.ramp), "magenta")
        yield _plain(
            "", f"{_share(sum(used) / len(used))} on average, {_share(max(used))} in its busiest part"
        )


def _growth(report: UptimeReport) -> Iterator[Row]:
    found = report.growth
    if found is None:
        return
    over = format_duration(found.over_s)
    if found.is_steady:
        hourly = found.bytes_per_s * 3600
        double = format_duration(found.level / found.bytes_per_s)
        pace = f"{format_size(hourly)} an hour; at that pace it doubles in {double}"
        text = f"memory has been growing for {over}, by {pace}"
        yield _plain("! growth", text, "bold yellow")
    else:
        yield _plain("growth", f"none that lasts, over {over}")


def _silences(report: UptimeReport) -> Iterator[Row]:
    worth = [one for one in report.silences if one.length_s >= SHORT_SILENCE_S]
    for nth, one in enumerate(worth):
        yield _plain(
            "silence" if not nth else "",
            f"{format_duration(one.length_s)} without a sign of life, from {local(one.start)}",
        )


def _notes(report: UptimeReport) -> Iterator[Row]:
    totals = report.asked.totals
    if totals.unknown_s >= SHORT_S:
        yield _plain(
            "unknown", f"{format_duration(totals.unknown_s)} in which nobody watched; they count neither way"
        )
    if totals.standby_s >= SHORT_S:
        length = format_duration(totals.standby_s)
        yield _plain("standby", f"{length} standing by, while it could run on another machine; not counted")
    if totals.planned_s >= SHORT_S:
        yield _plain(
            "planned", f"{format_duration(totals.planned_s)} stopped or paused on purpose; not counted"
        )
    if report.clock_steps:
        yield _plain(
            "clock", f"was set {_times(report.clock_steps)} while it ran; no time is made or lost by that"
        )
    if report.begins is not None and report.begins > report.start:
        yield _plain("begins", f"{local(report.begins)}; nothing is known from before")
    if not report.sampled:
        yield _plain("memory", "never measured; it is 15s after a start, unless the setting history is off")


def local(at: float, *, date_only: bool = False) -> str:
    """A time as a person on this machine reads it."""
    form = "%Y-%m-%d" if date_only else "%Y-%m-%d %H:%M:%S"
    return datetime.fromtimestamp(at, UTC).astimezone().strftime(form)


def _share(share: float) -> str:
    return f"{share * 100:.1f} %" if share < 0.1 else f"{share * 100:.0f} %"
