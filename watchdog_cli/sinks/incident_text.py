"""An incident as people read it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from watchdog_cli.core.record import Cause, ExitStatus
from watchdog_kit.quantities import format_duration


def id_for(at: datetime, cause: str) -> str:
    """``20261125T043800Z-hang``: the name of an incident's folder."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{cause}"


def why(cause: Cause, status: ExitStatus, *, forced: bool) -> str:
    """What a person may want to know of this kind of end; "" where its name says it all."""
    if cause is Cause.SIGNAL and status.signal == 9:
        return (
            "not killed by the watchdog: somebody's kill -9, or the kernel, when the machine or the container had no "
            "memory left (dmesg says so)"
        )
    if cause in {Cause.HANG, Cause.NEVER_BEAT, Cause.NO_PROGRESS, Cause.MEMORY}:
        return "the watchdog ended it" + (
            ", by force: it did not stop when it was asked to" if forced else ""
        )
    if cause is Cause.UNKNOWN:
        return "an earlier watchdog had started it, so nobody could learn its exit code"
    return ""


def summary(record: Mapping[str, Any], texts: Mapping[str, str], *, lines: int = 20) -> str:
    """Return one incident as a text for people: the shorter parts whole, of the log the last lines."""
    head = [f"{record.get('text', '?')}"]
    if record.get("why"):
        head.append(f"  {record['why']}")
    head.append("")
    rows = [("when", record.get("at")), ("run", _run_text(record)), ("then", record.get("decision"))]
    silent = record.get("silent_s")
    if isinstance(silent, int | float):
        rows.append(("last sign of life", f"{format_duration(silent)} before"))
    if record.get("left_out"):
        rows.append(("not kept", f"{record['left_out']} more ends, too many at once"))
    head += [f"{key:18} {value}" for key, value in rows if value]
    parts = ["\n".join(head)]
    timeline = record.get("timeline")
    if isinstance(timeline, list):
        told = [f"  {_of(entry, 'at')}  {_of(entry, 'text')}" for entry in timeline]
        parts.append("\n".join(["What happened", *told]))
    stacks = record.get("stacks")
    if isinstance(stacks, dict):
        note = f" ({stacks.get('note')})" if stacks.get("note") else ""
        source = stacks.get("source")
        title = f"Stacks, by {source}{note}" if source != "none" else f"Stacks: {stacks.get('note')}"
        parts.append("\n".join([title, *_indented(texts.get("stacks.txt", ""))]))
    if texts.get("process.txt"):
        parts.append("\n".join(["The process", *_indented(texts["process.txt"])]))
    last = texts.get("log.txt", "").splitlines()
    if last:
        shown = last[-lines:]
        title = "Last lines of its log" if len(shown) == len(last) else f"Last {len(shown)} lines of its log"
        parts.append("\n".join([title, *(f"  {line}" for line in shown)]))
    return "\n\n".join(parts)


def _run_text(record: Mapping[str, Any]) -> str:
    number = record.get("number")
    lived = record.get("lived_s")
    pid = f", pid {record['pid']}" if record.get("pid") else ""
    after = f", after {format_duration(lived)}" if isinstance(lived, int | float) else ""
    return f"number {number}{pid}{after}"


def _of(entry: object, key: str) -> str:
    return str(entry.get(key, "")) if isinstance(entry, dict) else ""


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
