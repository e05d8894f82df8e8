"""Faults to order, so that a supervisor can be seen at work: crash, freeze, outage."""

import time

from watchdog_kit.records import dataclass


class OrderedCrashError(Exception):
    """The crash that ``--crash-after`` ordered."""


def frozen_on_purpose() -> None:
    """Hang for ever, deaf to every polite request, as a deadlocked program does."""
    while True:
        time.sleep(3600)


@dataclass(frozen=True, slots=True)
class Faults:
    """When to misbehave, in seconds after the start; None: never."""

    crash_after_s: float | None = None
    freeze_after_s: float | None = None
    fail_for_s: float = 0.0

    def next_at(self) -> float:
        """Return the seconds after the start at which the next fault is due."""
        return min(
            (s for s in (self.crash_after_s, self.freeze_after_s) if s is not None), default=float("inf")
        )

    def strike(self, elapsed_s: float) -> None:
        """Do what is due now, if anything.

        Raises:
            OrderedCrashError: the crash is due.
        """
        if self.crash_after_s is not None and elapsed_s >= self.crash_after_s:
            raise OrderedCrashError(f"crashed on purpose, as --crash-after {self.crash_after_s:g}s ordered")
        if self.freeze_after_s is not None and elapsed_s >= self.freeze_after_s:
            frozen_on_purpose()
