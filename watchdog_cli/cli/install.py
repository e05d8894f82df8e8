"""``watchdog install``."""

import functools
import os
from collections.abc import Mapping
from typing import Any

import click

from watchdog_cli.cli.options import HOW_TO_WRITE, GroupedCommand, GroupedOption, folder_of, settings_options
from watchdog_cli.core.errors import UsageError
from watchdog_cli.install.formats import NAMES

_GIVEN = "watchdog install: options of run"


class _KeepsOptions(GroupedCommand):
    """Remembers the options of ``run`` as they were typed: the entry gets them like that."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note them, then go on as usual."""
        from watchdog_cli.core.options import OPTIONS

        values, _, order = self.make_parser(ctx).parse_args(args=list(args))
        settings = {setting.field: setting for setting in OPTIONS if setting.key != "name"}
        words = {}
        for param in order:
            setting = settings.get(param.name or "")
            if setting is None:
                continue
            value = values[setting.field]
            if setting.kind.is_flag:
                words[setting.key] = f"--{setting.key if value else setting.opposite}"
            else:
                words[setting.key] = f"--{setting.key}={value}"
        ctx.meta[_GIVEN] = list(words.values())
        return super().parse_args(ctx, args)


_boot_option = functools.partial(click.option, cls=GroupedOption, group="Boot")


@click.command(
    "install", cls=_KeepsOptions, epilog=HOW_TO_WRITE, context_settings={"allow_interspersed_args": False}
)
@_boot_option(
    "--user/--system", "of_user", default=None, help="For you, or for the machine.  [default: by who asks]"
)
@_boot_option(
    "--now/--no-start", "start", default=True, help="Start it at once, or at the next boot.  [default: now]"
)
@_boot_option(
    "--run-as", metavar="USER", help="Who a system entry runs as.  [default: the owner of the folder]"
)
@_boot_option("--dry-run", is_flag=True, help="Only show the file and the commands; change nothing.")
@_boot_option(
    "--for",
    "manager",
    type=click.Choice(NAMES),
    help="Show the entry of another system; only with --dry-run.  [default: that of this one]",
)
@settings_options
@click.argument("argv", metavar="-- COMMAND [ARGUMENT]...", nargs=-1, type=click.UNPROCESSED)
def command(argv: tuple[str, ...], directory: str | None, given: Mapping[str, object], **asked: Any) -> None:
    """Have COMMAND started and watched at every boot, by systemd, launchd or the Windows Task Scheduler.

    Takes the options of 'watchdog run' and keeps them. Doing it twice changes nothing; doing it with other options
    changes the entry and says how. It never touches an entry that it did not write.
    """
    from watchdog_cli.adapters.config_file import load_settings
    from watchdog_cli.adapters.typed_words import typed
    from watchdog_cli.core.options import ENV_PREFIX
    from watchdog_cli.wiring import install
    from watchdog_cli.wiring.entry_place import Wish, find_target

    if not argv:
        raise UsageError("say which program to run, for example: watchdog install -- python -m tracker")
    if asked["manager"] and not asked["dry_run"]:
        raise UsageError("--for shows the entry of another system; add --dry-run")
    environ = dict(os.environ)
    plain = {key: value for key, value in environ.items() if not key.startswith(ENV_PREFIX)}
    # The entry will not see our variables.
    settings = load_settings(folder_of(directory), given, environ=plain)
    of_user = asked["of_user"]
    wish = Wish(
        manager=asked["manager"],
        system=None if of_user is None else not of_user,
        run_as=asked["run_as"],
        start=asked["start"],
    )
    target = find_target(wish, settings.name, environ)
    options = list(click.get_current_context().meta[_GIVEN])
    if "quiet" not in settings.explicit:
        # The program's output is in our log already; the journal shall not double it.
        options.append("--quiet")
    entry = install.make_entry(settings, options, argv, wish, target)
    for name in _lost_variables(environ):
        click.echo(
            f"note: {name} is set in this shell only; the entry does not get it (use watchdog.toml)", err=True
        )
    if asked["dry_run"]:
        _show(target.path, target.format.decode(install.encode(entry, target)))
        for step in install.commands(target, start=wish.start, changed=False):
            click.echo(f"#   {typed(step.words, windows=target.format.of_windows)}")
        return
    install.install(entry, target, start=wish.start, say=click.echo)


def _show(path: str, text: str) -> None:
    click.echo(f"# {path}")
    click.echo(text, nl=not text.endswith("\n"))
    click.echo("# then:")


def _lost_variables(environ: Mapping[str, str]) -> list[str]:
    from watchdog_cli.core.options import ENV_PREFIX, OPTIONS

    return sorted(name for setting in OPTIONS if environ.get(name := setting.variable(ENV_PREFIX)))
