"""``watchdog resume``."""

import os

import click

from watchdog_cli.cli.options import GroupedCommand, folder_of, place_options


@click.command("resume", cls=GroupedCommand)
@place_options
def command(directory: str | None, name: str | None) -> None:
    """End a pause: watch again, and start the program if it does not run."""
    from watchdog_cli.adapters.config_file import resolve_name
    from watchdog_cli.wiring import ask
    from watchdog_cli.wiring.places import Places

    folder = folder_of(directory)
    found = resolve_name(folder, name, os.environ)
    answer = ask.answer(Places(folder, found), {"ask": "resume"}, click.echo)
    click.echo(f"{found}: {'resumed' if answer.get('was_paused') else 'was not paused'}")
