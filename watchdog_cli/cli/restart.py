"""``watchdog restart``."""

import click

from watchdog_cli.cli.options import GroupedCommand, place_options, places_of


@click.command("restart", cls=GroupedCommand)
@place_options
def command(directory: str | None, name: str | None) -> None:
    """Stop the program and start it again at once; this does not count as one of its failures."""
    from watchdog_cli.wiring import ask

    places = places_of(directory, name)
    answer = ask.request(places, {"ask": "restart"}, lambda text: click.echo(f"  {text}", err=True))
    if "pid" not in answer:
        click.echo(f"Error: {places.name}: the watchdog ended before the program was started again", err=True)
        raise SystemExit(answer.get("exit_code") or 3)
    click.echo(f"{places.name}: restarted, pid {answer['pid']}")
