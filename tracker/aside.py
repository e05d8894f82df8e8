"""What cannot be used is put aside under a name with a date, never thrown away."""

import json
import os
from dataclasses import field
from datetime import UTC, datetime

from tracker.errors import StorageError
from tracker.model import Token
from tracker.place import Place
from tracker.token_file import Loaded
from watchdog_kit.atomic_file import write_atomic
from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass


@dataclass(slots=True)
class Restored:
    """What a start found: tokens, and what has to be said about them."""

    tokens: dict[str, Token] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # for the log
    alarms: list[str] = field(default_factory=list)  # also for alerts and the heartbeat
    first_start: bool = False


def set_aside(place: Place, restored: Restored, what: str) -> None:
    """Rename a main file that cannot be used, and note ``what`` happened.

    Raises:
        StorageError: it cannot be renamed.
    """
    target = _free_name(place, "damaged")
    try:
        os.replace(place.tokens, target)
    except OSError as error:
        raise StorageError(f"cannot set {place.tokens} aside: {in_words(error)}") from error
    restored.notes.append(f"{what}; it was set aside as {os.path.basename(target)}")


def set_bad_tokens_aside(place: Place, loaded: Loaded, restored: Restored) -> None:
    """Write the entries of a file that are no tokens into a file of their own.

    Raises:
        StorageError: it cannot be written.
    """
    target = _free_name(place, "set-aside")
    names = ", ".join(f"{name[:44]} ({reason})" for name, reason in list(loaded.bad.items())[:5])
    # What JSON does not know becomes null; it is written the long way round for that.
    values = json.loads(json.dumps(loaded.bad_values), parse_constant=lambda _: None)
    try:
        write_atomic(target, json.dumps(values, indent=2).encode())
    except OSError as error:
        raise StorageError(f"cannot set bad tokens aside in {target}: {in_words(error)}") from error
    restored.alarms.append(
        f"{len(loaded.bad)} entries of tracked_tokens.json are no tokens and were set aside "
        f"in {os.path.basename(target)}: {names}"
    )


def _free_name(place: Place, word: str) -> str:
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    base = os.path.join(place.folder, f"tracked_tokens.{word}-{stamp}")
    for number in range(1000):
        path = f"{base}{f'-{number}' if number else ''}.json"
        if not os.path.lexists(path):
            return path
    raise StorageError(f"{base}-*.json: a thousand of them in one second; something is very wrong")
