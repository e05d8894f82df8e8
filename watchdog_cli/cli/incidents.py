"""``watchdog incidents``."""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from watchdog_cli.cli.options import GroupedCommand, place_options, places_of
from watchdog_kit.printable import printable

JSON_VERSION = 1
NARROW = 60  # columns that the text of an incident gets at least


@click.command("incidents", cls=GroupedCommand)
@click.argument("incident_id", metavar="[ID]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the answer for programs, in a stable form.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=20,
    metavar="N",
    help="Of one incident show the last N lines that the program printed.  [default: 20]",
)
@click.option(
    "--log-dir", metavar="DIR", help="Folder of the logs.  [default: the one that the watchdog used]"
)
@place_options
def command(
    *,
    incident_id: str | None,
    as_json: bool,
    lines: int,
    log_dir: str | None,
    directory: str | None,
    name: str | None,
) -> None:
    """Show the unplanned ends of the program: all that are kept, or one with everything that is known of it.

    ID is the name in the list, any part that only one name has, or the word last.
    """
    from watchdog_cli.wiring.incidents import incidents_path, read_incident, read_incidents

    places = places_of(directory, name)
    folder, found = places.folder, places.name
    if incident_id is not None:
        incident = read_incident(folder, found, incident_id, log_dir)
        if as_json:
            _echo_json({"incident": incident.record, "path": incident.path, "texts": incident.texts})
        else:
            click.echo(f"{incident.record['id']}\n\n{incident.summary(lines)}\n\nAll of it: {incident.path}")
        return
    records = read_incidents(folder, found, log_dir)
    if as_json:
        _echo_json({"path": incidents_path(folder, found, log_dir), "incidents": records})
    elif not records:
        click.echo(f"No incidents of {found} are kept here.")
    else:
        for line in _table(records):
            click.echo(line)


def _echo_json(content: Mapping[str, object]) -> None:
    click.echo(json.dumps({"version": JSON_VERSION, **content}, ensure_ascii=False, indent=2))


def _table(records: list[dict[str, Any]]) -> list[str]:
    import shutil

    rows = [
        (record["id"], _ago(record["at"]), str(record.get("number", "?")), _text(record))
        for record in records
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    columns = shutil.get_terminal_size((120, 24)).columns
    room = max(NARROW, columns - sum(widths) - len("    run "))
    return [
        f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  run {row[2]:>{widths[2]}}  {_cut(row[3], room)}"
        for row in rows
    ]


def _text(record: Mapping[str, Any]) -> str:
    parts = [str(record.get("text", "?"))]
    if isinstance(record.get("stacks"), dict) and record["stacks"].get("source") != "none":
        parts.append("stacks")
    if record.get("last_line"):
        parts.append(str(record["last_line"]).strip())
    return " · ".join(parts)


def _cut(text: str, room: int) -> str:
    plain = printable(text, " ")
    return plain if len(plain) <= room else f"{plain[: room - 1]}…"


def _ago(at: str) -> str:
    """By the wall clock, for people."""
    from watchdog_kit.quantities import format_duration

    try:
        age = time.time() - datetime.fromisoformat(at).timestamp()
    except (ValueError, OverflowError, OSError):
        return "?"
    return f"{format_duration(float(int(age)))} ago" if age >= 1 else "now"
