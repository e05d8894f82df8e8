"""Monotonic time for decisions, wall time for people."""

import time
from datetime import UTC, datetime


class SystemClock:
    """The clocks of this machine."""

    def monotonic(self) -> float:
        """Seconds that never jump; comparable between processes since the same boot."""
        return time.monotonic()

    def wall(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)
