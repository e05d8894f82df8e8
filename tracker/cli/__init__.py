"""The command line of the tracker."""

import errno
import importlib
import os
import sys
from typing import Any

import click

from tracker.errors import ExitCode, TrackerError
from watchdog_kit.os_errors import in_words

# Each command lives in a module of its own and is loaded when it is used: start-up time is a promise.
_COMMANDS = {
    "run": ("run", "run", "Watch the tokens until stopped (this is what happens without a command)."),
    "add": ("tokens", "add", "Begin to track tokens."),
    "remove": ("tokens", "remove", "Stop tracking tokens and forget them."),
    "list": ("tokens", "show", "Show the tokens with prices and rises."),
    "import": ("tokens", "take_file", "Take over tokens from a file."),
    "verify": ("saved", "verify", "Check the saved file and every backup."),
    "backups": ("saved", "show", "List the backups."),
    "restore": ("saved", "restore", "Go back to a backup."),
    "alerts": ("alerts", "alerts", "Show what was told; test or repeat an alert."),
}


class Commands(click.Group):
    """Finds commands by the table; without a command name, ``run`` is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``run`` in front when what comes first is no command."""
        if not args or (args[0] not in _COMMANDS and args[0] not in ("--help", "-h", "--version")):
            if args and not args[0].startswith("-"):
                return super().parse_args(ctx, args)  # click says what is wrong with the name
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Return the names in the order in which people need them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Load the command of this name."""
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"tracker.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"tracker {version('tracker-watchdog')}")
    except PackageNotFoundError:
        click.echo("tracker (not installed)")
    ctx.exit()


_HELP = """Watch prices of crypto tokens, save them safely, and tell about rises exactly once.

\b
python -m tracker add ADDRESS     begin to track a token
python -m tracker                 watch until Ctrl-C
python -m tracker --source demo   see it at work in a simulated market, without network

All files lie in the present folder; -C picks another. Options of 'run' may stand without it; see
'python -m tracker run --help'.
"""


@click.group(cls=Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def commands() -> None:
    """Hold the commands together."""


def main(args: list[str] | None = None) -> None:
    """Run the command line and end the process."""
    from tracker.say import make_output_safe

    make_output_safe()
    code = 1
    try:
        result: Any = commands.main(args, prog_name="python -m tracker", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except TrackerError as error:
        click.echo(f"Error: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        code = 0  # the reader of our output has seen enough
    except OSError as error:
        # Files of ours are translated where they are written: this is the output, on a disk that is full or broken.
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EIO):
            raise
        click.echo(f"Error: cannot write the output: {in_words(error)}", err=True)
        code = ExitCode.STORAGE
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # What could not be written must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)
