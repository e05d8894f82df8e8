"""``verify``, ``backups`` and ``restore``: what was saved."""

import json
import os
from datetime import UTC, datetime

import click

from tracker import backups, token_file
from tracker.backups import Backup
from tracker.cli.options import place_of, place_option
from tracker.errors import StorageError, UnhealthyError, UsageError
from tracker.place import Place
from watchdog_kit.click_options import GroupedCommand
from watchdog_kit.os_errors import in_words
from watchdog_kit.quantities import format_duration, format_size


def _judge(path: str, digest: str = "") -> tuple[int, str]:
    """Return how many tokens a file holds and what is wrong with it, or nothing."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        return 0, f"cannot be read: {in_words(error)}"
    if digest and backups.digest_of(data) != digest:
        return 0, "its content is not what its name says"
    try:
        loaded = token_file.decode(data)
    except token_file.DamagedError as error:
        return 0, str(error)
    if loaded.bad:
        return len(loaded.tokens), f"{len(loaded.bad)} entries are no tokens"
    return len(loaded.tokens), ""


@click.command(cls=GroupedCommand)
@place_option
def verify(folder: str) -> None:
    """Check the saved file and every backup; changes nothing.

    Ends with 0 when all are good and with 5 when some are damaged.
    """
    place = place_of(folder)
    damaged = checked = 0
    files = [(place.tokens, "")] if os.path.lexists(place.tokens) else []
    found = backups.list_backups(place.backups)
    files += [(os.path.join(place.backups, b.name), b.digest) for b in found]
    for path, digest in files:
        count, fault = _judge(path, digest)
        checked += 1
        damaged += bool(fault)
        name = os.path.relpath(path, place.folder)
        click.echo(f"damaged  {name}: {fault}" if fault else f"good     {name}: {count} tokens")
    if not checked:
        click.echo("nothing was saved here yet", err=True)
    elif not os.path.lexists(place.tokens):
        damaged += 1
        click.echo("missing  tracked_tokens.json")
    if damaged:
        raise UnhealthyError(
            f"{damaged} of {checked} files are damaged; the tracker passes damaged ones over when it starts"
        )


@click.command("backups", cls=GroupedCommand)
@place_option
@click.option("--json", "as_json", is_flag=True, help="Print an array for machines.")
def show(folder: str, as_json: bool) -> None:
    """List the backups, newest first."""
    place = place_of(folder)
    found = backups.list_backups(place.backups)
    small = backups.shrunken(b for b in found if b.ours)
    if as_json:
        rows = [
            {
                "number": b.sequence if b.ours else None,
                "name": b.name,
                "savedAt": b.at.isoformat().replace("+00:00", "Z"),
                "tokens": b.tokens if b.ours else None,
                "bytes": _size(place, b),
                "shrunken": b.name in small,
            }
            for b in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    if not found:
        click.echo("no backups yet; the first is made when a saved list is replaced by a newer one", err=True)
        return
    click.echo("number  age        tokens  size     name")
    now = datetime.now(UTC)
    for b in found:
        age = format_duration(max(0.0, (now - b.at).total_seconds()))
        number, count = (str(b.sequence), str(b.tokens)) if b.ours else ("-", "?")
        note = "  (shrunken)" if b.name in small else ""
        click.echo(f"{number:<7} {age:<10} {count:<7} {format_size(_size(place, b)):<8} {b.name}{note}")


def _size(place: Place, backup: Backup) -> int:
    try:
        return os.path.getsize(os.path.join(place.backups, backup.name))
    except OSError:
        return 0


@click.command(cls=GroupedCommand)
@place_option
@click.argument("which", required=False)
def restore(folder: str, which: str | None) -> None:
    """Go back to a backup.

    WHICH is a number or a name from 'python -m tracker backups'; without it, the newest good backup is taken.
    The present list becomes a backup first, so this can be undone. Stop the tracker before.
    """
    from tracker.lock import FolderLock
    from tracker.store import Store

    place = place_of(folder)
    place.prepare()
    with FolderLock(place.lock, "restore"):
        chosen = _choose(place, which)
        store = Store(place, 1_000_000)  # going back must not push out the very copies it may need
        restored = store.restore(chosen)
    for line in (*restored.notes, *restored.alarms):
        click.echo(line, err=True)
    age = format_duration(max(0.0, (datetime.now(UTC) - chosen.at).total_seconds()))
    click.echo(f"restored {len(restored.tokens)} tokens from {chosen.name}, which is {age} old")


def _choose(place: Place, which: str | None) -> Backup:
    found = backups.list_backups(place.backups)
    if which is None:
        for backup in found:
            if not _judge(os.path.join(place.backups, backup.name), backup.digest)[1]:
                return backup
        raise StorageError("there is no good backup; see: python -m tracker verify")
    for backup in found:
        if which == backup.name or (backup.ours and which.isdecimal() and int(which) == backup.sequence):
            return backup
    raise UsageError(f"{which[:80]!r} is no backup; see: python -m tracker backups")
