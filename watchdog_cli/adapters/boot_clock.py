"""A clock that never jumps and also counts the time in which the whole machine was suspended."""

import time

_ID = getattr(time, "CLOCK_BOOTTIME", None)


def now_s() -> float:
    """Seconds since the machine was started; on the steadiest clock there is where nobody counts a suspend."""
    return time.monotonic() if _ID is None else time.clock_gettime(_ID)
