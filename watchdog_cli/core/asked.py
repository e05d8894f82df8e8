"""What people ask for: stop, restart, pause, resume."""

from dataclasses import replace

from watchdog_cli.core import facts
from watchdog_cli.core.actions import Report
from watchdog_cli.core.ending import Step, ask, begin_stop, finish, kill, spawn
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.events import By, StopAsked
from watchdog_cli.core.phases import (
    Backoff,
    GivenUp,
    Paused,
    Running,
    Spawning,
    Stage,
    StandingBy,
    Starting,
    Stopping,
)
from watchdog_cli.core.record import Cause, Ending
from watchdog_cli.core.supervisor import Pause, Supervisor

# Some senders signal the process and then its group: that is one signal, not an impatient person.
ONE_SIGNAL_S = 0.05


def stop(sup: Supervisor, event: StopAsked, now: float) -> Step:
    """End the child, then the supervisor. A second signal that is no hang-up, or ``now``, means kill."""
    by_signal = event.by is By.SIGNAL
    again = by_signal and sup.signalled_at is not None and now - sup.signalled_at >= ONE_SIGNAL_S
    at_once = event.now or again
    first = now if by_signal and sup.signalled_at is None else sup.signalled_at
    sup = replace(sup, want_up=False, signalled_at=first)
    if isinstance(sup.phase, Stopping) and sup.phase.ending.cause is Cause.ASKED_RESTART:
        # No restart will follow, so the record shall not speak of one.
        ending = replace(sup.phase.ending, cause=Cause.ASKED_STOP)
        sup = replace(sup, phase=replace(sup.phase, ending=ending))
    match sup.phase:
        case Starting() | Running():
            return begin_stop(sup, Ending(Cause.ASKED_STOP), now, at_once=at_once)
        case Stopping(stage=Stage.KILL):
            return sup, ()
        case Stopping(stage=Stage.DUMP) as phase if not at_once:
            return ask(sup, phase, now)  # somebody waits: no stacks
        case Stopping() as phase if at_once:
            return kill(sup, phase, now)
        case Stopping() | Spawning():
            return sup, ()
        case _:
            return finish(sup, ExitCode.OK, "stopped as asked")


def restart(sup: Supervisor, now: float) -> Step:
    """Replace the run at once; what happened before counts no more."""
    if not sup.want_up:
        return sup, ()
    said = (Report(facts.PauseEnded(by_itself=False)),) if sup.pause is not None else ()
    sup = replace(sup, window=sup.window.cleared(), pause=None)
    match sup.phase:
        case Starting() | Running():
            sup, actions = begin_stop(sup, Ending(Cause.ASKED_RESTART), now, *said)
            return _restart_when_empty(sup), actions
        case Stopping():
            return _restart_when_empty(sup), said
        case Backoff() | Paused() | GivenUp():
            return spawn(sup, *said)
        case _:
            return sup, said


def _restart_when_empty(sup: Supervisor) -> Supervisor:
    if not isinstance(sup.phase, Stopping):
        return sup
    return replace(sup, phase=replace(sup.phase, restart_asked=True))


def pause(sup: Supervisor, for_s: float | None, now: float) -> Step:
    """Start, judge and end nothing until somebody resumes or the time is over."""
    if not sup.want_up:
        return sup, ()
    until = None if for_s is None else now + for_s
    said = Report(facts.PauseBegun(for_s))
    sup = replace(sup, pause=Pause(until))
    if isinstance(sup.phase, Backoff | GivenUp | StandingBy):
        return replace(sup, phase=Paused()), (said,)
    return sup, (said,)


def end_pause(sup: Supervisor, now: float, *, by_itself: bool) -> Step:
    """Supervise again: start what does not run, and give what runs its full time."""
    if sup.pause is None:
        return sup, ()
    said = Report(facts.PauseEnded(by_itself))
    sup = replace(sup, pause=None)
    match sup.phase:
        case Paused():
            return spawn(sup, said)
        case Starting() | Running() as phase:
            life = replace(phase.life, patience_from=now, awake_at=now)
            return replace(sup, phase=replace(phase, life=life)), (said,)
        case _:
            return sup, (said,)
