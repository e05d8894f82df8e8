"""Every number and switch that steers supervision, with unit and source.

The values arrive here checked: ``options.py`` says how each is written by people and what is refused.
"""

from enum import StrEnum

from watchdog_cli.core.lease import OnLost
from watchdog_kit.records import dataclass


class Restart(StrEnum):
    """After which ends the child is started again. Source: the words of systemd and of containers."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class AliveWhen(StrEnum):
    """With several sources of life: is a sign from one of them enough, or must each one give signs?"""

    ANY = "any"
    ALL = "all"


class Source(StrEnum):
    """Where signs of life come from."""

    FILE = "file"
    NOTIFY = "notify"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator wants of one supervised program. Durations in seconds, sizes in bytes."""

    heartbeat_timeout_s: float = 120.0  # chosen: twice the 60 s at which the tracker beats
    start_grace_s: float = 120.0  # chosen: as the heartbeat timeout
    judge_silence: bool = False  # True: a heartbeat was asked for, so silence from the start is a hang
    no_heartbeat: bool = False  # True: silence is never judged; only the process is watched
    sources: frozenset[Source] = frozenset({Source.FILE})
    alive_when: AliveWhen = AliveWhen.ANY
    progress_key: str | None = None
    progress_timeout_s: float = 600.0  # chosen: 60 cycles of the tracker
    restart: Restart = Restart.ALWAYS
    restart_delay_s: float = 5.0  # chosen: as the system that this one succeeds
    max_restarts: int | None = 10  # None: unlimited. Chosen: intensity of 10 in 5 minutes
    restart_window_s: float = 300.0
    backoff: bool = False
    backoff_max_s: float = 300.0  # source: five minutes is the ceiling that Kubernetes uses
    retry_after_s: float | None = None  # None: end with "gave up"; else stay and try again that often
    stop_timeout_s: float = 10.0  # source: the default of docker stop
    dump_timeout_s: float = 2.0  # chosen
    memory_limit: int | None = None
    lease: OnLost | None = None  # None: no lease is needed; else what to do when it cannot be renewed

    def __post_init__(self) -> None:
        """Refuse what no reader of ``options.py`` can produce: a fault of ours, not of the operator."""
        if self.max_restarts is not None and self.max_restarts < 0:
            raise ValueError("max_restarts is negative")
        if min(self.heartbeat_timeout_s, self.start_grace_s, self.restart_window_s) <= 0:
            raise ValueError("a timeout is not positive")
