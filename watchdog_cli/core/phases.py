"""In which phase the supervisor is; each carries just the fields that make sense in it.

What is *wanted* (``want_up``, ``pause``) lives in ``supervisor.Supervisor``, apart from what *is*.
"""

from enum import StrEnum

from watchdog_cli.core.liveness import Life
from watchdog_cli.core.record import Ending, ExitStatus, Run
from watchdog_kit.records import dataclass


@dataclass(frozen=True, slots=True)
class Spawning:
    """A spawn was asked for; its answer is the next event.

    Args:
        asked: False only before the very first event: nothing was asked for yet, and nothing runs or is known.
    """

    number: int
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Starting:
    """The child runs; its first sign of life has not come."""

    run: Run
    life: Life


@dataclass(frozen=True, slots=True)
class Running:
    """The child runs, and has given a sign of life or need not give any."""

    run: Run
    life: Life


class Stage(StrEnum):
    """How far a stop has come."""

    DUMP = "dump"  # a frozen child is asked for its stacks
    SOFT = "soft"  # the leader was asked to end
    GROUP = "group"  # all others were asked too
    KILL = "kill"  # nobody is asked any more


@dataclass(frozen=True, slots=True)
class Stopping:
    """The tree is being brought to its end.

    Args:
        ending: why; gets its status when the leader has ended.
        next_at: when the next stage begins; in the KILL stage, when the kill is repeated.
        kill_at: when the hard kill comes, at the latest.
        status: the leader's exit, once it is known.
        restart_asked: a person wants a new run as soon as the tree is empty.
        asked_at: when the leader was asked to end.
    """

    run: Run
    ending: Ending
    since: float
    stage: Stage
    next_at: float
    kill_at: float
    status: ExitStatus | None = None
    restart_asked: bool = False
    asked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Backoff:
    """Nothing runs; the next start comes at ``until``."""

    until: float


@dataclass(frozen=True, slots=True)
class Paused:
    """Nothing runs and nothing is started, since a person works on it."""


@dataclass(frozen=True, slots=True)
class StandingBy:
    """Nothing runs and nothing may: another watchdog holds the lease, or nobody can say who does."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The restart intensity was exceeded.

    Args:
        retry_at: when one more try is made; None: never, the supervisor ends.
    """

    reason: str
    retry_at: float | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end; the supervisor leaves with ``exit_code``."""

    exit_code: int


Phase = Spawning | Starting | Running | Stopping | Backoff | Paused | StandingBy | GivenUp | Stopped
Up = Starting | Running
