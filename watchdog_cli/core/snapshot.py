"""What a watchdog leaves behind for its successor and for ``status``: the content of state.json."""

from dataclasses import field

from watchdog_kit.records import dataclass

VERSION = 1
LAST_RUNS = 10  # ended runs that are kept


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process, so that nobody else can be taken for it.

    Args:
        start_ticks: the kernel's count from boot to its start; None where nobody knows.
        started_at: ISO time for people.
    """

    pid: int
    start_ticks: int | None
    started_at: str


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """The run that lives."""

    process: ProcessId
    run_id: str
    number: int


@dataclass(frozen=True, slots=True)
class LastRun:
    """One run that ended; the newest come last."""

    at: str
    cause: str
    exit_code: int | None = None
    signal: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of one watchdog.

    Args:
        boot_id: monotonic instants mean something only under the same one.
        state: a word of ``report.State``.
        window: monotonic instants of the restarts that may still count.
        ended: how the watchdog left; "" while it runs, or when it was killed.
        pause_until: monotonic; None when not paused or without end.
        next_start: monotonic instant of the next start or try, while it waits.
    """

    name: str
    folder: str
    command: tuple[str, ...]
    watchdog: ProcessId
    boot_id: str
    state: str
    child: ChildRecord | None = None
    number: int = 0
    restarts: int = 0
    window: tuple[float, ...] = ()
    cap: int | None = None
    window_s: float = 300.0
    ever_beat: bool = False
    paused: bool = False
    pause_until: float | None = None
    next_start: float | None = None
    last: tuple[LastRun, ...] = ()
    ended: str = ""
    exit_code: int | None = None
    heartbeat_file: str = ""
    heartbeat_timeout_s: float = 120.0
    stop_timeout_s: float | None = None  # None: the state is of a version that did not say
    log_dir: str = "logs"
    written_at: str = ""
    unknown: dict[str, object] = field(default_factory=dict)  # fields of a newer version, kept as they are
