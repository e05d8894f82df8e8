"""``watchdog notify``."""

import os

import click

from watchdog_cli.cli.options import GroupedCommand, place_options, places_of
from watchdog_cli.core.errors import ConfigError, ExitCode


@click.command("notify", cls=GroupedCommand)
@click.option("--test", is_flag=True, help="Send a test message to every service that is set up.")
@place_options
def command(*, test: bool, directory: str | None, name: str | None) -> None:
    """Show who is told about incidents and what still waits to be told; with --test, try it.

    Ends with 0 when every service took the test message, 16 when one did not, 10 when none is set up.
    """
    from watchdog_cli.adapters.config_file import load_settings
    from watchdog_cli.wiring.notify import describe, send_test

    places = places_of(directory, name)
    settings = load_settings(places.folder, {}, pid1=os.getpid() == 1)
    if not settings.alerts.is_wanted:
        raise ConfigError(
            "nobody is told: set telegram-token and telegram-chat (or webhook-url, or notify-url) in watchdog.toml "
            "or as WATCHDOG_TELEGRAM_TOKEN and WATCHDOG_TELEGRAM_CHAT in the environment"
        )
    if not test:
        for line in describe(settings, places):
            click.echo(line)
        click.echo("Try it: watchdog notify --test")
        return
    results = send_test(settings, places.name)
    for result in results:
        mark = click.style("ok", fg="green") if result.is_sent else click.style("FAILED", fg="red")
        click.echo(f"{result.service}: {mark}{f'; {result.reason}' if result.reason else ''}")
    raise SystemExit(
        ExitCode.OK if results and all(result.is_sent for result in results) else ExitCode.NOT_TOLD
    )
