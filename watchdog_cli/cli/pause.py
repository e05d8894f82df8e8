"""``watchdog pause``."""

import os

import click

from watchdog_cli.cli.options import GroupedCommand, folder_of, place_options
from watchdog_kit.click_options import SettingType
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
    from watchdog_cli.adapters.config_file import resolve_name
    from watchdog_cli.wiring import ask
    from watchdog_cli.wiring.places import Places
    from watchdog_kit.quantities import format_duration

    folder = folder_of(directory)
    found = resolve_name(folder, name, os.environ)
    ask.answer(Places(folder, found), {"ask": "pause", "for_s": for_s}, click.echo)
    until = "until: watchdog resume" if for_s is None else f"for {format_duration(for_s)}"
    click.echo(f"{found}: paused {until}")
