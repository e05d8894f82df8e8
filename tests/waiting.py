"""Waiting for conditions; the only sleep that the tests have."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, limit_s: float = 20.0, *, pause_s: float = 0.05) -> T:
    """Return the first true value of ``condition``.

    Args:
        pause_s: between two looks, at most; less for what is true for a moment only.
    Raises:
        AssertionError: it stayed false for ``limit_s`` seconds; says ``what`` and the last value seen.
    """
    end = time.monotonic() + limit_s
    pause = min(pause_s, 0.002)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit_s} s for {what}; last seen: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, pause_s)


def stays_true(condition: Callable[[], object], what: str, for_s: float) -> None:
    """Watch ``condition`` for ``for_s`` seconds and fail at the first moment it is false."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        value = condition()
        assert value, f"{what} did not hold; seen: {value!r}"
        time.sleep(0.02)
