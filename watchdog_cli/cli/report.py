"""``watchdog report``."""

import shutil
import sys
from typing import TYPE_CHECKING

import click

from watchdog_cli.cli.options import GroupedCommand, SettingType, place_options, places_of
from watchdog_cli.core.errors import NotRunningError, UsageError
from watchdog_kit import kinds

if TYPE_CHECKING:
    from watchdog_cli.core.uptime_report import UptimeReport

SINCE = "7d"
GOAL = "99.9"
NARROW, WIDE = 20, 120  # characters of a chart
MARGIN = 16
NO_SCREEN = 80


@click.command("report", cls=GroupedCommand)
@click.option(
    "--since",
    metavar="DURATION",
    default=SINCE,
    help=f"Look closely at the last 24h, 7d, 30d ...  [default: {SINCE}]",
)
@click.option(
    "--goal",
    metavar="PERCENT",
    default=GOAL,
    type=SettingType(kinds.number(least=0, most=100)._replace(word="PERCENT")),
    help=f"The uptime that is wanted.  [default: {GOAL}]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer for programs, in a stable form.")
@place_options
def command(since: str, goal: float, as_json: bool, directory: str | None, name: str | None) -> None:
    """Say how it was: uptime, failures and their causes, memory and CPU over time.

    Time in which nobody watched is unknown: it counts neither as up nor as down.
    """
    import gc

    from watchdog_cli.adapters.system import locks
    from watchdog_cli.wiring.report import has_history, read_report

    gc.disable()  # a short life that makes many small records and no rings: looking for them costs a fifth of it
    since_s = _seconds(since)
    places = places_of(directory, name)
    folder, found = places.folder, places.name
    if not has_history(folder, found):
        locks.holder(places.lock)  # whether we may look at all
        raise NotRunningError(
            f"nothing was ever noted of {found!r} in {folder}; start it with: watchdog run -- COMMAND"
        )
    if as_json:
        import json

        report = read_report(folder, found, since_s=since_s, label=since, goal=goal / 100)
        click.echo(json.dumps(report.mapping(), ensure_ascii=False, indent=2, allow_nan=False))
        return
    width = _chart_width()
    _show(read_report(folder, found, since_s=since_s, label=since, goal=goal / 100, parts=width), width)


def _seconds(since: str) -> float:
    try:
        found = kinds.duration(least_s=60).parse(since)
    except ValueError as error:
        raise UsageError(f"--since: {error}") from None
    return float(found)


def _chart_width() -> int:
    columns = shutil.get_terminal_size((NO_SCREEN, 24)).columns if sys.stdout.isatty() else NO_SCREEN
    return max(NARROW, min(WIDE, columns - MARGIN))


def _show(report: "UptimeReport", width: int) -> None:
    from watchdog_cli.cli.report_text import COARSE, FINE, LABEL_WIDTH, headline, rows
    from watchdog_cli.cli.sparkline import can_show

    characters = "".join([*FINE.kinds.values(), FINE.ramp])
    signs = FINE if can_show(characters, sys.stdout.encoding) else COARSE
    lines = rows(report, width, signs)
    if not sys.stdout.isatty():
        click.echo(headline(report)[0])
        for row in lines:
            click.echo(row.text)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=False)
    console.print(Text(*headline(report)))
    for row in lines:
        text = Text(
            f"  {row.label:<{LABEL_WIDTH}} ", style="bold yellow" if row.label.startswith("!") else "dim"
        )
        body = Text.assemble(*[(piece, style) if style else piece for piece, style in row.pieces])
        console.print(Text.assemble(text, body), overflow="fold", soft_wrap=True)
