"""From the state of a supervisor to the words that ``status`` shows.

Apart from ``report.py``: who asks a running watchdog gets the words, and need not load what they are made from.
"""

from watchdog_cli.core import liveness
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.liveness import Liveness
from watchdog_cli.core.phases import (
    Backoff,
    GivenUp,
    Paused,
    Running,
    Spawning,
    StandingBy,
    Starting,
    Stopped,
    Stopping,
)
from watchdog_cli.core.record import HANGS
from watchdog_cli.core.report import Health, State
from watchdog_cli.core.supervisor import Supervisor


def describe(sup: Supervisor, now: float, *, degraded: bool) -> tuple[State, Health]:
    """The words for what a supervisor is doing.

    Args:
        degraded: the child says so in its heartbeat.
    """
    match sup.phase:
        case Starting() | Running():
            return State.RUNNING, _health(sup, now, degraded=degraded)
        case Stopping(ending=ending):
            return State.STOPPING, Health.STALE if ending.cause in HANGS else Health.STOPPING
        case Spawning() | Backoff():
            return State.WAITING, Health.WAITING
        case Paused():
            return State.PAUSED, Health.PAUSED
        case StandingBy():
            return State.STANDING_BY, Health.STANDING_BY
        case GivenUp():
            return State.GAVE_UP, Health.NOT_RUNNING
        case Stopped(exit_code=code):
            return (State.GAVE_UP if code == ExitCode.GAVE_UP else State.STOPPED), Health.NOT_RUNNING


def _health(sup: Supervisor, now: float, *, degraded: bool) -> Health:
    phase = sup.phase
    assert isinstance(phase, Starting | Running)
    if sup.pause is not None:
        return Health.PAUSED
    well = Health.DEGRADED if degraded else Health.HEALTHY
    if sup.policy.no_heartbeat:
        return well
    verdict = liveness.judge(phase.life, max(now, phase.life.last_sign() or now), sup.policy)
    if verdict is Liveness.WAITING:
        return Health.STARTING
    if verdict is Liveness.FRESH:
        return well
    return Health.STALE if sup.judged else Health.NO_HEARTBEAT
