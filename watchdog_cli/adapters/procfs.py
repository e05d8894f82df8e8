"""What the Linux kernel says of processes, read from /proc without any helper library.

A process is identified by (pid, start ticks): the kernel's own count of clock ticks from boot to its start. Unlike a
creation *time* it does not move when the wall clock is stepped.
"""

import os

from watchdog_kit.records import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
READ_LIMIT = 1 << 20  # environments and command lines are read up to here


@dataclass(frozen=True, slots=True)
class Stat:
    """One line of /proc/PID/stat, the parts that we use.

    Args:
        cpu_ticks: user and system time of all threads.
    """

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int
    cpu_ticks: int
    start_ticks: int
    threads: int = 1

    @property
    def is_zombie(self) -> bool:
        """Whether it is dead and only waits to be reaped; one whose main thread alone has ended works on."""
        return self.state in "ZX" and self.threads <= 1


def _read(path: str, limit: int = READ_LIMIT) -> bytes | None:
    """The bytes of a /proc file; None when the process is gone or not ours to look at."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        parts = []
        while limit > 0:
            part = os.read(descriptor, min(limit, 65536))
            if not part:
                break
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def stat(pid: int) -> Stat | None:
    """The process ``pid`` as it is now; None when there is none. A zombie is returned as such."""
    raw = _read(f"/proc/{pid}/stat", 4096)
    if not raw:
        return None
    # The name stands in brackets and may itself hold brackets, spaces and line ends.
    head, _, tail = raw.rpartition(b")")
    fields = tail.split()
    name = head.partition(b"(")[2].decode("utf-8", "replace")
    return Stat(
        pid=pid,
        name=name,
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        start_ticks=int(fields[19]),
        threads=int(fields[17]),
    )


def is_same(pid: int, start_ticks: int) -> bool:
    """Whether the process with this identity lives (a zombie does not)."""
    found = stat(pid)
    return found is not None and found.start_ticks == start_ticks and not found.is_zombie


def everybody() -> dict[int, Stat]:
    """All processes that can be seen, by pid."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            one = stat(int(entry))
            if one is not None:
                found[one.pid] = one
    return found


def descendants(of: set[int], processes: dict[int, Stat]) -> set[int]:
    """All pids below those in ``of``, themselves not included unless they lie below another."""
    children: dict[int, list[int]] = {}
    for one in processes.values():
        children.setdefault(one.parent, []).append(one.pid)
    found: set[int] = set()
    todo = list(of)
    while todo:
        for pid in children.get(todo.pop(), ()):
            if pid not in found:
                found.add(pid)
                todo.append(pid)
    return found


def environment_has(pid: int, entry: bytes) -> bool:
    """Whether ``NAME=value`` stands in the environment with which the process was started."""
    raw = _read(f"/proc/{pid}/environ")
    return raw is not None and entry in raw.split(b"\0")


def environment_value(pid: int, name: bytes) -> bytes | None:
    """The value of ``name`` in the environment with which the process was started."""
    raw = _read(f"/proc/{pid}/environ")
    for entry in (raw or b"").split(b"\0"):
        key, equals, value = entry.partition(b"=")
        if equals and key == name:
            return value
    return None


def sees_another(pid: int, path: str) -> bool:
    """Whether a path leads that process to something else than us, as in a container; False where nobody can tell."""
    try:
        theirs, ours = os.stat(f"/proc/{pid}/root{path}"), os.stat(path)
    except OSError:
        return False
    return (theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino)


def command_line(pid: int) -> list[str]:
    """The arguments of a process; empty when they cannot be read."""
    raw = _read(f"/proc/{pid}/cmdline") or b""
    return [os.fsdecode(part) for part in raw.removesuffix(b"\0").split(b"\0")] if raw else []


def resident_bytes(pid: int) -> int:
    """Resident memory of one process; 0 when it is gone."""
    raw = _read(f"/proc/{pid}/statm", 256)
    return int(raw.split()[1]) * _PAGE if raw else 0


def catches(pid: int, signal_number: int) -> bool:
    """Whether the process has a handler for the signal, so that sending it does not kill."""
    raw = _read(f"/proc/{pid}/status", 16384) or b""
    for line in raw.splitlines():
        if line.startswith(b"SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal_number - 1) & 1)
    return False


def boot_id() -> str:
    """A name for the time since the last boot; monotonic instants of another one mean nothing."""
    return (_read("/proc/sys/kernel/random/boot_id", 64) or b"").decode().strip()


def uptime_s() -> float:
    """Seconds since boot, on the clock that start ticks count."""
    raw = _read("/proc/uptime", 64) or b"0"
    return float(raw.split()[0])


def ticks_now() -> int:
    """The start ticks that a process would get now."""
    return int(uptime_s() * _TICKS)


def age_s(start_ticks: int) -> float:
    """How long ago a process with these start ticks began."""
    return max(0.0, uptime_s() - start_ticks / _TICKS)


def cpu_seconds(ticks: int) -> float:
    """CPU ticks in seconds."""
    return ticks / _TICKS
