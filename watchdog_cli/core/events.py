"""What can happen."""

from enum import StrEnum

from watchdog_cli.core.lease import Hold
from watchdog_cli.core.policy import Source
from watchdog_cli.core.record import ExitStatus, Run
from watchdog_kit.records import dataclass


class By(StrEnum):
    """Who asked."""

    SIGNAL = "signal"
    HANGUP = "hangup"  # the terminal went away: nobody sits there who could be impatient
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Begin:
    """The supervisor starts with nothing running."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """The supervisor starts and takes over a child that an earlier one left running."""

    run: Run
    silence_judged: bool = False  # as in ChildSpawned
    leader_gone: bool = False  # only processes that it had started are left, and will be ended
    age_s: float = 0.0  # how long it has lived already


@dataclass(frozen=True, slots=True)
class ChildSpawned:
    """The asked spawn worked.

    Args:
        silence_judged: a heartbeat file lay there at the start, so silence is a hang.
    """

    run: Run
    silence_judged: bool = False


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """The asked spawn did not work; ``transient`` when the same call may work later."""

    reason: str
    transient: bool


@dataclass(frozen=True, slots=True)
class ChildExited:
    """The leader of the tree has ended.

    Args:
        left_behind: how many others of its tree still live.
    """

    run_id: str
    status: ExitStatus
    left_behind: int = 0


@dataclass(frozen=True, slots=True)
class TreeEmpty:
    """The leader has ended and nobody of its tree lives any more."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life.

    Args:
        progress: the watched value as text, when the sign carried it.
        run_id: whose sign it is; one of an earlier run is no sign. None only from a sender that looked in this very
            moment: what waited in a queue may have outlived its run.
    """

    source: Source
    progress: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class HangDeclared:
    """The child itself says that it is stuck (``WATCHDOG=trigger``); ``run_id`` as in Beat."""

    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class MemoryMeasured:
    """The resident memory of the whole tree in bytes; ``run_id`` as in Beat."""

    rss: int
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class DumpDone:
    """The stacks are written, or cannot be had; ``run_id`` as in Beat."""

    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Continued:
    """We were stopped by somebody and go on (SIGCONT)."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The deadline passed and nothing else happened."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """End the child and then the supervisor; ``now`` means kill without waiting."""

    by: By
    now: bool = False


@dataclass(frozen=True, slots=True)
class RestartAsked:
    """A person wants a new run at once."""


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """A person works on the child; None means until somebody resumes."""

    for_s: float | None


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """The person is done."""


@dataclass(frozen=True, slots=True)
class LeaseHeld:
    """The lease is ours, or was renewed.

    Args:
        before: as in ``LeaseGained``.
    """

    hold: Hold
    before: str = ""


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """The lease is certainly not ours any more."""

    why: str


Event = (
    Begin
    | Adopted
    | ChildSpawned
    | SpawnFailed
    | ChildExited
    | TreeEmpty
    | Beat
    | HangDeclared
    | MemoryMeasured
    | DumpDone
    | Continued
    | Tick
    | StopAsked
    | RestartAsked
    | PauseAsked
    | ResumeAsked
    | LeaseHeld
    | LeaseLost
)
