"""What the tracker saved once must still be there: tokens, when and at what price each began, how high each was."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracker.backups import list_backups
from tracker.token_file import DamagedError, decode

MENDED_S = 40.0  # a spoiled main file is to be whole again within this time while a tracker is wanted
_FIXED = ("token", "startTime", "firstPrice")
_GROWING = ("highestPrice", "maxRisePercentage")


class Saved:
    """Compares each look at ``tracked_tokens.json`` with all looks before.

    One thread looks, another one does the damage: what is expected and what is done must not fall around a look.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.RLock()
        self.known: dict[str, dict[str, Any]] = {}
        self.removed: set[str] = set()  # on purpose
        self._gone: set[str] = set()  # removed, and seen to be so
        self._promised: dict[
            str, float
        ] = {}  # additions that were confirmed, and by when they are to be seen
        self._spoiled_at: float | None = None
        self._seen = (0, 0, 0)
        self.looks = 0

    @contextlib.contextmanager
    def damage(self) -> Iterator[None]:
        """The main file is spoiled in here: from here on the newest good backup is the measure."""
        with self._guard:
            content = self._newest_backup()
            if content is not None:
                self.known = {
                    name: _kept(fields) for name, fields in content.items() if name not in self.removed
                }
            self._gone.clear()
            self._promised.clear()  # they may have been saved after that backup
            self._spoiled_at = time.monotonic()
            yield

    def expect_addition(self, address: str) -> None:
        """A person was told that this one is tracked from now on."""
        with self._guard:
            self._promised[address] = time.monotonic() + MENDED_S

    def expect_removal(self, address: str) -> None:
        """A person removes this one."""
        with self._guard:
            self.removed.add(address)
            self._promised.pop(address, None)
            self.known.pop(address, None)

    def look(self, *, wanted: bool = True) -> list[str]:
        """Say what was lost since the look before."""
        with self._guard:
            return self._look(wanted=wanted)

    def _look(self, *, wanted: bool) -> list[str]:
        path = self._folder / "tracked_tokens.json"
        late = self._late(wanted)
        if late:
            return late
        try:
            found = path.stat()
            signature = (found.st_ino, found.st_size, found.st_mtime_ns)
            if signature == self._seen:
                return []
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            return self._damaged("tracked_tokens.json is gone", wanted) if self.known else []
        except ValueError as error:
            return self._damaged(f"tracked_tokens.json does not load: {error}", wanted)
        if not isinstance(content, dict) or any(not isinstance(one, dict) for one in content.values()):
            return self._damaged("tracked_tokens.json holds something else than tokens", wanted)
        if self._spoiled_at is not None and not content:  # a spoiled file may be good JSON
            return self._damaged("tracked_tokens.json is empty", wanted)
        self._spoiled_at, self._seen = None, signature
        self.looks += 1
        return self.compare(content)

    def _late(self, wanted: bool) -> list[str]:
        now = time.monotonic()
        if not wanted:
            self._promised = dict.fromkeys(self._promised, now + MENDED_S)
        late = [address for address, limit in self._promised.items() if now > limit]
        for address in late:
            del self._promised[address]
        return [f"token {address} was added, and is not there {MENDED_S:g} s later" for address in late]

    def _damaged(self, text: str, wanted: bool) -> list[str]:
        if self._spoiled_at is None:
            return [text]
        if not wanted:
            self._spoiled_at = time.monotonic()  # nobody is there to mend it
        elif time.monotonic() - self._spoiled_at > MENDED_S:
            self._spoiled_at = time.monotonic()
            return [f"{text}, for {MENDED_S:g} s"]
        return []

    def compare(self, content: dict[str, dict[str, Any]]) -> list[str]:
        """Say what this content has lost of what was known, and remember it."""
        lost = [f"token {name} was lost" for name in self.known if name not in content]
        lost += [f"token {name} was removed and is back" for name in self._gone & content.keys()]
        self._gone = (self._gone | self.removed) - content.keys()
        for name, fields in content.items():
            self._promised.pop(name, None)
            before = self.known.get(name, {})
            lost += [
                f"{key} of {name} went from {before[key]!r} to {fields.get(key)!r}"
                for key in _FIXED
                if before.get(key) is not None and fields.get(key) != before[key]
            ]
            lost += [
                f"{key} of {name} fell from {before[key]!r} to {fields.get(key)!r}"
                for key in _GROWING
                if before.get(key) is not None and (fields.get(key) is None or fields[key] < before[key])
            ]
        self.known = {name: _kept(fields) for name, fields in content.items() if name not in self.removed}
        return lost

    def _newest_backup(self) -> dict[str, dict[str, Any]] | None:
        folder = self._folder / "backups"
        for backup in list_backups(str(folder)):
            try:
                data = (folder / backup.name).read_bytes()
                decode(data)
            except (OSError, DamagedError):
                continue
            content: dict[str, dict[str, Any]] = json.loads(data)
            return content
        return None


def _kept(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: fields.get(key) for key in (*_FIXED, *_GROWING)}
