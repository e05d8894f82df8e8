"""What Windows says of processes, in the words of ``procfs``.

A process is identified by (pid, start ticks): here the ticks are the creation time in units of 100 ns as the kernel
wrote it down when the process was made. Setting the clock does not change what was written.
"""

import ctypes
import os
import sys
import time
from ctypes import wintypes
from functools import cache

from watchdog_cli.adapters.procfs import Stat, descendants
from watchdog_cli.adapters.windows import api

assert sys.platform == "win32"

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

TICKS = 10_000_000  # to a second
_EPOCH_S = 11_644_473_600  # from the first day of Windows' calendar to that of Unix
_PROCESSES = 2  # TH32CS_SNAPPROCESS
_TIME_OF_DAY = 3  # SystemTimeOfDayInformation


class _Entry(ctypes.Structure):
    _fields_ = (
        ("size", wintypes.DWORD),
        ("usage", wintypes.DWORD),
        ("pid", wintypes.DWORD),
        ("heap", ctypes.c_size_t),
        ("module", wintypes.DWORD),
        ("threads", wintypes.DWORD),
        ("parent", wintypes.DWORD),
        ("priority", wintypes.LONG),
        ("flags", wintypes.DWORD),
        ("name", wintypes.WCHAR * 260),
    )


class _Memory(ctypes.Structure):
    _fields_ = (
        ("size", wintypes.DWORD),
        ("faults", wintypes.DWORD),
        ("peak", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        ("rest", ctypes.c_size_t * 6),
    )


def stat(pid: int) -> Stat | None:
    """The process ``pid`` as it is now; None when there is none. Its parent is known to ``everybody`` only."""
    return _look(pid, "", 0, 1)


def _look(pid: int, name: str, parent: int, threads: int) -> Stat | None:
    handle = api.open_process(pid, api.QUERY | api.SYNCHRONIZE)
    if handle is None:
        return None
    try:
        if api.has_ended(handle):
            return None
        times = [ctypes.c_ulonglong() for _ in range(4)]
        if not api.kernel32.GetProcessTimes(handle, *map(ctypes.byref, times)):
            return None
        created, _, kernel, user = (one.value for one in times)
        return Stat(
            pid=pid,
            name=name or _image(handle),
            state="R",
            parent=parent,
            group=0,
            session=0,
            cpu_ticks=kernel + user,
            start_ticks=created,
            threads=threads,
        )
    finally:
        api.close(handle)


def _image(handle: int) -> str:
    room = ctypes.create_unicode_buffer(1024)
    size = wintypes.DWORD(len(room))
    if not api.kernel32.QueryFullProcessImageNameW(handle, 0, room, ctypes.byref(size)):
        return ""
    return os.path.basename(room.value)


def is_same(pid: int, start_ticks: int) -> bool:
    """Whether the process with this identity lives."""
    found = stat(pid)
    return found is not None and found.start_ticks == start_ticks


def everybody() -> dict[int, Stat]:
    """All processes that we may look at, by pid."""
    snapshot = api.kernel32.CreateToolhelp32Snapshot(_PROCESSES, 0)
    if not snapshot or snapshot == api.INVALID_HANDLE:
        return {}
    found: dict[int, Stat] = {}
    try:
        entry = _Entry(size=ctypes.sizeof(_Entry))
        more = api.kernel32.Process32FirstW(snapshot, ctypes.byref(entry))
        while more:
            one = _look(entry.pid, entry.name, entry.parent, entry.threads)
            if one is not None:
                found[one.pid] = one
            more = api.kernel32.Process32NextW(snapshot, ctypes.byref(entry))
    finally:
        api.close(snapshot)
    return {pid: _with_true_parent(one, found) for pid, one in found.items()}


def _with_true_parent(one: Stat, everyone: dict[int, Stat]) -> Stat:
    """A process keeps the number of a parent that is gone, and somebody younger may have it by now."""
    parent = everyone.get(one.parent)
    if parent is None or parent.start_ticks <= one.start_ticks:
        return one
    from dataclasses import replace

    return replace(one, parent=0)


def environment_has(pid: int, entry: bytes) -> bool:
    """Whether ``NAME=value`` stands in its environment; nobody asks here, for no child outlives its watchdog."""
    del pid, entry
    return False


def environment_value(pid: int, name: bytes) -> bytes | None:
    """As ``environment_has``."""
    del pid, name
    return None


def sees_another(pid: int, path: str) -> bool:  # noqa: ARG001 - no process has a file system of its own here
    """Whether a path leads that process to something else than us."""
    return False


def command_line(pid: int) -> list[str]:
    """The arguments of a process; empty when they cannot be read."""
    import psutil

    try:
        return list(psutil.Process(pid).cmdline())
    except (psutil.Error, OSError):
        return []


def resident_bytes(pid: int) -> int:
    """Resident memory of one process; 0 when it is gone."""
    handle = api.open_process(pid, api.QUERY)
    if handle is None:
        return 0
    try:
        memory = _Memory(size=ctypes.sizeof(_Memory))
        done = api.kernel32.K32GetProcessMemoryInfo(handle, ctypes.byref(memory), ctypes.sizeof(memory))
        return int(memory.working_set) if done else 0
    finally:
        api.close(handle)


def catches(pid: int, signal_number: int) -> bool:
    """No process can be asked here what it catches."""
    del pid, signal_number
    return False


@cache
def boot_id() -> str:
    """A name for the time since the last boot; monotonic instants of another one mean nothing.

    The kernel counts its boots. Where it does not say so, the time of the boot does, to ten minutes: clocks are
    corrected, and the computed time of the boot moves with them.
    """
    import winreg

    place = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
            return f"boot{winreg.QueryValueEx(key, 'BootId')[0]}"
    except OSError:
        room = ctypes.create_string_buffer(48)
        if api.ntdll.NtQuerySystemInformation(_TIME_OF_DAY, room, len(room), None) != 0:
            return ""
        return f"at{int.from_bytes(room.raw[:8], 'little') // (600 * TICKS)}"


def uptime_s() -> float:
    """Seconds since boot."""
    return time.monotonic()


def ticks_now() -> int:
    """The start ticks that a process would get now."""
    return int((time.time() + _EPOCH_S) * TICKS)


def age_s(start_ticks: int) -> float:
    """How long ago a process with these start ticks began; for display, as it moves with the clock."""
    return max(0.0, (ticks_now() - start_ticks) / TICKS)


def cpu_seconds(ticks: int) -> float:
    """CPU ticks in seconds."""
    return ticks / TICKS
