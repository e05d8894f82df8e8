"""Restart intensity: at most so many restarts in so many seconds, as a sliding window."""

from bisect import bisect_left
from dataclasses import replace

from watchdog_kit.records import dataclass

UNLIMITED_MEMORY = 1000  # restarts remembered for display when there is no cap


@dataclass(frozen=True, slots=True)
class Window:
    """The restarts that still count.

    Args:
        cap: restarts allowed inside the window; None for no limit.
        span_s: how long a restart counts; exactly ``span_s`` later it is forgotten.
        times: monotonic instants, oldest first.
    Source: the intensity rule of OTP supervisors.
    """

    cap: int | None
    span_s: float
    times: tuple[float, ...] = ()

    def _recent(self, now: float) -> tuple[float, ...]:
        # False, ..., False, True, ...
        first = bisect_left(self.times, True, key=lambda at: now - at < self.span_s)
        return self.times[first:]

    def count(self, now: float) -> int:
        """How many restarts count at ``now``."""
        return len(self._recent(now))

    def add(self, now: float) -> tuple["Window", bool]:
        """Ask for one more restart; a refused one is not recorded."""
        recent = self._recent(now)
        if self.cap is None:
            return replace(self, times=(*recent, now)[-UNLIMITED_MEMORY:]), True
        if len(recent) >= self.cap:
            return replace(self, times=recent), False
        return replace(self, times=(*recent, now)), True

    def cleared(self) -> "Window":
        """Forget all: a person asked for the start."""
        return replace(self, times=())
