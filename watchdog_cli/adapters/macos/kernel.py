"""The few calls of the C library of macOS that Python does not offer, and the shapes of their answers.

Source: ``sys/sysctl.h``, ``sys/proc.h``, ``sys/proc_info.h`` and ``mach/mach_time.h`` of the macOS SDK; the sizes that
those give for 64 bits are checked by a test. Each answer is None when the process is gone or not ours to look at.
"""

import ctypes
from functools import cache
from typing import Any

CTL_KERN = 1
KERN_PROC = 14
KERN_PROC_ALL = 0
KERN_PROC_PID = 1
KERN_PROCARGS2 = 49
PROC_PIDTASKINFO = 4
NOTE_EXITSTATUS = 0x04000000  # ``select`` does not name it: the wait status comes with the notice
SZOMB = 5  # p_stat: dead, and not reaped
SSTOP = 4  # p_stat: stopped by a signal
TRIES = 8  # the table may grow between the question for its size and the answer
SPARE = 16  # processes that may come between the two

_lib: Any = ctypes.CDLL(None, use_errno=True)


class _TimeValue(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("microseconds", ctypes.c_int32))


class KernelProcess(ctypes.Structure):
    """``struct kinfo_proc``; what lies between the fields that we read is room of the right size."""

    _fields_ = (
        ("started", _TimeValue),
        ("_to_flag", ctypes.c_char * 16),
        ("flag", ctypes.c_int32),
        ("status", ctypes.c_uint8),
        ("pid", ctypes.c_int32),
        ("_to_caught", ctypes.c_char * 192),
        ("caught", ctypes.c_uint32),
        ("_to_name", ctypes.c_char * 3),
        ("name", ctypes.c_char * 17),
        ("_to_parent", ctypes.c_char * 300),
        ("parent", ctypes.c_int32),
        ("group", ctypes.c_int32),
        ("_rest", ctypes.c_char * 80),
    )


class TaskInfo(ctypes.Structure):
    """``struct proc_taskinfo``; its times are in ticks of the machine."""

    _fields_ = (
        ("virtual", ctypes.c_uint64),
        ("resident", ctypes.c_uint64),
        ("user", ctypes.c_uint64),
        ("system", ctypes.c_uint64),
        ("_threads", ctypes.c_uint64 * 2),
        ("_counts", ctypes.c_int32 * 9),
        ("threads", ctypes.c_int32),
        ("_rest", ctypes.c_int32 * 2),
    )


class _Timebase(ctypes.Structure):
    _fields_ = (("numerator", ctypes.c_uint32), ("denominator", ctypes.c_uint32))


def all_processes() -> list[KernelProcess]:
    """Everybody, the dead that nobody has reaped included."""
    return _records(_sysctl(CTL_KERN, KERN_PROC, KERN_PROC_ALL, 0))


def one_process(pid: int) -> KernelProcess | None:
    """The process with this number; the kernel answers with nothing, and no error, when there is none."""
    found = _records(_sysctl(CTL_KERN, KERN_PROC, KERN_PROC_PID, pid))
    return found[0] if found else None


def task_info(pid: int) -> TaskInfo | None:
    """Memory and times of a living process of our user."""
    info = TaskInfo()
    size = ctypes.sizeof(info)
    done = _lib.proc_pidinfo(pid, PROC_PIDTASKINFO, ctypes.c_uint64(0), ctypes.byref(info), size)
    return info if done == size else None


def arguments(pid: int) -> tuple[list[bytes], list[bytes]] | None:
    """The arguments and the environment with which a process of our user was started.

    The kernel leaves out the environment of programs that the system protects, such as those in /bin.
    """
    raw = _sysctl(CTL_KERN, KERN_PROCARGS2, pid)
    if raw is None or len(raw) < 4:
        return None
    count = int.from_bytes(raw[:4], "little", signed=True)
    _, _, rest = raw[4:].partition(b"\0")  # the path of the program
    words = rest.lstrip(b"\0").split(b"\0")
    if count < 0 or count > len(words):
        return None
    rest_of_words = words[count:]
    end = rest_of_words.index(b"") if b"" in rest_of_words else len(rest_of_words)
    return words[:count], rest_of_words[:end]


@cache
def boot_session() -> str:
    """A name for the time since the last boot."""
    room = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t(len(room))
    if _lib.sysctlbyname(b"kern.bootsessionuuid", room, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return ""
    return room.value.decode("ascii", "replace")


@cache
def nanoseconds_per_tick() -> float:
    """How long a tick of the machine is: 1 on Intel, 125/3 on Apple's own processors."""
    found = _Timebase()
    if _lib.mach_timebase_info(ctypes.byref(found)) != 0 or not found.denominator:
        return 1.0
    return float(found.numerator / found.denominator)


def _records(raw: bytes | None) -> list[KernelProcess]:
    size = ctypes.sizeof(KernelProcess)
    raw = raw or b""
    return [KernelProcess.from_buffer_copy(raw, at) for at in range(0, len(raw) - size + 1, size)]


def _sysctl(*name: int) -> bytes | None:
    """Ask for the size, then for the answer; again with more room when it has grown meanwhile."""
    mib = (ctypes.c_int * len(name))(*name)
    for tried in range(TRIES):
        size = ctypes.c_size_t(0)
        if _lib.sysctl(mib, len(name), None, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
            return None
        size.value += (SPARE << tried) * ctypes.sizeof(KernelProcess)
        room = ctypes.create_string_buffer(size.value)
        if _lib.sysctl(mib, len(name), room, ctypes.byref(size), None, ctypes.c_size_t(0)) == 0:
            return room.raw[: size.value]
    return None
