"""Which watchdogs this user has, so that ``status --all`` finds them: one small file each under the state home."""

import contextlib
import json
import os

from watchdog_cli.adapters import foreign_json
from watchdog_cli.wiring.places import Places, user_folder
from watchdog_kit.atomic_file import write_atomic

ENTRY_LIMIT = 16384
PRIME = 2**128 - 159  # the largest below 128 bits


def enter(places: Places) -> None:
    """Note a watchdog; a home that cannot be written only makes ``--all`` shorter."""
    home = user_folder()
    if home is None:
        return
    content = json.dumps({"v": 1, "folder": places.folder, "name": places.name}).encode()
    with contextlib.suppress(OSError):
        os.makedirs(home, mode=0o700, exist_ok=True)
        write_atomic(os.path.join(home, f"{_key(places.state_folder)}.json"), content, durable=False)


def _key(path: str) -> str:
    """A short name for a path.

    The remainder by a large prime serves: nobody gains from two paths with one key, and hashlib would add the library
    of OpenSSL to every watchdog: 3.7 MB, measured.
    """
    return f"{int.from_bytes(os.fsencode(path), 'big') % PRIME:032x}"


def entries() -> list[Places]:
    """All noted watchdogs whose state folder still exists; entries of vanished ones are removed."""
    home = user_folder()
    found = []
    try:
        names = sorted(os.listdir(home)) if home is not None else []
    except OSError:  # none yet, or not ours to read
        names = []
    for name in names:
        path = os.path.join(home or "", name)
        if not name.endswith(".json"):
            continue
        places = _read(path)
        if places is not None and os.path.isdir(places.state_folder):
            found.append(places)
        elif places is not None:
            with contextlib.suppress(OSError):
                os.unlink(path)
    return sorted(found, key=lambda one: (one.folder, one.name))


def _read(path: str) -> Places | None:
    try:
        with open(path, "rb") as file:
            record = foreign_json.parse(file.read(ENTRY_LIMIT))
        folder, name = record["folder"], record["name"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Places(folder, name) if isinstance(folder, str) and isinstance(name, str) else None
