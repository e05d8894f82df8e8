"""How much memory and CPU time a process tree uses, on Windows."""

import os
import sys

from watchdog_cli.adapters.windows import processes

assert sys.platform == "win32"

REFRESH = 8  # measurements between two looks at who belongs to the tree
MOST_MEMBERS = 200  # of a larger tree the rest is not measured


class TreeUsage:
    """One tree, from its leader down."""

    def __init__(self, leader: int, start_ticks: int) -> None:
        """Remember who leads it; nothing is read yet."""
        self._leader = leader
        self._start_ticks = start_ticks
        self._others: dict[int, int] = {}
        self._left = 0

    def measure(self) -> tuple[int, float] | None:
        """Resident bytes of the tree, and CPU seconds that its members have used so far; None without leader."""
        leader = processes.stat(self._leader)
        if leader is None or leader.start_ticks != self._start_ticks:
            return None
        if self._left <= 0:
            self._others = self._find_others()
            self._left = REFRESH
        self._left -= 1
        resident, ticks = processes.resident_bytes(leader.pid), leader.cpu_ticks
        for pid, start in list(self._others.items()):
            found = processes.stat(pid)
            if found is None or found.start_ticks != start:
                del self._others[pid]
                continue
            resident += processes.resident_bytes(pid)
            ticks += found.cpu_ticks
        return resident, processes.cpu_seconds(ticks)

    def close(self) -> None:
        """Nothing is held open."""

    def _find_others(self) -> dict[int, int]:
        everyone = processes.everybody()
        below = sorted(processes.descendants({self._leader}, everyone) - {os.getpid()})
        return {pid: everyone[pid].start_ticks for pid in below[:MOST_MEMBERS] if pid in everyone}
