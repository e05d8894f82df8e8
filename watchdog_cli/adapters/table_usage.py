"""How much memory and CPU time a process tree uses, where the system gives a table of all processes."""

import os

from watchdog_cli.adapters.tree import Processes

REFRESH = 8  # measurements between two looks at who belongs to the tree
MOST_MEMBERS = 200  # of a larger tree the rest is not measured


class TableUsage:
    """One tree, from its leader down, with the orphans of its session."""

    processes: Processes

    def __init__(self, leader: int, start_ticks: int) -> None:
        """Remember who leads it; nothing is read yet."""
        self._leader = leader
        self._start_ticks = start_ticks
        self._others: dict[int, int] = {}
        self._left = 0  # measurements until the next look

    def measure(self) -> tuple[int, float] | None:
        """Resident bytes of the tree, and CPU seconds that its members have used so far; None without leader."""
        leader = self.processes.stat(self._leader)
        if leader is None or leader.start_ticks != self._start_ticks or leader.is_zombie:
            return None
        if self._left <= 0:
            self._others = self._find_others()
            self._left = REFRESH
        self._left -= 1
        resident, ticks = self.processes.resident_bytes(leader.pid), leader.cpu_ticks
        for pid, start in list(self._others.items()):
            found = self.processes.stat(pid)
            if found is None or found.start_ticks != start or found.is_zombie:
                del self._others[pid]
                continue
            resident += self.processes.resident_bytes(pid)
            ticks += found.cpu_ticks
        return resident, self.processes.cpu_seconds(ticks)

    def close(self) -> None:
        """Nothing is held open."""

    def _find_others(self) -> dict[int, int]:
        """Who belongs to the tree beside its leader, with their start ticks."""
        everyone = self.processes.everybody()
        roots = {pid for pid, one in everyone.items() if one.session == self._leader} | {self._leader}
        found = sorted((roots | self.processes.descendants(roots, everyone)) - {os.getpid(), self._leader})
        return {pid: everyone[pid].start_ticks for pid in found[:MOST_MEMBERS] if pid in everyone}
