"""The command ``watchdog``: finds the part that is asked for, and turns errors into one line and an exit code."""

import contextlib
import errno
import importlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from watchdog_cli import __version__
from watchdog_cli.core.errors import ExitCode, WatchdogError

# Each command lives in a module of its own that is loaded when it is used: start-up time is a promise.
COMMANDS = {
    "run": "Start a program, watch it, and start it again whenever it ends or freezes.",
    "status": "How is it? Process, health, heartbeat, restarts.",
    "check": "The same question without a word: only the exit code.",
    "tail-log": "What does it say? The newest lines of its log.",
    "report": "How was it? Uptime, failures and their causes, memory and CPU over time.",
    "metrics": "The same for Prometheus.",
    "incidents": "Why did it end? Each unplanned end with stacks, last lines and what followed.",
    "stop": "Stop the program and its watchdog.",
    "restart": "Stop the program and start it again at once.",
    "pause": "Start nothing and judge nothing while somebody works on it.",
    "resume": "End a pause.",
    "web": "Show it on a web page, for a browser or a phone.",
    "config": "Show every setting and where it came from.",
    "notify": "Who is told about incidents? Try it with --test.",
    "install": "Have it started at boot: systemd, launchd, Windows Task Scheduler.",
    "uninstall": "Take it out of the boot again.",
    "doctor": "Is everything in order here? What is not, and what to do about it.",
    "upgrade": "Let a freshly started watchdog take over, without a gap.",
}
FAULTS_LIMIT = 1 << 20
# What a write says when its place is full or broken.
FULL = {getattr(errno, name, errno.ENOSPC) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO")}


@contextlib.contextmanager
def _quiet_when_nobody_reads() -> Iterator[None]:
    """A reader that has gone (head, less) ends us quietly; click would make a plain failure of it."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # Nothing more can be said, also not when Python flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(128 + 13) from None


class LazyGroup(click.Group):
    """Loads a command when it is used."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line; ``--help`` prints here."""
        with _quiet_when_nobody_reads():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _quiet_when_nobody_reads():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which people need them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"watchdog_cli.cli.{cmd_name.replace('-', '_')}")
        found = module.command
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say what was probably meant."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else ""
            ctx.fail("; ".join(filter(None, [f"no such command {args[0]!r}", hint])))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


EPILOG = """\
Begin with:  watchdog run -- python -m tracker

Exit codes of status and check: 0 healthy, 3 not running, 4 unknown, 5 running but not healthy.
Of run: 0 stopped as asked, 10 wrong setting, 11 already running, 12 gave up, 13 the program cannot be
started, 14 state or log cannot be written. A wrong option is 2, a fault of watchdog itself 1.
Of install and uninstall: 17 no service manager, or it refused. Of doctor: 5 something does not work.
"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="watchdog")
def group() -> None:
    """Keep a long-running program alive, and notice when it freezes."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; never returns."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            if sys.platform == "win32" and not stream.isatty():
                stream.reconfigure(encoding="utf-8")  # else it were the code page of some old program
            # A terminal that cannot show a character still gets the rest.
            stream.reconfigure(errors="replace")
    try:
        code = group.main(args=arguments, prog_name="watchdog", standalone_mode=False)
    except WatchdogError as error:
        code = _say(str(error), error.exit_code)
    except click.exceptions.Abort:
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.UsageError as error:
        text = error.format_message().rstrip(".")
        if error.ctx is not None:
            text += f"{' See' if text.endswith('?') else '; see'}: {error.ctx.command_path} --help"
        code = _say(text, error.exit_code)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, a person gets one line and a file to send
        code = _say(*_explain_fault(error))
    _forget_what_cannot_be_written()
    sys.exit(code if isinstance(code, int) else 0)


def _say(text: str, code: int) -> int:
    """Say it in one line, whatever stands in the names and arguments that it quotes."""
    from watchdog_cli.core.record import one_line

    with contextlib.suppress(OSError):  # the code still says it where the words cannot be written
        click.echo(f"Error: {one_line(text)}", err=True)
    return int(code)


def _forget_what_cannot_be_written() -> None:
    """What is left for an output that takes no more is dropped: Python would end with a code of its own for it."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _explain_fault(error: Exception) -> tuple[str, int]:
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many open files; allow more of them (ulimit -n)", ExitCode.STORAGE
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return (
            "no thread can be started; allow more processes (ulimit -u, pids.max) or memory",
            ExitCode.STORAGE,
        )
    if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
        # Files of ours are translated where they are written; what is left is the output.
        from watchdog_cli.adapters.log_gap import reason_of

        return f"cannot write the output: {reason_of(error)}", ExitCode.STORAGE
    return _record_fault(error), ExitCode.INTERNAL


def _record_fault(error: Exception) -> str:
    """Keep the traceback of our own fault and say where."""
    import traceback

    from watchdog_cli.wiring.places import user_folder

    path = os.path.join(user_folder() or os.curdir, "faults.log")
    what = f"a fault of watchdog itself ({type(error).__name__}: {error})"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        mode = "w" if os.path.exists(path) and os.path.getsize(path) > FAULTS_LIMIT else "a"
        with open(path, mode, encoding="utf-8", errors="replace") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} watchdog {__version__}\n")
            file.writelines(traceback.format_exception(error))
    except OSError:
        return f"{what}; the traceback could not be kept"
    return f"{what}; please report it with {path}"
