"""The bookkeeping of output that could not be stored: how much, why, and who was told."""

import errno
import time
from collections.abc import Callable

from watchdog_kit.os_errors import in_words

RETRY_EVERY_S = 0.5  # chosen: a deleted or full place is tried again soon, but not for each line
CALM_S = 60.0  # the same trouble again within a minute is the same trouble: it is not said twice
FULL = frozenset({errno.ENOSPC, errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC})


def reason_of(error: OSError) -> str:
    """Say in a few words why a file could not be written."""
    return "disk full" if error.errno in FULL else in_words(error)


def gap_line(lost: int, reason: str) -> bytes:
    """Return the line that stands in a log where output is missing."""
    return f"[watchdog] {lost} bytes of output lost: {reason}\n".encode()


class Gap:
    """A stretch of output that is being lost; closed (``reason`` empty) as long as all goes well."""

    def __init__(
        self, path: str, on_problem: Callable[[str], None] | None, on_recovered: Callable[[str], None] | None
    ) -> None:
        """Start closed.

        Args:
            on_problem: told one line when bytes begin to be lost, or of other trouble by ``say``.
            on_recovered: told one line when they no longer are, if their loss was told.
        """
        self.reason = ""
        self.lost = 0  # bytes, in this gap
        self.total = 0  # bytes, ever
        self._path = path
        self._on_problem = on_problem
        self._on_recovered = on_recovered
        self._retry_at = 0.0
        self._told = False
        self._last: tuple[str, float] = ("", 0.0)

    def begin(self, error: OSError) -> None:
        """Open the gap, or keep it open after a vain try."""
        self._retry_at = time.monotonic() + RETRY_EVERY_S
        if not self.reason:
            self.reason = reason_of(error)
            self._told = self.say(
                f"cannot write {self._path}: {self.reason}; what belongs there is lost until it can"
            )

    def lose(self, count: int) -> None:
        """Count bytes that went nowhere."""
        self.lost += count
        self.total += count

    def due(self) -> bool:
        """Is it time to try again?"""
        return time.monotonic() >= self._retry_at

    def end(self) -> None:
        """Close the gap: what is missing is noted in the file."""
        lost, reason = self.lost, self.reason
        self.lost, self.reason = 0, ""
        if self._told and self._on_recovered:
            self._on_recovered(f"{self._path} is written again; {lost} bytes were lost: {reason}")

    def say(self, text: str) -> bool:
        """Report trouble, but not the same again within a minute; True if it was said."""
        now = time.monotonic()
        last, at = self._last
        self._last = (text, now)
        if text == last and now - at < CALM_S:
            return False
        if self._on_problem:
            self._on_problem(text)
        return True
