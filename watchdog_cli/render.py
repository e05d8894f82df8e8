"""StatusReport as text for people, or as JSON for machines."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.report import (
    VERSION,
    ChildPart,
    HeartbeatPart,
    LeasePart,
    RestartsPart,
    State,
    StatusReport,
)
from watchdog_kit.printable import printable
from watchdog_kit.quantities import format_duration, format_size

LABEL_WIDTH = 11
LAST_SHOWN = 3
FIELDS_SHOWN = ("activeTokens", "totalTokens", "status", "message", "lastCycle", "lastSave")
VALUE_SHOWN = 60
COLOURS = {ExitCode.OK: "green", ExitCode.UNHEALTHY: "yellow"}


def status_json(report: StatusReport) -> str:
    """One report, stable and versioned."""
    return json.dumps(report.mapping(), ensure_ascii=False, indent=2, allow_nan=False)


def all_json(reports: Sequence[StatusReport]) -> str:
    """Several reports."""
    record = {"version": VERSION, "watchdogs": [report.mapping() for report in reports]}
    return json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False)


def colour(report: StatusReport) -> str:
    """The colour of the headline."""
    return COLOURS.get(report.exit_code, "red")


def headline(report: StatusReport) -> str:
    """Two facts: what the process does, and how well."""
    if report.health.value in (report.state.value, "not running"):
        return f"{report.name}: {report.state.value}"
    return f"{report.name}: {report.state.value}, {report.health.value}"


def placed_headline(report: StatusReport) -> str:
    """The headline of one among several, most of which may have the same name."""
    return f"{headline(report)}  {printable(report.folder)}"


def is_at_rest(report: StatusReport) -> bool:
    """Whether nobody waits for it, so that one line says enough."""
    return report.state is State.STOPPED and not report.note


def details(report: StatusReport) -> list[tuple[str, str]]:
    """Label and text of each further line."""
    rows: list[tuple[str, str]] = []
    if report.note:
        rows.append(("note", report.note))
    if report.next_start_s is not None:
        rows.append(("next start", f"in {format_duration(round(report.next_start_s, 1))}"))
    if report.pause_left_s is not None:
        rows.append(("pause ends", f"in {format_duration(round(report.pause_left_s))}"))
    if report.lease is not None:
        rows += _lease(report.lease)
    if report.child is not None:
        rows += _child(report.child)
    if report.heartbeat is not None and report.child is not None:
        rows += _heartbeat(report.heartbeat)
    if report.restarts is not None:
        rows += _restarts(report.restarts)
    if report.watchdog is not None:
        since = f", since {local(report.watchdog.started_at)}" if report.watchdog.started_at else ""
        rows.append(("watchdog", f"pid {report.watchdog.pid}{since}"))
    if report.last_seen_at:
        rows.append(("last seen", local(report.last_seen_at)))
    rows.append(("log", f"{report.log_file}, {format_size(report.log_bytes)}"))
    if report.backups is not None:
        rows.append(("backups", str(report.backups)))
    rows.append(("folder", report.folder))
    return [(label, printable(text)) for label, text in rows]


def status_text(report: StatusReport) -> str:
    """Headline and details as aligned lines."""
    return "\n".join([headline(report), *body(report)])


def body(report: StatusReport) -> list[str]:
    """The lines below the headline."""
    return [f"  {label:<{LABEL_WIDTH}} {text}" for label, text in details(report)]


def local(at: str) -> str:
    """An ISO time as a person on this machine reads it."""
    try:
        return f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return at


def _child(child: ChildPart) -> list[tuple[str, str]]:
    uptime = "" if child.uptime_s is None else f", up {format_duration(round(child.uptime_s))}"
    rows = [("program", f"pid {child.pid}{uptime}: {_short(' '.join(child.command), 100)}")]
    if child.rss_bytes is not None:
        cpu = "" if child.cpu_percent is None else f", CPU {child.cpu_percent:g} % on average"
        rows.append(("memory", f"{format_size(child.rss_bytes)}{cpu}"))
    return rows


def _heartbeat(beat: HeartbeatPart) -> list[tuple[str, str]]:
    limit = format_duration(beat.timeout_s)
    if beat.age_s is None:
        rows = [("heartbeat", f"none yet (limit {limit})")]
    else:
        rows = [("heartbeat", f"{format_duration(round(beat.age_s, 1))} ago (limit {limit})")]
    shown = [
        f"{key} {_short(str(beat.fields[key]), VALUE_SHOWN)}"
        for key in FIELDS_SHOWN
        if beat.fields.get(key) not in (None, "")
    ]
    if shown:
        rows.append(("", " · ".join(shown)))
    return rows


def _lease(lease: LeasePart) -> list[tuple[str, str]]:
    since = f" since {local(lease.since)}" if lease.since else ""
    if lease.held:
        rows = [("lease", f"held here{since}")]
    elif lease.holder:
        rows = [("lease", f"held by {_short(lease.holder, VALUE_SHOWN)}{since}")]
    else:
        rows = [("lease", "nobody is known to hold it")]
    return [*rows, ("", _short(lease.problem, 200))] if lease.problem else rows


def _restarts(restarts: RestartsPart) -> list[tuple[str, str]]:
    cap = "unlimited" if restarts.cap is None else f"of at most {restarts.cap}"
    text = f"{restarts.in_window} {cap} in the last {format_duration(restarts.window_s)}, {restarts.total} in total"
    rows = [("restarts", text)]
    rows += [
        ("", f"{local(run.at)}  {_short(run.text, 80)}") for run in reversed(restarts.last[-LAST_SHOWN:])
    ]
    return rows


def _short(text: str, limit: int) -> str:
    clean = printable(text)
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def now_text() -> str:
    """The time of day, for a live screen."""
    return f"{datetime.now(UTC).astimezone():%H:%M:%S}"
