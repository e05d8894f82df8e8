"""How often each service may be called: at most 90 % of what it bears, counted over restarts too."""

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import field
from typing import Any

from watchdog_kit.atomic_file import write_atomic
from watchdog_kit.damage import DAMAGE
from watchdog_kit.records import dataclass

WINDOW_S = 60.0
SHARE = 0.9
LONGEST_PAUSE_S = 3600.0


@dataclass(slots=True)
class _Account:
    calls: deque[float] = field(default_factory=deque)  # monotonic
    paused_until: float = 0.0  # monotonic


class Budget:
    """The accounts of all services, kept in a file: a tracker that is restarted in a loop must not burst.

    Args:
        path: the file; without it the counting goes on in memory.
        clock: monotonic seconds.
        wall: seconds of the wall clock, for the file only.
    """

    def __init__(
        self,
        path: str,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._clock = clock
        self._wall = wall
        self._accounts: dict[str, _Account] = {}
        self._guard = threading.RLock()
        self._load()

    def _load(self) -> None:
        try:
            with open(self._path, "rb") as file:
                told = json.loads(file.read(4 * 1024 * 1024))
            hosts = dict(told["hosts"])
        except (OSError, *DAMAGE):
            return
        now, wall = self._clock(), self._wall()
        for name, account in hosts.items():
            try:
                calls = [float(at) for at in account["calls"]]
                # Never longer than it was when it was noted, though the clock was set back since.
                pause = min(float(account["pausedUntil"]) - wall, float(account["pausedFor"]))
            except DAMAGE:
                continue
            # A clock that was set back makes old calls look like future ones: they count as made just now.
            ages = sorted((max(0.0, wall - at) for at in calls if math.isfinite(at)), reverse=True)
            recent = deque(now - age for age in ages if age < WINDOW_S)
            until = now + min(pause, LONGEST_PAUSE_S) if math.isfinite(pause) else 0.0
            self._accounts[str(name)] = _Account(recent, until)

    def _save(self) -> None:
        now, wall = self._clock(), self._wall()
        hosts: dict[str, Any] = {
            name: {
                "calls": [round(wall - (now - at), 3) for at in account.calls],
                "pausedUntil": round(wall + max(0.0, account.paused_until - now), 3),
                "pausedFor": round(max(0.0, account.paused_until - now), 3),
            }
            for name, account in self._accounts.items()
        }
        try:
            write_atomic(self._path, json.dumps({"v": 1, "hosts": hosts}).encode(), durable=False)
        except OSError:
            # A full disk: the counting goes on in memory. Touching nothing else is the best that can be done.
            return

    def _account(self, name: str) -> _Account:
        return self._accounts.setdefault(name, _Account())

    def take(self, name: str, per_minute: int) -> bool:
        """Take one call from an account; False when none is left at the moment.

        The call is noted before it is made: one too many in the book is better than one too many made.
        """
        with self._guard:
            account = self._account(name)
            now = self._clock()
            while account.calls and now - account.calls[0] >= WINDOW_S:
                account.calls.popleft()
            if now < account.paused_until or len(account.calls) >= max(1, int(per_minute * SHARE)):
                return False
            account.calls.append(now)
            self._save()
            return True

    def pause(self, name: str, seconds: float) -> None:
        """Leave a service alone for so long, over restarts too."""
        with self._guard:
            account = self._account(name)
            until = self._clock() + min(seconds, LONGEST_PAUSE_S * 1.1)
            account.paused_until = max(account.paused_until, until)
            self._save()

    def paused_s(self, name: str) -> float:
        """Return for how long a service still has to be left alone."""
        with self._guard:
            return max(0.0, self._account(name).paused_until - self._clock())
