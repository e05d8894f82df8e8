"""What macOS says of processes, in the words of ``procfs``.

A process is identified by (pid, start ticks): here the ticks are the microseconds of its start as the kernel wrote them
down when it was made. Setting the clock does not change what was written.
"""

import os
import time

from watchdog_cli.adapters.macos import kernel
from watchdog_cli.adapters.procfs import Stat, descendants

__all__ = [
    "Stat",
    "age_s",
    "boot_id",
    "catches",
    "command_line",
    "cpu_seconds",
    "descendants",
    "environment_has",
    "environment_value",
    "everybody",
    "is_same",
    "resident_bytes",
    "sees_another",
    "stat",
    "ticks_now",
    "uptime_s",
]

TICKS = 1_000_000  # to a second


def stat(pid: int) -> Stat | None:
    """The process ``pid`` as it is now; None when there is none. A zombie is returned as such."""
    found = kernel.one_process(pid) if pid > 0 else None
    return _stat(found) if found is not None and found.pid == pid else None


def _stat(one: kernel.KernelProcess) -> Stat:
    task = None if one.status == kernel.SZOMB else kernel.task_info(one.pid)
    ticks = 0 if task is None else (task.user + task.system) * kernel.nanoseconds_per_tick() / 1000
    try:
        session = os.getsid(one.pid)
    except OSError:  # it has just ended
        session = 0
    return Stat(
        pid=one.pid,
        name=one.name.decode("utf-8", "replace"),
        state={kernel.SZOMB: "Z", kernel.SSTOP: "T"}.get(one.status, "R"),
        parent=one.parent,
        group=one.group,
        session=session,
        cpu_ticks=int(ticks),
        start_ticks=one.started.seconds * TICKS + one.started.microseconds,
        threads=1 if task is None else max(1, task.threads),
    )


def is_same(pid: int, start_ticks: int) -> bool:
    """Whether the process with this identity lives (a zombie does not)."""
    found = stat(pid)
    return found is not None and found.start_ticks == start_ticks and not found.is_zombie


def everybody() -> dict[int, Stat]:
    """All processes, by pid; of those of other users, memory and times are not known."""
    return {one.pid: _stat(one) for one in kernel.all_processes() if one.pid > 0}


def environment_has(pid: int, entry: bytes) -> bool:
    """Whether ``NAME=value`` stands in the environment with which the process was started."""
    found = kernel.arguments(pid)
    return found is not None and entry in found[1]


def environment_value(pid: int, name: bytes) -> bytes | None:
    """The value of ``name`` in the environment with which the process was started."""
    _, environment = kernel.arguments(pid) or ([], [])
    for entry in environment:
        key, equals, value = entry.partition(b"=")
        if equals and key == name:
            return value
    return None


def sees_another(pid: int, path: str) -> bool:  # noqa: ARG001 - no process has a file system of its own here
    """Whether a path leads that process to something else than us."""
    return False


def command_line(pid: int) -> list[str]:
    """The arguments of a process; empty when they cannot be read."""
    words, _ = kernel.arguments(pid) or ([], [])
    return [os.fsdecode(word) for word in words]


def resident_bytes(pid: int) -> int:
    """Resident memory of one process; 0 when it is gone or another user's."""
    task = kernel.task_info(pid)
    return 0 if task is None else int(task.resident)


def catches(pid: int, signal_number: int) -> bool:
    """Whether the process has a handler for the signal, so that sending it does not kill."""
    found = kernel.one_process(pid)
    return found is not None and bool(found.caught >> (signal_number - 1) & 1)


def boot_id() -> str:
    """A name for the time since the last boot; monotonic instants of another one mean nothing."""
    return kernel.boot_session()


def uptime_s() -> float:
    """Seconds since boot, without those in which the machine slept."""
    return time.monotonic()


def ticks_now() -> int:
    """The start ticks that a process would get now."""
    return int(time.time() * TICKS)


def age_s(start_ticks: int) -> float:
    """How long ago a process with these start ticks began; for display, as it moves with the clock."""
    return max(0.0, (ticks_now() - start_ticks) / TICKS)


def cpu_seconds(ticks: int) -> float:
    """CPU ticks in seconds."""
    return ticks / TICKS
