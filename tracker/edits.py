"""Changes that one terminal asks of a tracker that runs in another: small files, in order, never lost.

Each change is a file of its own in ``.tracker/edits/``, written in one step and numbered. The running tracker
works it in within one cycle, and removes the file when a save that holds the change has reached the disk. A
change that is worked in twice after a crash is the same as once.
"""

import contextlib
import json
import os
from dataclasses import field
from typing import Any

from tracker.errors import StorageError
from tracker.lock import FolderLock
from tracker.place import Place
from watchdog_kit.atomic_file import sweep_temps, write_atomic
from watchdog_kit.damage import DAMAGE
from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass

ADD, REMOVE, RESEND = "add", "remove", "resend"


@dataclass(frozen=True, slots=True)
class Edit:
    """One change.

    Args:
        kind: add, remove or resend.
        tokens: for add: what is known of each token; for remove: the addresses as keys.
        alert: for resend: number of the alert.
        name: of its file.
    """

    kind: str
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    alert: int = 0
    name: str = ""


def leave(place: Place, edit: Edit) -> None:
    """Write a change down for the running tracker; when this returns, it is on the disk.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        os.makedirs(place.edits, mode=0o700, exist_ok=True)
        with FolderLock(place.edits_lock, "edit"):
            numbers = [int(name.removesuffix(".json")) for name in _names(place)]
            number = max([_last_number(place), *numbers]) + 1
            write_atomic(place.last_edit, str(number).encode())
            told = {"v": 1, "kind": edit.kind, "tokens": edit.tokens, "alert": edit.alert}
            write_atomic(os.path.join(place.edits, f"{number:09d}.json"), json.dumps(told).encode())
    except OSError as error:
        raise StorageError(f"cannot write in {place.edits}: {in_words(error)}") from error


def _last_number(place: Place) -> int:
    """Return the highest number ever given: a change that was worked in must not be followed by a lower one."""
    try:
        with open(place.last_edit, "rb") as file:
            return max(0, int(file.read(12)))
    except (OSError, ValueError):
        return 0


def _names(place: Place) -> list[str]:
    try:
        names = os.listdir(place.edits)
    except OSError:
        return []
    return sorted(n for n in names if n.endswith(".json") and n.removesuffix(".json").isdecimal())


def waiting(place: Place) -> list[Edit]:
    """Return the changes that wait, oldest first; unreadable ones are passed over."""
    found = []
    for name in _names(place):
        try:
            with open(os.path.join(place.edits, name), "rb") as file:
                told = json.loads(file.read())
            tokens = {str(a): dict(v) for a, v in dict(told["tokens"]).items()}
            found.append(Edit(str(told["kind"]), tokens, int(told["alert"]), name))
        except (OSError, *DAMAGE):
            continue
    return found


def done(place: Place, names: list[str]) -> None:
    """Remove the files of changes that are saved."""
    for name in names:
        with contextlib.suppress(OSError):  # worked in once more at the next start, which changes nothing
            os.unlink(os.path.join(place.edits, name))


def sweep(place: Place) -> None:
    """Remove what killed commands left half written."""
    sweep_temps(place.edits)
