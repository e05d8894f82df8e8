"""Older copies of the main file: how they are named, which are kept, and which are good.

    tracked_tokens.000042.20261125T032800Z.t12.r5.0f3a9c...e1.json

Sequence number (gives the order: clocks step), time of the save, number of tokens, tokens removed on purpose
so far, and the first 16 digits of the SHA-256 of the content: a copy can be verified by its own name.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from tracker.errors import StorageError
from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass

_HASH_DIGITS = 16
_NAME = re.compile(
    r"tracked_tokens\.(\d{6,12})\.(\d{8}T\d{6}Z)\.t(\d{1,9})\.r(\d{1,12})\.([0-9a-f]{16})\.json"
)
_STAMP = "%Y%m%dT%H%M%SZ"
_SHRUNKEN_SLOTS = 3


@dataclass(frozen=True, slots=True)
class Backup:
    """One copy, as its name tells it. ``sequence`` is -1 for a file that somebody else named."""

    name: str
    sequence: int
    at: datetime
    tokens: int
    removed: int
    digest: str

    @property
    def ours(self) -> bool:
        """Say if the name is one of ours, and so tells what the content must be."""
        return self.sequence >= 0


def digest_of(data: bytes | bytearray) -> str:
    """Return the part of the content's hash that stands in a name."""
    return hashlib.sha256(data).hexdigest()[:_HASH_DIGITS]


def name_of(sequence: int, at: datetime, tokens: int, removed: int, digest: str) -> str:
    """Write the name of a copy."""
    return f"tracked_tokens.{sequence:06d}.{at.astimezone(UTC):{_STAMP}}.t{tokens}.r{removed}.{digest}.json"


def parse_name(name: str) -> Backup | None:
    """Read the name of a copy; None when it is not one of ours."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        at = datetime.strptime(match[2], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Backup(name, int(match[1]), at, int(match[3]), int(match[4]), match[5])


def list_backups(folder: str) -> list[Backup]:
    """Return all copies, newest first; behind ours those that somebody else put there, by their time.

    Raises:
        StorageError: the folder cannot be read.
    """
    ours: list[Backup] = []
    others: list[Backup] = []
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"cannot read {folder}: {in_words(error)}") from error
    for name in names:
        backup = parse_name(name)
        if backup is not None:
            ours.append(backup)
        elif name.endswith(".json"):
            try:
                changed = os.stat(os.path.join(folder, name)).st_mtime
                others.append(Backup(name, -1, datetime.fromtimestamp(changed, UTC), 0, 0, ""))
            except (OSError, ValueError, OverflowError):
                continue
    ours.sort(key=lambda backup: (-backup.sequence, backup.name))
    others.sort(key=lambda backup: (backup.at, backup.name), reverse=True)
    return ours + others


def shrunken(backups: Iterable[Backup]) -> set[str]:
    """Name the copies that hold suspiciously little: nothing, or under half of the best one before them
    without as many removals on purpose in between.
    """
    best: Backup | None = None
    found: set[str] = set()
    for backup in sorted(backups, key=lambda b: b.sequence):
        if best is None or backup.tokens >= best.tokens:
            best = backup
        meant = backup.removed - best.removed
        small = backup.tokens * 2 < best.tokens and meant < best.tokens - backup.tokens
        if backup.tokens == 0 or small:
            found.add(backup.name)
        elif backup is not best and backup.tokens * 2 < best.tokens:
            best = backup  # made small on purpose: from here on this is the measure
    return found


def superfluous(backups: Iterable[Backup], most: int) -> list[str]:
    """Name the copies that may go: of 10 stay the 3 newest, 3 of earlier hours and 4 of earlier days.

    Slots that no earlier hour or day fills yet are filled with the next newest. Shrunken copies take at most
    three slots, so that however often an emptied list is saved, good copies stay.
    """
    ordered = sorted((b for b in backups if b.ours), key=lambda b: -b.sequence)
    small = shrunken(ordered)
    kept = [b for b in ordered if b.name in small][: min(_SHRUNKEN_SLOTS, most)]
    good = [b for b in ordered if b.name not in small]
    if good and len(kept) >= most:
        kept = kept[: most - 1]
    kept += _spaced(good, most - len(kept))
    names = {b.name for b in kept}
    return [b.name for b in ordered if b.name not in names]


def _spaced(good: list[Backup], slots: int) -> list[Backup]:
    newest = max(1, round(slots * 0.3))
    hourly = round(slots * 0.3)
    kept = good[:newest]
    rest = good[newest:]
    for count, bucket in ((hourly, "%Y%m%d%H"), (slots, "%Y%m%d")):
        seen = {f"{b.at:{bucket}}" for b in kept}
        added = 0
        for b in list(rest):
            if added < count and len(kept) < slots and f"{b.at:{bucket}}" not in seen:
                seen.add(f"{b.at:{bucket}}")
                kept.append(b)
                rest.remove(b)
                added += 1
    return kept + rest[: max(0, slots - len(kept))]
