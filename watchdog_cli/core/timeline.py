"""Put what was noted under many clocks onto one line of time that never runs backwards.

The wall clock is set by people and by time servers; a machine without a battery begins each boot in the past. Within
one boot the seconds since boot say how far apart two notes are, whatever the clock showed. Only from one boot to the
next must the clock be believed, and there the last note of a boot is the best: by then the clock was most likely set.
"""

from collections.abc import Sequence

from watchdog_kit.records import dataclass

PLAUSIBLE = 1_577_836_800.0  # 2020-01-01: a clock that shows less was never set


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something was noted.

    Args:
        wall: unix seconds, as the clock showed them.
        up: seconds since boot, sleep included; None in notes of old versions.
        boot: which boot; "" when nobody knows.
    """

    wall: float
    up: float | None = None
    boot: str = ""


class Timeline:
    """Times of notes, in seconds of the clock as it shows now."""

    def __init__(self, stamps: Sequence[Stamp], now: Stamp) -> None:
        """Straighten the stamps.

        Args:
            stamps: in the order in which they were made.
        """
        self._offsets: dict[str, float] = {}
        if now.up is not None and now.boot:
            self._offsets[now.boot] = now.wall - now.up
        self.now = now.wall
        self.times = self._straighten(stamps)

    def _straighten(self, stamps: Sequence[Stamp]) -> list[float]:
        times = [0.0] * len(stamps)
        latest = self.now  # nothing is later than what came after it
        for place in range(len(stamps) - 1, -1, -1):
            stamp = stamps[place]
            if stamp.up is not None and stamp.boot:
                if stamp.boot not in self._offsets:
                    last = stamp.wall if PLAUSIBLE <= stamp.wall <= latest else latest
                    self._offsets[stamp.boot] = last - stamp.up
                at = self._offsets[stamp.boot] + stamp.up
            else:
                at = stamp.wall if stamp.wall >= PLAUSIBLE else latest
            latest = times[place] = min(at, latest)
        return times

    def place(self, boot: str, up: float) -> float | None:
        """The time of another note of a boot; None when no stamp tells where that boot lies."""
        offset = self._offsets.get(boot)
        return None if offset is None else min(offset + up, self.now)
