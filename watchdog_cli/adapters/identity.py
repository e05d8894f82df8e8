"""Who a run is, for those who find it again later."""

from watchdog_kit.records import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process a run is, for the state file."""

    pid: int
    start_ticks: int
    run_id: str
    number: int
