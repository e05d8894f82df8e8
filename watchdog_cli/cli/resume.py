"""``watchdog resume``."""

import click

from watchdog_cli.cli.options import GroupedCommand, place_options, places_of


@click.command("resume", cls=GroupedCommand)
@place_options
def command(directory: str | None, name: str | None) -> None:
    """End a pause: watch again, and start the program if it does not run."""
    from watchdog_cli.wiring import ask

    places = places_of(directory, name)
    answer = ask.answer(places, {"ask": "resume"}, click.echo)
    click.echo(f"{places.name}: {'resumed' if answer.get('was_paused') else 'was not paused'}")
