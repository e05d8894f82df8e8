"""``watchdog status``."""

from typing import TYPE_CHECKING

import click

from watchdog_cli.cli.options import GroupedCommand, place_options, places_of
from watchdog_cli.core.errors import UsageError

if TYPE_CHECKING:
    from watchdog_cli.core.report import StatusReport

WORST_FIRST = (4, 3, 5, 0)


@click.command("status", cls=GroupedCommand)
@click.option("--json", "as_json", is_flag=True, help="Print the answer for programs, in a stable form.")
@click.option("--watch", is_flag=True, help="Stay and show how it changes; Ctrl-C ends.")
@click.option("--all", "show_all", is_flag=True, help="Show every watchdog of this user.")
@place_options
def command(as_json: bool, watch: bool, show_all: bool, directory: str | None, name: str | None) -> None:
    """Say how the program is: process, health, heartbeat, restarts.

    Ends with 0 when it is healthy, 3 when it does not run, 4 when nobody can tell, 5 when it runs but is not healthy.
    """
    if watch and as_json:
        raise UsageError("--watch and --json do not go together; call status --json again and again instead")
    if show_all and (directory is not None or name is not None):
        raise UsageError("--all shows every watchdog; leave -C and --name out")
    if watch:
        _watch(directory, name, show_all=show_all)
        return
    reports = _reports(directory, name, show_all=show_all)
    raise SystemExit(_show(reports, as_json=as_json, show_all=show_all))


def _watch(directory: str | None, name: str | None, *, show_all: bool) -> None:
    from watchdog_cli.cli.watch import watch_all, watch_one

    if show_all:
        watch_all(lambda: _reports(directory, name, show_all=True))
    else:
        watch_one(places_of(directory, name))


def _reports(directory: str | None, name: str | None, *, show_all: bool) -> "list[StatusReport]":
    from watchdog_cli.wiring.status import read_status

    if show_all:
        from watchdog_cli.wiring.registry import entries

        wanted = entries()
    else:
        wanted = [places_of(directory, name)]
    return [read_status(places.folder, places.name) for places in wanted]


def _show(reports: "list[StatusReport]", *, as_json: bool, show_all: bool) -> int:
    from watchdog_cli import render

    if as_json:
        click.echo(render.all_json(reports) if show_all else render.status_json(reports[0]))
    elif not reports:
        click.echo("This user has no watchdog. Start one with: watchdog run -- COMMAND", err=True)
    else:
        at_rest = [report for report in reports if show_all and render.is_at_rest(report)]
        blocks = [
            [click.style(render.headline(report), fg=render.colour(report), bold=True), *render.body(report)]
            for report in reports
            if report not in at_rest
        ]
        if at_rest:
            blocks.append([render.placed_headline(report) for report in at_rest])
        click.echo("\n\n".join("\n".join(lines) for lines in blocks))
    codes = {int(report.exit_code) for report in reports} or {3}
    return next(code for code in WORST_FIRST if code in codes)
