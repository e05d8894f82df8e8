"""How a child is started: what is the same on every system."""

import os
from collections.abc import Callable, Mapping, Sequence

from watchdog_kit.carried import VARIABLE
from watchdog_kit.records import dataclass

HEARTBEAT = "WATCHDOG_HEARTBEAT"
CARRIED = VARIABLE
RUN_ID = "WATCHDOG_RUN_ID"
STATE = "WATCHDOG_STATE"
# A child that has the first three could answer for us, none needs to enter etcd in our name, and the last one would
# tell it of the lease of another watchdog.
OURS_ALONE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "WATCHDOG_LEASE_PASSWORD", CARRIED)


@dataclass(frozen=True, slots=True)
class Launch:
    """How the child is started.

    Args:
        output: makes a new descriptor for its stdout and stderr; the caller closes it.
        extra: environment entries that are added.
    """

    argv: Sequence[str]
    folder: str
    extra: Mapping[str, str]
    output: Callable[[], int]


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Our environment as the child gets it."""
    environment = {key: value for key, value in os.environ.items() if key not in OURS_ALONE}
    environment.update(extra)
    return environment
