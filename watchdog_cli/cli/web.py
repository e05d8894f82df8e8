"""``watchdog web``."""

import importlib
import os

import click

from watchdog_cli.cli.options import GroupedCommand, SettingType, folder_of, place_options
from watchdog_cli.core.errors import ConfigError

# The options of the page, by the key under which they stand in the settings file.
OPTIONS = {
    "web-host": "--host",
    "web-port": "--port",
    "web-allow-host": "--allow-host",
    "keepalive-url": "--keepalive-url",
    "keepalive-interval": "--keepalive-interval",
}
EPILOG = """\
The page shows; to let it stop, restart and pause the program, set WATCHDOG_WEB_TOKEN to a long random text.
With a --host that other machines can reach the token is needed for everything but /health, /ping and /ready.

Ends with 0 when it is told to end, 2 for an address that needs a token, 15 when the address is in use.
"""


def _page_options(function: "click.decorators.FC") -> "click.decorators.FC":
    from watchdog_cli.core.options import OPTIONS as TABLE

    decorated = function
    for setting in reversed([one for one in TABLE if one.key in OPTIONS]):
        decorated = click.option(
            OPTIONS[setting.key],
            setting.field,
            type=SettingType(setting.kind),
            metavar=setting.kind.word,
            help=f"{setting.help}  [default: {setting.shown_default()}]",
        )(decorated)
    return decorated


@click.command("web", cls=GroupedCommand, epilog=EPILOG)
@_page_options
@place_options
def command(directory: str | None, name: str | None, **given: object) -> None:
    """Show the program on a web page: how it is, what it says, what happened; on a phone, too."""
    from watchdog_cli.adapters.config_file import checked_name, load_settings
    from watchdog_cli.wiring.page import make_plan

    asked = {key: given[key.replace("-", "_")] for key in OPTIONS if given[key.replace("-", "_")] is not None}
    if name is not None:
        asked["name"] = checked_name(name)
    settings = load_settings(folder_of(directory), asked)
    # By its name, as the commands themselves are: the page is an extra that need not be installed, and the
    # command line does not stand on it.
    try:
        server = importlib.import_module("watchdog_cli.web.server")
    except ModuleNotFoundError as error:
        if error.name in {"starlette", "uvicorn"}:
            raise ConfigError(
                f"the page needs {error.name}; install it with: pip install 'tracker-watchdog[web]'"
            ) from error
        raise
    plan = make_plan(settings, os.environ)

    def tell() -> None:
        click.echo(f"{settings.name}: {plan.url}")
        if not plan.token:
            click.echo("  it only shows; set WATCHDOG_WEB_TOKEN to let it stop, restart and pause", err=True)

    raise SystemExit(server.serve(plan, tell))
