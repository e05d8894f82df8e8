"""Watch one watchdog for somebody who stays: the page and the live screen look here again and again."""

import time
from collections.abc import Mapping
from typing import Any

from watchdog_cli.adapters import foreign_json
from watchdog_cli.adapters.line_feed import LineFeed
from watchdog_cli.adapters.log_text import for_screen
from watchdog_cli.adapters.system import processes, usages
from watchdog_cli.core.report import StatusReport
from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.status import read_status
from watchdog_cli.wiring.takeover import read_snapshot
from watchdog_kit.records import dataclass

LINES = 200
FACTS = 60
LINE_SHOWN = 2000  # characters of one line
LOG_LOOKED_FOR_S = 5.0  # how often the state is asked where the log lies


@dataclass(frozen=True, slots=True)
class Usage:
    """What the program and all that it started use; CPU since the last look, None at the first one."""

    rss_bytes: int
    cpu_percent: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen this time.

    Args:
        facts: of the journal, oldest first: all that are kept at the first look, then only new ones.
        lines: of the log, likewise, as they may be shown.
        lines_missing: lines were left out before these, for there were too many.
    """

    report: StatusReport
    usage: Usage | None
    facts: tuple[Mapping[str, Any], ...]
    lines: tuple[str, ...]
    lines_missing: bool


class Scene:
    """Reads only what is new since the last look; one thread at a time may look."""

    def __init__(self, places: Places, *, lines: int = LINES, facts: int = FACTS) -> None:
        """Nothing is read yet."""
        self.places = places
        self._keep = lines
        self._journal = LineFeed(places.journal, facts)
        self._log: LineFeed | None = None
        self._log_asked = 0.0
        self._tree: tuple[int, usages.TreeUsage] | None = None
        self._cpu: tuple[float, float] | None = None

    def look(self) -> Look:
        """See how it is now, and what has been added."""
        report = read_status(self.places.folder, self.places.name)
        facts = tuple(fact for fact in map(_fact, self._journal.more()[0]) if fact)
        lines, missing = self._log_feed().more()
        return Look(report, self._usage(report), facts, tuple(map(shown_line, lines)), missing)

    def close(self) -> None:
        """Let all files go."""
        self._journal.close()
        if self._log is not None:
            self._log.close()

    def _log_feed(self) -> LineFeed:
        """The feed of the log, wherever the present watchdog writes it."""
        now = time.monotonic()
        if self._log is None or now - self._log_asked > LOG_LOOKED_FOR_S:
            self._log_asked = now
            path = log_path(self.places)
            if self._log is None or self._log.path != path:
                if self._log is not None:
                    self._log.close()
                self._log = LineFeed(path, self._keep)
        return self._log

    def _usage(self, report: StatusReport) -> Usage | None:
        if report.child is None:
            self._tree = self._cpu = None
            return None
        pid = report.child.pid
        found = processes.stat(pid)
        if found is None:
            return None
        identity = hash((pid, found.start_ticks))
        if self._tree is None or self._tree[0] != identity:
            self._tree, self._cpu = (identity, usages.TreeUsage(pid, found.start_ticks)), None
        measured = self._tree[1].measure()
        if measured is None:
            return None
        rss, cpu_s = measured
        now = time.monotonic()
        percent = None
        if self._cpu is not None and now > self._cpu[0]:
            percent = round(max(0.0, 100 * (cpu_s - self._cpu[1]) / (now - self._cpu[0])), 1)
        self._cpu = now, cpu_s
        return Usage(rss, percent)


def log_path(places: Places) -> str:
    """Where the log of the program lies, as the newest watchdog of this name has noted it."""
    snapshot, _ = read_snapshot(places, repair=False)
    return places.log if snapshot is None else Places(places.folder, places.name, snapshot.log_dir).log


def shown_line(data: bytes) -> str:
    """A line of the log without its end, harmless and of bearable length."""
    text = for_screen(data, colours=False)
    return text if len(text) <= LINE_SHOWN else f"{text[:LINE_SHOWN]} …"


def _fact(line: bytes) -> Mapping[str, Any]:
    try:
        found = foreign_json.parse(line)
    except ValueError:  # half a line after a crash, or damage
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("fact"), str) else {}
