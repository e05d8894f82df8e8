"""``watchdog stop``."""

import click

from watchdog_cli.cli.options import GroupedCommand, place_options, places_of
from watchdog_cli.core.errors import NotRunningError


@click.command("stop", cls=GroupedCommand)
@click.option("--now", is_flag=True, help="Kill at once instead of asking and waiting.")
@click.option(
    "--force", is_flag=True, help="Take a process that may or may not be the old program for a stranger."
)
@place_options
def command(now: bool, force: bool, directory: str | None, name: str | None) -> None:
    """Stop the program and its watchdog, and wait until both are gone.

    The program is asked to end and has its stop timeout (10s) for that; then it is killed.
    """
    from watchdog_cli.adapters.config_file import load_settings
    from watchdog_cli.wiring import ask

    places = places_of(directory, name)
    folder, found = places.folder, places.name
    if ask.stop(places, now=now, say=lambda text: click.echo(f"  {text}", err=True)):
        click.echo(f"{found}: stopped")
        return
    from watchdog_cli.wiring import takeover

    legacy = takeover.inspect(places, repair=False, force=force)
    if legacy.survivor is None:
        raise NotRunningError(f"nothing runs under the name {found!r} in {folder}")
    from watchdog_cli.wiring.beginning import Order
    from watchdog_cli.wiring.run import supervise

    click.echo("its watchdog is gone; stopping the program it left", err=True)
    settings = takeover.as_before(load_settings(folder, {"name": found, "quiet": True}), legacy.snapshot)
    code = supervise(Order(settings, argv=("",), force=force, only_stop=True, now=now))
    if code == 0:
        click.echo(f"{found}: stopped")
    raise SystemExit(code)
