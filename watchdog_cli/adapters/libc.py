"""The few calls of the Linux C library that Python does not offer."""

import ctypes
import os

_PR_SET_CHILD_SUBREAPER = 36
_CLOCK_BOOTTIME = 7
_TIMER_ABSTIME = 1
_lib = ctypes.CDLL(None, use_errno=True)

IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MODIFY = 0x2
IN_MOVED_TO = 0x80
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


def become_subreaper() -> None:
    """Let orphaned descendants become our children instead of init's, so that none gets lost.

    Raises:
        OSError: the kernel has no such thing.
    """
    if _lib.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def inotify_open() -> int:
    """A new inotify descriptor that does not block.

    Raises:
        OSError: EMFILE when the user has too many of them.
    """
    descriptor = int(_lib.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def inotify_add(descriptor: int, path: str, mask: int) -> int:
    """Watch ``path``.

    Raises:
        OSError: no such folder, or ENOSPC when the user has too many watches.
    """
    watch = int(_lib.inotify_add_watch(descriptor, os.fsencode(path), mask))
    if watch < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    return watch


def sleep_until(at_s: float) -> None:
    """Sleep until that instant of ``boot_clock``, at once over when it came during a suspend.

    A signal may end it early.
    """
    span = _Timespec(int(at_s), int((at_s % 1) * 1e9))
    _lib.clock_nanosleep(_CLOCK_BOOTTIME, _TIMER_ABSTIME, ctypes.byref(span), None)
