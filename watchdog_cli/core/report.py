"""StatusReport: all that ``status`` says, and the words and exit codes for it."""

from collections.abc import Mapping
from dataclasses import asdict, field
from enum import StrEnum

from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.snapshot import LastRun
from watchdog_kit.records import dataclass

VERSION = 1


class State(StrEnum):
    """What the process does."""

    RUNNING = "running"
    STOPPING = "stopping"
    WAITING = "waiting"
    PAUSED = "paused"
    STANDING_BY = "standing by"
    STOPPED = "stopped"
    GAVE_UP = "gave up"
    UNKNOWN = "unknown"


class Health(StrEnum):
    """How well it does it."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"  # alive, and says that something outside keeps it from its work
    STARTING = "starting"
    STALE = "stale"
    NO_HEARTBEAT = "no heartbeat"
    WAITING = "waiting"
    STOPPING = "stopping"
    PAUSED = "paused"
    STANDING_BY = "standing by"
    UNSUPERVISED = "unsupervised"
    FROZEN = "watchdog frozen"
    NOT_RUNNING = "not running"
    UNKNOWN = "unknown"


WELL = frozenset({Health.HEALTHY, Health.DEGRADED, Health.STANDING_BY})


def exit_code(state: State, health: Health, *, cut_off: bool = False) -> ExitCode:
    """The code with which ``status`` and ``check`` end.

    Args:
        cut_off: a standby could not take over.
    """
    if state is State.UNKNOWN or health is Health.UNKNOWN:
        return ExitCode.UNKNOWN
    if state in (State.STOPPED, State.GAVE_UP):
        return ExitCode.NOT_RUNNING
    if health is Health.STANDING_BY and cut_off:
        return ExitCode.UNHEALTHY
    return ExitCode.OK if health in WELL else ExitCode.UNHEALTHY


@dataclass(frozen=True, slots=True)
class WatchdogPart:
    """The supervising process."""

    pid: int
    started_at: str | None = None


@dataclass(frozen=True, slots=True)
class ChildPart:
    """The supervised process; CPU is the average over its life, memory that of its whole tree."""

    pid: int
    started_at: str | None
    uptime_s: float | None
    cpu_percent: float | None
    rss_bytes: int | None
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeartbeatPart:
    """The newest sign of life; ``age_s`` None before the first."""

    file: str
    age_s: float | None
    timeout_s: float
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RestartsPart:
    """Restarts that count, and the newest ends."""

    in_window: int
    cap: int | None
    window_s: float
    total: int
    last: tuple[LastRun, ...] = ()


@dataclass(frozen=True, slots=True)
class LeasePart:
    """The lease across machines, as this watchdog last saw it; the texts are for people.

    Args:
        cut_off: the problem has lasted for longer than the lease does, so this machine could not take over.
    """

    held: bool
    holder: str
    since: str | None
    problem: str = ""
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One answer to "how is it?".

    Args:
        note: one sentence that explains the words, when they need it.
        next_start_s: seconds to the next start, while it waits.
        log: path and size in bytes of the child's log.
        last_seen_at: newest of journal, heartbeat and log, when nothing runs.
    """

    name: str
    folder: str
    state: State
    health: Health
    note: str = ""
    watchdog: WatchdogPart | None = None
    child: ChildPart | None = None
    heartbeat: HeartbeatPart | None = None
    restarts: RestartsPart | None = None
    lease: LeasePart | None = None
    next_start_s: float | None = None
    pause_left_s: float | None = None
    log_file: str = ""
    log_bytes: int = 0
    backups: int | None = None
    last_seen_at: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        """What ``status`` ends with."""
        return exit_code(self.state, self.health, cut_off=self.lease is not None and self.lease.cut_off)

    def mapping(self) -> dict[str, object]:
        """The stable, versioned form for ``--json``."""
        record = asdict(self)
        log = {"file": record.pop("log_file"), "size_bytes": record.pop("log_bytes")}
        head = {"version": VERSION, "name": record.pop("name"), "state": self.state.value}
        del record["state"], record["health"]
        return head | {"health": self.health.value, "exit_code": int(self.exit_code)} | record | {"log": log}
