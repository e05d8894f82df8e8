"""How much memory and CPU time a process tree uses, for next to nothing: asked every few seconds for months.

Looking through all of /proc would cost more than all the rest of an idle watchdog, so the members are found by the
lists of children that the kernel keeps, and only now and then.
"""

import os

from watchdog_cli.adapters import procfs

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
REFRESH = 4  # measurements between two looks at who belongs to the tree
MOST_MEMBERS = 200  # of a larger tree the rest is not measured
MOST_THREADS = 64  # any of which may have started a process
# Fields of /proc/PID/stat behind the name, which may itself hold spaces.
_SESSION, _USER, _SYSTEM, _REAPED_USER, _REAPED_SYSTEM, _START, _RSS = 3, 11, 12, 13, 14, 19, 21


class TreeUsage:
    """One tree, from its leader down, with the orphans that were given to us."""

    def __init__(self, leader: int, start_ticks: int) -> None:
        """Remember who leads it; nothing is read yet."""
        self._leader = leader
        self._start_ticks = start_ticks
        self._members: dict[int, int] = {leader: start_ticks}
        self._asked = 0

    def measure(self) -> tuple[int, float] | None:
        """Resident bytes of the tree, and CPU seconds that it and what it has reaped have used so far.

        None when its leader is gone.
        """
        if self._asked % REFRESH == 0:
            self._find_members()
        self._asked += 1
        pages = ticks = 0
        for pid, start in list(self._members.items()):
            fields = _fields(pid)
            if fields is None or int(fields[_START]) != start:
                del self._members[pid]
                if pid == self._leader:
                    return None
                continue
            pages += int(fields[_RSS])
            ticks += sum(map(int, fields[_USER : _REAPED_SYSTEM + 1]))
        return pages * _PAGE, procfs.cpu_seconds(ticks)

    def _find_members(self) -> None:
        found = {self._leader: self._start_ticks}
        todo = [self._leader]
        for pid in _children(os.getpid(), [str(os.getpid())]):  # the kernel gives orphans to our main thread
            fields = _fields(pid)
            if fields is not None and int(fields[_SESSION]) == self._leader and pid not in found:
                found[pid] = int(fields[_START])
                todo.append(pid)
        while todo and len(found) < MOST_MEMBERS:
            for pid in _children(todo.pop(), None):
                fields = _fields(pid) if pid not in found else None
                if fields is not None:
                    found[pid] = int(fields[_START])
                    todo.append(pid)
        self._members = found


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
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 4096)
    except OSError:  # it has just ended
        return b""
    finally:
        os.close(descriptor)
