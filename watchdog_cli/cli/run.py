"""``watchdog run``."""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from watchdog_cli.cli.options import HOW_TO_WRITE, GroupedCommand, folder_of, settings_options
from watchdog_cli.core.errors import SpawnError, UsageError

if TYPE_CHECKING:
    from watchdog_cli.core.settings import Settings


@click.command(
    "run", cls=GroupedCommand, epilog=HOW_TO_WRITE, context_settings={"allow_interspersed_args": False}
)
@click.option(
    "--force", is_flag=True, help="Take a process that may or may not be the old program for a stranger."
)
@settings_options
@click.argument("argv", metavar="-- COMMAND [ARGUMENT]...", nargs=-1, type=click.UNPROCESSED)
def command(argv: tuple[str, ...], force: bool, directory: str | None, given: Mapping[str, object]) -> None:
    """Start COMMAND, watch it, and start it again whenever it ends or freezes.

    Everything behind COMMAND belongs to it and reaches it unchanged.
    """
    from watchdog_cli.adapters.config_file import load_settings

    if not argv:
        raise UsageError("say which program to run, for example: watchdog run -- python -m tracker")
    settings = load_settings(folder_of(directory, missing=SpawnError), given, pid1=os.getpid() == 1)
    from watchdog_cli.wiring.beginning import Order
    from watchdog_cli.wiring.run import supervise

    order = Order(
        settings, argv, arguments=sys.argv[1:], force=force, greeting=_greeting(settings, argv, directory)
    )
    raise SystemExit(supervise(order))


def try_arguments(arguments: list[str]) -> None:
    """Read a command line of ``run`` and its settings as a start would, without starting anything.

    Raises:
        WatchdogError, click.ClickException: they would be refused.
    """
    from watchdog_cli.adapters.config_file import load_settings
    from watchdog_cli.core.options import OPTIONS
    from watchdog_kit.click_options import take_given

    context = command.make_context("watchdog run", list(arguments))
    values = dict(context.params)
    with context:
        given = take_given(OPTIONS, values)
    load_settings(folder_of(values["directory"]), given, pid1=False)


def _greeting(settings: "Settings", argv: tuple[str, ...], directory: str | None) -> list[str]:
    """What it does and how to look closer, for somebody who has never seen a supervisor."""
    from watchdog_kit.quantities import format_duration

    policy = settings.policy
    if policy.restart.value == "never":
        again = "When it ends, the watchdog ends too."
    else:
        cap = "any number of times"
        if policy.max_restarts is not None:
            times = "once" if policy.max_restarts == 1 else f"{policy.max_restarts} times"
            cap = f"at most {times} in {format_duration(policy.restart_window_s)}"
        again = f"If it ends or freezes it is started again after {format_duration(policy.restart_delay_s)}, {cap}."
    if policy.no_heartbeat:
        sign = "Only its process is watched; a freeze is not noticed."
    else:
        sign = f"A sign of life ({settings.heartbeat}) is expected every {format_duration(policy.heartbeat_timeout_s)}."
    from watchdog_cli.adapters.typed_words import typed

    where = "" if directory is None else f" {typed(['-C', settings.folder])}"
    where += "" if settings.name == "tracker" else f" --name {settings.name}"

    return [
        f"watchdog keeps this running: {typed(argv)}",
        f"  {again}",
        f"  {sign}",
        f"  In another terminal: watchdog status{where} · watchdog tail-log -f{where} · watchdog stop{where}",
        "  Here: Ctrl-C stops both.",
    ]
