"""A clock that never jumps and also counts the time in which the whole machine was suspended."""

import ctypes
import time

_CLOCK_BOOTTIME = 7
_TIMER_ABSTIME = 1
_ID = getattr(time, "CLOCK_BOOTTIME", None)


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


def now_s() -> float:
    """Seconds since the machine was started."""
    return time.monotonic() if _ID is None else time.clock_gettime(_ID)


def sleep_until(at_s: float) -> None:
    """Sleep until that instant, at once over when it came during a suspend. A signal may end it early."""
    left = at_s - now_s()
    if left <= 0:
        return
    if _ID is None:
        time.sleep(left)
        return
    span = _Timespec(int(at_s), int((at_s % 1) * 1e9))
    ctypes.CDLL(None).clock_nanosleep(_CLOCK_BOOTTIME, _TIMER_ABSTIME, ctypes.byref(span), None)
