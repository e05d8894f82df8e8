"""``watchdog pause``."""

import click

from watchdog_cli.cli.options import GroupedCommand, SettingType, place_options, places_of
from watchdog_kit.kinds import duration


@click.command("pause", cls=GroupedCommand)
@click.option(
    "--for",
    "for_s",
    metavar="DURATION",
    type=SettingType(duration()),
    help="Resume by itself after this time.",
)
@place_options
def command(for_s: float | None, directory: str | None, name: str | None) -> None:
    """Start nothing, judge nothing and alert nobody while somebody works on the program.

    What runs goes on running. End the pause with: watchdog resume
    """
    from watchdog_cli.wiring import ask
    from watchdog_kit.quantities import format_duration

    places = places_of(directory, name)
    ask.answer(places, {"ask": "pause", "for_s": for_s}, click.echo)
    until = "until: watchdog resume" if for_s is None else f"for {format_duration(for_s)}"
    click.echo(f"{places.name}: paused {until}")
