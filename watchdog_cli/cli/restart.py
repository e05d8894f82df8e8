"""``watchdog restart``."""

import os

import click

from watchdog_cli.cli.options import GroupedCommand, folder_of, place_options


@click.command("restart", cls=GroupedCommand)
@place_options
def command(directory: str | None, name: str | None) -> None:
    """Stop the program and start it again at once; this does not count as one of its failures."""
    from watchdog_cli.adapters.config_file import resolve_name
    from watchdog_cli.wiring import ask
    from watchdog_cli.wiring.places import Places

    folder = folder_of(directory)
    found = resolve_name(folder, name, os.environ)
    answer = ask.request(
        Places(folder, found), {"ask": "restart"}, lambda text: click.echo(f"  {text}", err=True)
    )
    if "pid" not in answer:
        click.echo(f"Error: {found}: the watchdog ended before the program was started again", err=True)
        raise SystemExit(answer.get("exit_code") or 3)
    click.echo(f"{found}: restarted, pid {answer['pid']}")
