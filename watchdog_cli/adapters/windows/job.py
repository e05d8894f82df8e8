"""A job object: everybody whom a process starts belongs to it, and all end when its last handle is closed.

The kernel closes our handle whatever ends us, so a child never outlives its watchdog; and there is no way out of the
job, for leaving one must be allowed by whoever made it.
"""

import ctypes
import functools
import sys
from ctypes import wintypes

from watchdog_cli.adapters.windows import api

assert sys.platform == "win32"

_IDS, _LIMITS = 3, 9  # kinds of information
_KILL_ON_CLOSE = 0x2000
_MOST = 1024  # members whose numbers are asked at first
_MORE_DATA = 234


class _Limits(ctypes.Structure):
    _fields_ = (
        ("process_time", ctypes.c_longlong),
        ("job_time", ctypes.c_longlong),
        ("flags", wintypes.DWORD),
        ("smallest", ctypes.c_size_t),
        ("largest", ctypes.c_size_t),
        ("processes", wintypes.DWORD),
        ("affinity", ctypes.c_size_t),
        ("priority", wintypes.DWORD),
        ("scheduling", wintypes.DWORD),
        ("counters", ctypes.c_ulonglong * 6),
        ("memory", ctypes.c_size_t * 4),
    )


@functools.cache
def _list_of(room: int) -> type[ctypes.Structure]:
    """What the system fills in: two counts, then numbers as wide as a pointer, which here may be 4 bytes or 8."""

    class Ids(ctypes.Structure):
        _fields_ = (
            ("assigned", wintypes.DWORD),
            ("listed", wintypes.DWORD),
            ("pids", ctypes.c_size_t * room),
        )

    return Ids


class Job:
    """One job, for one run of the child."""

    def __init__(self) -> None:
        """Make it; nobody is in it yet.

        Raises:
            OSError: it cannot be made.
        """
        self._handle = api.kernel32.CreateJobObjectW(None, None)
        if not self._handle:
            raise api.failure("job object")
        limits = _Limits(flags=_KILL_ON_CLOSE)
        if not api.kernel32.SetInformationJobObject(
            self._handle, _LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
        ):
            error = api.failure("job object")
            self.close()
            raise error

    def take(self, process: int) -> None:
        """Put a process into it, by its handle.

        Raises:
            OSError: it is not possible.
        """
        if not api.kernel32.AssignProcessToJobObject(self._handle, process):
            raise api.failure("job object")

    def pids(self) -> list[int]:
        """Who is in it now."""
        room = _MOST
        while self._handle:
            found = _list_of(room)()
            size = ctypes.sizeof(found)
            done = api.kernel32.QueryInformationJobObject(self._handle, _IDS, ctypes.byref(found), size, None)
            if done:
                return [int(pid) for pid in found.pids[: found.listed]]
            if ctypes.get_last_error() != _MORE_DATA or room >= 1 << 20:
                return []
            room = max(int(found.assigned), room) * 2
        return []

    def end_all(self) -> None:
        """Kill everybody at once."""
        if self._handle:
            api.kernel32.TerminateJobObject(self._handle, 1)

    def close(self) -> None:
        """Let it go; whoever is still in it is killed."""
        handle, self._handle = self._handle, None
        api.close(handle)
