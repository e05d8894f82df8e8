"""What can be asked of the world."""

from watchdog_cli.core.facts import Fact
from watchdog_kit.records import dataclass


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the child; answered by ChildSpawned or SpawnFailed before any other event."""

    number: int


@dataclass(frozen=True, slots=True)
class Dump:
    """Ask the frozen child for its stacks; answered by DumpDone, at the latest when ``limit_s`` is over."""

    limit_s: float


@dataclass(frozen=True, slots=True)
class Terminate:
    """Ask the leader to end."""


@dataclass(frozen=True, slots=True)
class TerminateRest:
    """Ask everybody of the tree who was not asked before."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End the whole tree without asking."""


@dataclass(frozen=True, slots=True)
class MeasureMemory:
    """Look at the tree's resident memory; answered by MemoryMeasured."""


@dataclass(frozen=True, slots=True)
class Report:
    """Tell everybody who listens."""

    fact: Fact


Action = Spawn | Dump | Terminate | TerminateRest | Kill | MeasureMemory | Report
