"""``watchdog upgrade``."""

import os

import click

from watchdog_cli import __version__
from watchdog_cli.cli.options import GroupedCommand, place_options, places_of


@click.command("upgrade", cls=GroupedCommand)
@place_options
def command(directory: str | None, name: str | None) -> None:
    """Let the version that you call now take over from the running watchdog.

    The program is not touched: same process, same log, no gap. Call it after you have installed a new version.
    """
    import watchdog_cli.wiring.run  # noqa: F401 - proves that this version can be loaded before the old one lets go
    from watchdog_cli.cli.run import try_arguments
    from watchdog_cli.wiring import ask
    from watchdog_cli.wiring.upgrade import client_prefix

    places = places_of(directory, name)
    start = ask.request(places, {"ask": "arguments"}, click.echo)
    words, there = start.get("arguments"), start.get("folder")
    if isinstance(words, list) and words[:1] == ["run"] and isinstance(there, str):
        os.chdir(there)
        try_arguments(words[1:])  # a setting that this version refuses must not leave the program alone
    ask.upgrade(places, client_prefix(), lambda text: click.echo(f"  {text}", err=True))
    click.echo(f"{places.name}: a fresh watchdog (version {__version__}) has taken over")
