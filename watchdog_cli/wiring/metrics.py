"""Look at some watchdogs for the metrics: at the present each time, at the past now and then."""

import threading
import time
from collections.abc import Callable, Sequence

from watchdog_cli.adapters.log_runs import journal_stamp
from watchdog_cli.core.errors import WatchdogError
from watchdog_cli.core.uptime_report import DAY_S, UptimeReport
from watchdog_cli.sinks.metrics import Look, metrics_text
from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.report import has_history, read_report
from watchdog_cli.wiring.status import read_status
from watchdog_kit.records import dataclass

PAST_EVERY_S = 60.0  # chosen: a look back reads megabytes, and windows of a day do not hurry
PAST_COST = 20.0  # after a new fact it is read sooner, yet never for more than this part of the time
PRESENT_EVERY_S = 0.5  # two that scrape at once get the same answer
PARTS = 1  # no charts


@dataclass(frozen=True, slots=True)
class _Past:
    report: UptimeReport | None
    stamp: tuple[int, int]
    read_at: float
    took_s: float


class MetricsReader:
    """Makes the text; any thread may ask."""

    def __init__(self, watched: Callable[[], Sequence[Places]]) -> None:
        """Nothing is read yet.

        Args:
            watched: of which watchdogs; asked anew each time.
        """
        self._watched = watched
        self._lock = threading.Lock()
        self._past: dict[tuple[str, str], _Past] = {}
        self._text = b""
        self._read_at = -PRESENT_EVERY_S

    def read(self) -> bytes:
        """The metrics as they are now.

        Raises:
            ConfigError: the extra is not installed.
        """
        with self._lock:
            if time.monotonic() - self._read_at >= PRESENT_EVERY_S:
                self._text = metrics_text(list(self._looks()))
                self._read_at = time.monotonic()
            return self._text

    def _looks(self) -> list[Look]:
        looks = []
        for places in self._watched():
            try:
                looks.append((read_status(places.folder, places.name), self._past_of(places)))
            except (WatchdogError, OSError):
                continue  # its folder has just gone; the others still have something to tell
        return looks

    def _past_of(self, places: Places) -> UptimeReport | None:
        key = (places.folder, places.name)
        known = self._past.get(key)
        stamp = journal_stamp(places.journal)
        begun = time.monotonic()
        if known is not None:
            rest_s = PAST_EVERY_S if stamp == known.stamp else min(PAST_EVERY_S, known.took_s * PAST_COST)
            if begun - known.read_at < rest_s:
                return known.report
        report = None
        if has_history(*key):
            report = read_report(*key, since_s=DAY_S, label="24h", parts=PARTS)
        now = time.monotonic()
        self._past[key] = _Past(report, stamp, now, now - begun)
        return report
