"""``watchdog uninstall``."""

import functools
import os

import click

from watchdog_cli.cli.options import GroupedCommand, GroupedOption, place_options, places_of
from watchdog_cli.core.errors import NotRunningError, UsageError
from watchdog_cli.install.formats import NAMES

_boot_option = functools.partial(click.option, cls=GroupedOption, group="Boot")


@click.command("uninstall", cls=GroupedCommand)
@_boot_option(
    "--user/--system", "of_user", default=None, help="Yours, or the machine's.  [default: by who asks]"
)
@_boot_option("--dry-run", is_flag=True, help="Only show what would be done; change nothing.")
@_boot_option("--for", "manager", type=click.Choice(NAMES), help="Of another system; only with --dry-run.")
@place_options
def command(
    of_user: bool | None, dry_run: bool, manager: str | None, directory: str | None, name: str | None
) -> None:
    """Stop what 'watchdog install' has installed under this name, and take it out of the boot.

    Logs and saved state stay. An entry that 'watchdog install' did not write is left alone.
    """
    from watchdog_cli.adapters.typed_words import typed
    from watchdog_cli.wiring import install
    from watchdog_cli.wiring.entry_place import Wish, find_target

    if manager and not dry_run:
        raise UsageError("--for shows the commands of another system; add --dry-run")
    found = places_of(directory, name).name
    wish = Wish(manager=manager, system=None if of_user is None else not of_user)
    target = find_target(wish, found, dict(os.environ))
    if not dry_run:
        install.uninstall(target, click.echo)
        return
    content = target.read() if manager is None else b""
    if content is None:
        raise NotRunningError(f"there is no entry {found!r} ({target.path})")
    if content:
        target.owned(content)
    for step in install.removal(target):
        click.echo(typed(step.words, windows=target.format.of_windows))
    click.echo(f"remove {target.path}")
    for step in target.format.after_remove(found, system=target.system):
        click.echo(typed(step.words, windows=target.format.of_windows))
