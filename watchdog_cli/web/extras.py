"""What the page shows beside the present: the past, the tokens, the incidents, the other watchdogs of this user.

All of it is read from files that others write, each at its own pace and in a thread of its own.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from watchdog_cli.core.errors import WatchdogError
from watchdog_cli.core.report import StatusReport
from watchdog_cli.web.incidents import list_incidents
from watchdog_cli.web.tokens import TokenFile
from watchdog_cli.wiring import registry
from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.report import read_report
from watchdog_cli.wiring.status import read_status

PAST_EVERY_S = 30.0
PAST_S = 86_400.0
PAST_PARTS = 288  # five minutes each
TOKENS_EVERY_S = 3.0
EVERYONE_EVERY_S = 5.0
MOST_WATCHDOGS = 50


def key_of(places: Places) -> str:
    """A name for one watchdog that is safe in an address."""
    return hashlib.sha256(os.fsencode(places.state_folder)).hexdigest()[:16]


class Everyone:
    """Every watchdog of this user, asked at most every few seconds whoever wants to know."""

    def __init__(self, here: Places) -> None:
        """Nothing is asked yet.

        Args:
            here: the one whose page this is; it is shown first, known to the registry or not.
        """
        self._here = here
        self._lock = threading.Lock()
        self._asked_at = -EVERYONE_EVERY_S
        self._found: list[dict[str, Any]] = []
        self._places: dict[str, Places] = {}

    def look(self) -> list[dict[str, Any]]:
        """How each of them is."""
        with self._lock:
            if time.monotonic() - self._asked_at >= EVERYONE_EVERY_S:
                self._places = self._all()
                self._found = [_line(key, places) for key, places in self._places.items()]
                self._asked_at = time.monotonic()
            return self._found

    def find(self, key: str) -> Places | None:
        """The one with this key; "" is the one whose page this is."""
        if not key or key == key_of(self._here):
            return self._here
        with self._lock:
            return self._places.get(key) or self._all().get(key)

    def _all(self) -> dict[str, Places]:
        others = {key_of(places): places for places in registry.entries()[:MOST_WATCHDOGS]}
        return {key_of(self._here): self._here} | others


def _line(key: str, places: Places) -> dict[str, Any]:
    line: dict[str, Any] = {"key": key, "name": places.name, "folder": places.folder}
    try:
        report = read_status(places.folder, places.name)
    except (WatchdogError, OSError, ValueError, LookupError, TypeError):
        return line | {"state": "unknown", "health": "unknown", "exit_code": 4}
    return line | {
        "state": report.state.value,
        "health": report.health.value,
        "exit_code": int(report.exit_code),
    }


class Extras:
    """Of one watchdog; one thread at a time may look."""

    def __init__(self, places: Places, everyone: Everyone, keepalive: Callable[[], object]) -> None:
        """Nothing is read yet."""
        self._places = places
        self._everyone = everyone
        self._keepalive = keepalive
        self._tokens = _Paced(TOKENS_EVERY_S, TokenFile(places.folder).look)
        self._past = _Paced(PAST_EVERY_S, self._read_past)
        self._incidents = _Paced(TOKENS_EVERY_S, lambda: list_incidents(places))

    def report(self) -> StatusReport:
        """How it is now."""
        return read_status(self._places.folder, self._places.name)

    def look(self) -> Mapping[str, Any]:
        """All of it by the name of the message in which it goes to the page."""
        return {
            "past": self._past.look(),
            "tokens": self._tokens.look(),
            "incidents": self._incidents.look(),
            "everyone": self._everyone.look(),
            "keepalive": self._keepalive(),
        }

    def past_changed(self) -> None:
        """Something happened that the past should show soon."""
        self._past.hurry()

    def _read_past(self) -> Mapping[str, object] | None:
        try:
            report = read_report(
                self._places.folder, self._places.name, since_s=PAST_S, label="24h", parts=PAST_PARTS
            )
        except (WatchdogError, OSError):
            return None
        return report.mapping()


class _Paced:
    """Reads something not more often than it is worth."""

    def __init__(self, every_s: float, read: Callable[[], Any]) -> None:
        self._every_s = every_s
        self._read = read
        self._at = -every_s
        self._value: Any = None

    def look(self) -> Any:
        now = time.monotonic()
        if now - self._at >= self._every_s:
            self._at, self._value = now, self._read()
        return self._value

    def hurry(self) -> None:
        self._at = min(self._at, time.monotonic() - self._every_s + 1.0)
