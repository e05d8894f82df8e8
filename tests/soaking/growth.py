"""Does a process grow? A whole early window is compared with a whole late one, never one lucky moment with another."""

import contextlib
import os
from collections import defaultdict
from pathlib import Path

LIMITS = {"descriptors": 64.0, "threads": 10.0, "rss_mb": 60.0, "files": 400.0}
LEAST_LOOKS = 30
LONG_LIFE_S = 90.0
# An allocator keeps what it once had; incidents and backups have their bounds.
SLACK = {"rss_mb": 1.0, "files": 60.0}
_ASIDE = ("tracked_tokens.damaged-", "tracked_tokens.set-aside-")  # kept for a person, whatever happens


class Growth:
    """Looks at watchdogs and their folder, and judges the whole soak and each long life of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all: list[dict[str, float]] = []
        self._lives: defaultdict[int, list[tuple[float, dict[str, float]]]] = defaultdict(list)
        self.most = dict.fromkeys(LIMITS, 0.0)

    def look(self, pid: int, now: float) -> list[str]:
        """Measure one; say which hard limit it is over."""
        measured = measure(pid)
        if measured is None:
            return []
        measured["files"] = files_in(self._folder)
        self._all.append(measured)
        self._lives[pid].append((now, measured))
        self.most = {key: max(self.most[key], measured[key]) for key in LIMITS}
        return [f"the watchdog has {measured[key]:g} {key}" for key in LIMITS if measured[key] > LIMITS[key]]

    def judge(self) -> list[str]:
        """Say what grew."""
        found = [f"over the whole soak {text}" for text in grown(self._all)]
        for pid, looks in self._lives.items():
            if looks[-1][0] - looks[0][0] >= LONG_LIFE_S:
                found += [f"in watchdog {pid} {text}" for text in grown([one for _, one in looks])]
        return found

    @property
    def long_lives(self) -> int:
        """How many watchdogs lived long enough to be judged alone."""
        return sum(looks[-1][0] - looks[0][0] >= LONG_LIFE_S for looks in self._lives.values())


def measure(pid: int) -> dict[str, float] | None:
    """What a process holds; None when it is gone or begins."""
    with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
        if b"\0run\0" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return None
        status = Path(f"/proc/{pid}/status").read_text()
        values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return {
            "descriptors": float(len(os.listdir(f"/proc/{pid}/fd"))),
            "threads": float(values["Threads"]),
            "rss_mb": int(values["VmRSS"].split()[0]) / 1024,
        }
    return None


def files_in(folder: Path) -> float:
    """How many files lie there, but for those that are kept for a person."""
    return float(sum(not name.startswith(_ASIDE) for _, _, names in os.walk(folder) for name in names))


def grown(looks: list[dict[str, float]]) -> list[str]:
    """Name what even in the lightest late look is more than in the heaviest early one."""
    third = len(looks) // 3
    if third < LEAST_LOOKS:
        return []
    found = []
    for key in looks[0]:
        early = max(look[key] for look in looks[:third])
        late = min(look[key] for look in looks[-third:])
        if late > early + SLACK.get(key, 0):
            found.append(f"{key} grew from at most {early:g} to at least {late:g}")
    return found
