"""How much memory and CPU time a process tree uses, for next to nothing: asked every few seconds for months.

Looking through all of /proc would cost more than all the rest of an idle watchdog, so the members are found by the
lists of children that the kernel keeps, and only now and then.
"""

import os

from watchdog_cli.adapters import procfs

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
REFRESH = 4  # measurements between two looks at who belongs to the tree
REFRESH_ALONE = 20  # and for a program that had no helpers so far: each look costs as much as a measurement
MOST_MEMBERS = 200  # of a larger tree the rest is not measured
MOST_THREADS = 64  # any of which may have started a process
# Fields of /proc/PID/stat behind the name, which may itself hold spaces.
_SESSION, _USER, _REAPED_SYSTEM, _START, _RSS = 3, 11, 14, 19, 21  # user, system, reaped user, reaped system


class TreeUsage:
    """One tree, from its leader down, with the orphans that were given to us."""

    def __init__(self, leader: int, start_ticks: int) -> None:
        """Remember who leads it; nothing is read yet."""
        self._leader = leader
        self._start_ticks = start_ticks
        self._leader_stat = -1  # held open, for it is asked most
        self._others: dict[int, int] = {}
        self._left = 0  # measurements until the next look

    def measure(self) -> tuple[int, float] | None:
        """Resident bytes of the tree, and CPU seconds that it and what it has reaped have used so far.

        None when its leader is gone.
        """
        fields = self._leader_fields()
        if fields is None or int(fields[_START]) != self._start_ticks or fields[_RSS] == b"0":
            return None  # a dead one that was not reaped yet has no memory any more
        if self._left <= 0:
            self._others = self._find_others()
            self._left = REFRESH if self._others else REFRESH_ALONE
        self._left -= 1
        pages, ticks = int(fields[_RSS]), _ticks(fields)
        for pid, start in list(self._others.items()):
            found = _fields(pid)
            if found is None or int(found[_START]) != start:
                del self._others[pid]
                continue
            pages += int(found[_RSS])
            ticks += _ticks(found)
        return pages * _PAGE, procfs.cpu_seconds(ticks)

    def close(self) -> None:
        """Let the leader's file go."""
        if self._leader_stat >= 0:
            os.close(self._leader_stat)
            self._leader_stat = -1

    def _leader_fields(self) -> list[bytes] | None:
        try:
            if self._leader_stat < 0:
                self._leader_stat = os.open(f"/proc/{self._leader}/stat", os.O_RDONLY)
            raw = os.pread(self._leader_stat, 4096, 0)
        except OSError:  # it is gone
            return None
        return raw.rpartition(b") ")[2].split()

    def _find_others(self) -> dict[int, int]:
        """Who belongs to the tree beside its leader, with their start ticks."""
        found: dict[int, int] = {}
        todo = [self._leader]
        me = os.getpid()
        for pid in _children(me, [str(me)]):  # the kernel gives orphans to our main thread
            fields = _fields(pid) if pid != self._leader else None
            if fields is not None and int(fields[_SESSION]) == self._leader:
                found[pid] = int(fields[_START])
                todo.append(pid)
        while todo and len(found) < MOST_MEMBERS:
            for pid in _children(todo.pop(), None):
                fields = _fields(pid) if pid not in found else None
                if fields is not None:
                    found[pid] = int(fields[_START])
                    todo.append(pid)
        return found


def _ticks(fields: list[bytes]) -> int:
    return sum(map(int, fields[_USER : _REAPED_SYSTEM + 1]))


def _fields(pid: int) -> list[bytes] | None:
    raw = _read(f"/proc/{pid}/stat")
    return raw.rpartition(b") ")[2].split() if raw else None


def _children(pid: int, threads: list[str] | None) -> list[int]:
    """Those whom the threads of a process have started, or were given as orphans."""
    if threads is None:
        try:
            threads = os.listdir(f"/proc/{pid}/task")[:MOST_THREADS]
        except OSError:
            return []
    return [
        int(child) for thread in threads for child in _read(f"/proc/{pid}/task/{thread}/children").split()
    ]


def _read(path: str) -> bytes:
    """What one call reads: all of what we ask for, but for a list of more children than we measure."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 4096)
    except OSError:  # it has just ended
        return b""
    finally:
        os.close(descriptor)
