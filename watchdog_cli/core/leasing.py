"""What the lease allows: with one asked for, nothing is started and nothing lives on without it.

Every event is preceded by ``expire``: the state never depends on somebody telling in time that the time is over. The
end of a program for the lease's sake is no failure of the program; it is not counted.
"""

from dataclasses import replace

from watchdog_cli.core import lease_facts
from watchdog_cli.core.actions import Report
from watchdog_cli.core.ending import Step, begin_stop, hurry, spawn, stand_by
from watchdog_cli.core.events import LeaseHeld, LeaseLost
from watchdog_cli.core.lease import OnLost
from watchdog_cli.core.phases import Backoff, GivenUp, Paused, StandingBy, Stopping, Up
from watchdog_cli.core.record import Cause, Ending
from watchdog_cli.core.supervisor import Supervisor

NO_RENEWAL = "it could not be renewed in time"


def heard(sup: Supervisor, event: LeaseHeld | LeaseLost, now: float) -> Step:
    """News of the lease."""
    return _held(sup, event, now) if isinstance(event, LeaseHeld) else _lost(sup, event, now)


def _held(sup: Supervisor, event: LeaseHeld, now: float) -> Step:
    """It is ours, or ours for longer."""
    if sup.policy.lease is None or now >= event.hold.stop_at:
        return sup, ()  # news from so long ago is no news
    said = _news(sup, event)
    sup = replace(sup, hold=event.hold, doubted=False)
    match sup.phase:
        case StandingBy() if sup.pause is not None:
            return replace(sup, phase=Paused()), said
        case StandingBy():
            return spawn(sup, *said)
        case _:
            return sup, said


def _news(sup: Supervisor, event: LeaseHeld) -> tuple[Report, ...]:
    if sup.hold is None:
        return (Report(lease_facts.LeaseGained(event.before)),)
    return (Report(lease_facts.LeaseRenewed()),) if sup.doubted else ()


def expire(sup: Supervisor, now: float) -> Step:
    """Let go what could not be renewed."""
    hold = sup.hold
    if hold is None or now < hold.stop_at:
        return sup, ()
    if sup.policy.lease is OnLost.KEEP:
        if sup.doubted:
            return sup, ()
        return replace(sup, doubted=True), (Report(lease_facts.LeaseDoubtful()),)
    return _let_go(replace(sup, end_by=hold.end_by), NO_RENEWAL, now)


def _lost(sup: Supervisor, event: LeaseLost, now: float) -> Step:
    """Somebody else may hold it already: there is no time to ask."""
    if sup.hold is None and isinstance(sup.phase, Stopping) and sup.end_by is not None:
        return hurry(replace(sup, end_by=now), sup.phase, now)  # it has just been said
    if sup.hold is None:
        return sup, ()
    return _let_go(replace(sup, end_by=now), event.why, now)


def _let_go(sup: Supervisor, why: str, now: float) -> Step:
    said = Report(lease_facts.LeaseGone(why))
    sup = replace(sup, hold=None, doubted=False)
    match sup.phase:
        case phase if isinstance(phase, Up):
            return begin_stop(sup, Ending(Cause.LEASE), now, said)
        case Stopping() as phase:
            return hurry(sup, phase, now, said)
        case Backoff() | GivenUp():
            return stand_by(sup, said)
        case _:
            return sup, (said,)
