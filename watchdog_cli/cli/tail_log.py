"""``watchdog tail-log``."""

import contextlib
import os
import re
import sys

import click

from watchdog_cli.cli.log_view import LINES, LogView, Wish
from watchdog_cli.cli.options import GroupedCommand, place_options, places_of
from watchdog_cli.core.errors import NotRunningError, UsageError
from watchdog_cli.wiring.places import Places

INTERRUPTED = 130
STATE_LIMIT = 1 << 20  # bytes; no state of ours is larger


@click.command("tail-log", cls=GroupedCommand)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    metavar="N",
    help="Show the last N lines; with --grep, the last N that match.  "
    f"[default: {LINES}; all with --since or --last-run]",
)
@click.option("-f", "--follow", is_flag=True, help="Stay and show what is added; Ctrl-C ends.")
@click.option(
    "--watchdog", "own", is_flag=True, help="Show what the watchdog reports, not what the program prints."
)
@click.option(
    "--since",
    metavar="WHEN",
    help="Show what was printed in the last 90s, 10m, 2h ..., or since a time like 2026-11-25T03:00.",
)
@click.option(
    "--grep", metavar="RE", help="Show only lines in which this regular expression (Python's) is found."
)
@click.option(
    "--last-run", is_flag=True, help="Show only what was printed since the last start of the program."
)
@click.option(
    "--log-dir", metavar="DIR", help="Folder of the logs.  [default: the one that the watchdog used]"
)
@place_options
def command(
    *,
    lines: int | None,
    follow: bool,
    own: bool,
    since: str | None,
    grep: str | None,
    last_run: bool,
    log_dir: str | None,
    directory: str | None,
    name: str | None,
) -> None:
    """Show the newest lines of what the program prints.

    On a terminal a line is drawn where the program was started again, and escape sequences other than colours
    are left out. Into a file or a pipe every byte goes as it is.
    """
    wish = Wish(lines, follow, own, _since(since), _pattern(grep), last_run)
    if wish.since is not None and last_run:
        raise UsageError("--since and --last-run both say where to begin; use one of them")
    places, path = _find(directory, name, log_dir, own=own)
    try:
        LogView(wish, places, path).show()
    except KeyboardInterrupt:
        # At once and without a word; what could not be written yet is let go.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(INTERRUPTED) from None


# --- what is asked for -------------------------------------------------------------------------------------


def _since(text: str | None) -> float | None:
    if text is None:
        return None
    import time
    from datetime import datetime

    from watchdog_kit.quantities import parse_duration

    try:
        if "-" not in text and ":" not in text:
            return time.time() - parse_duration(text)
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as error:
        why = str(error) if "-" not in text and ":" not in text else f"{text!r} is no time that I can read"
        raise click.BadParameter(
            f"{why}; or give a time like 2026-11-25T03:00 or 2026-11-25T03:00Z", param_hint="--since"
        ) from None


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise click.BadParameter(f"{text!r} is no regular expression: {error}", param_hint="--grep") from None


def _find(directory: str | None, name: str | None, log_dir: str | None, *, own: bool) -> tuple[Places, str]:
    """Return the places of the watchdog that is meant, and the path of its log."""
    places = places_of(directory, name)
    folder = places.folder
    places = Places(folder, places.name, log_dir if log_dir is not None else _used_log_dir(places))
    path = places.own_log if own else places.log
    if name is None and not os.path.lexists(path):
        others = _other_names(os.path.dirname(path), own=own)
        if len(others) == 1:
            places = Places(folder, others[0], places.log_dir)
            path = places.own_log if own else places.log
            click.echo(f"showing {places.shown(path)}, the only log here", err=True)
        elif others:
            raise NotRunningError(
                f"there is no {places.shown(path)}, but logs of {', '.join(others)}; pick one with --name"
            )
    return places, path


def _used_log_dir(places: Places) -> str:
    """Return where the last watchdog of this name wrote its logs, or where the next one will."""
    import json

    # Only this one value counts here; all that it takes to trust the whole file would cost more than the log.
    try:
        with open(places.state, "rb") as file:
            found = json.loads(file.read(STATE_LIMIT))["log_dir"]
        if isinstance(found, str) and found:
            return found
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        pass  # none there, damaged, or of another shape
    from watchdog_cli.adapters.config_file import load_settings

    return load_settings(places.folder, {}).log_dir


def _other_names(log_dir: str, *, own: bool) -> list[str]:
    ending = ".watchdog.log" if own else ".log"
    try:
        files = os.listdir(log_dir)
    except OSError:
        return []
    names = [file.removesuffix(ending) for file in files if file.endswith(ending)]
    return sorted(name for name in names if name and not name.endswith(".watchdog"))
