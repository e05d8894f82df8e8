"""``watchdog check``: for probes that ask every few seconds, so it loads as little as it can."""

import os

import click

from watchdog_cli.cli.options import GroupedCommand, folder_of, place_options


@click.command("check", cls=GroupedCommand)
@place_options
def command(directory: str | None, name: str | None) -> None:
    """Answer with the exit code alone: 0 healthy, 3 not running, 4 unknown, 5 running but not healthy."""
    from watchdog_cli.adapters.config_file import resolve_name
    from watchdog_cli.wiring.places import Places

    folder = folder_of(directory)
    found = resolve_name(folder, name, os.environ)
    from watchdog_cli.wiring.probe import quick_code

    code = quick_code(Places(folder, found))
    if code is None:
        from watchdog_cli.wiring.status import read_status

        code = int(read_status(folder, found).exit_code)
    raise SystemExit(code)
