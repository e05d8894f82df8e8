"""How a run is brought to its end, and what follows.

The ladder of a stop: dump (a frozen child only), ask the leader, ask all others, kill, until the tree is empty. Then
``after_run``, the one place that decides what comes next. ``machine.py`` has the theory of operation.
"""

from dataclasses import replace

from watchdog_cli.core import facts, lease_facts
from watchdog_cli.core.actions import Action, Dump, Kill, Report, Spawn, Terminate, TerminateRest
from watchdog_cli.core.backoff import next_delay
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.phases import (
    Backoff,
    GivenUp,
    Paused,
    Spawning,
    Stage,
    StandingBy,
    Stopped,
    Stopping,
    Up,
)
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.record import ASKED, HANGS, Cause, Ending, Run
from watchdog_cli.core.supervisor import Supervisor

SETTINGS_ARE_WRONG = 78  # EX_CONFIG of sysexits: the child asks not to be started again
SPAWN_AGAIN_S = 0.5  # with delay 0 a spawn that fails at once would spin
KILL_AGAIN_S = 1.0  # a process in uninterruptible sleep dies when it wakes; look again that often

Step = tuple[Supervisor, tuple[Action, ...]]


def spawn(sup: Supervisor, *said: Action) -> Step:
    """Ask for the next run; without the lease that it needs, wait for that."""
    if sup.policy.lease is not None and sup.hold is None:
        return stand_by(sup, *said)
    number = sup.number + 1
    return replace(sup, phase=Spawning(number), end_by=None), (*said, Spawn(number))


def stand_by(sup: Supervisor, *said: Action) -> Step:
    """Nothing may run here until the lease is ours."""
    return replace(sup, phase=StandingBy(), end_by=None), (*said, Report(lease_facts.StandbyBegun()))


def begin_stop(sup: Supervisor, ending: Ending, now: float, *said: Action, at_once: bool = False) -> Step:
    """Start the ladder: dump (hang only), ask the leader, ask the rest, kill."""
    phase = sup.phase
    if not isinstance(phase, Up):
        raise TypeError(f"nothing to stop in {phase}")
    policy = sup.policy
    sup = replace(sup, ailing=sup.ailing or ending.cause not in ASKED)
    stopping = Stopping(phase.run, ending, phase.life.born, Stage.DUMP, now, now)
    if at_once:
        return kill(replace(sup, phase=stopping), stopping, now, *said)
    if ending.cause in HANGS and policy.dump_timeout_s > 0:
        stopping = replace(stopping, next_at=now + policy.dump_timeout_s)
        return replace(sup, phase=stopping), (*said, Dump(policy.dump_timeout_s))
    return ask(sup, stopping, now, *said)


def ask(sup: Supervisor, stopping: Stopping, now: float, *said: Action) -> Step:
    """Ask the leader to end, and give it its time."""
    grace = sup.policy.stop_timeout_s
    if sup.end_by is not None:
        grace = min(grace, sup.end_by - now)
    stopping = replace(stopping, stage=Stage.SOFT, next_at=now + grace / 2, kill_at=now + grace, asked_at=now)
    if sup.end_by is not None and grace <= 0:
        return kill(sup, replace(stopping, stage=Stage.DUMP), now, *said)
    begun = Report(facts.StopBegun(stopping.run, stopping.ending.text, grace))
    return replace(sup, phase=stopping), (*said, begun, Terminate())


def kill(sup: Supervisor, stopping: Stopping, now: float, *said: Action) -> Step:
    """End the tree the hard way, and look again until it is gone."""
    actions = list(said)
    if stopping.stage is not Stage.KILL:
        asked_at = stopping.asked_at
        if asked_at is None:
            asked_at = stopping.kill_at - sup.policy.stop_timeout_s
        asked = stopping.stage in (Stage.SOFT, Stage.GROUP)
        waited = max(0.0, now - asked_at) if asked else None
        actions.append(Report(facts.KillBegun(stopping.run, waited)))
    forced = stopping.ending.forced or stopping.status is None
    stopping = replace(
        stopping, stage=Stage.KILL, next_at=now + KILL_AGAIN_S, ending=replace(stopping.ending, forced=forced)
    )
    return replace(sup, phase=stopping), (*actions, Kill())


def hurry(sup: Supervisor, phase: Stopping, now: float, *said: Action) -> Step:
    """Let a stop that has begun be over before ``end_by``."""
    if sup.end_by is None:
        return sup, said
    if now >= sup.end_by and phase.stage is not Stage.KILL:
        return kill(sup, phase, now, *said)
    if phase.stage is Stage.DUMP:
        return ask(sup, phase, now, *said)
    kill_at = min(phase.kill_at, sup.end_by)
    phase = replace(phase, kill_at=kill_at, next_at=min(phase.next_at, kill_at))
    return replace(sup, phase=phase), said


def next_stage(sup: Supervisor, phase: Stopping, now: float) -> Step:
    """Go on with a stop whose present stage is over."""
    match phase.stage:
        case Stage.DUMP:
            return ask(sup, phase, now)
        case Stage.SOFT if now < phase.kill_at:
            phase = replace(phase, stage=Stage.GROUP, next_at=phase.kill_at)
            return replace(sup, phase=phase), (TerminateRest(),)
        case _:
            return kill(sup, phase, now)


def end_run(
    sup: Supervisor, run: Run, since: float, ending: Ending, now: float, *, restart_asked: bool = False
) -> Step:
    """Tell of the end of a run and decide what follows."""
    ended = Report(facts.Ended(run, ending, max(0.0, now - since)))
    return after_run(sup, ending, now, ended, jitter=run.jitter, restart_asked=restart_asked)


def after_run(
    sup: Supervisor,
    ending: Ending,
    now: float,
    *said: Action,
    jitter: float = 0.5,
    restart_asked: bool = False,
) -> Step:
    """Nothing runs any more: decide what comes next. The one place that does."""
    policy = sup.policy
    if not sup.want_up:
        return finish(sup, ExitCode.OK, "stopped as asked", *said)
    if sup.pause is not None:
        return replace(sup, phase=Paused()), said
    if restart_asked:  # asked for while the run was ending by itself: that incident is still to be healed
        return spawn(replace(sup, ailing=sup.ailing or ending.cause not in ASKED), *said)
    if ending.cause is Cause.LEASE:
        return spawn(sup, *said)  # which stands by, unless the lease came back meanwhile
    if ending.status.code == SETTINGS_ARE_WRONG and ending.cause is Cause.EXIT:
        why = "the program says that its settings are wrong (exit code 78), so it is not started again"
        return finish(sup, SETTINGS_ARE_WRONG, why, *said)
    clean = ending.cause is Cause.EXIT and ending.status.code == 0
    if policy.restart is Restart.NEVER or (policy.restart is Restart.ON_FAILURE and clean):
        code = ExitCode.SPAWN if ending.cause is Cause.SPAWN else ending.status.shell_code
        return finish(sup, code, f"restart is set to {policy.restart.value}", *said)
    if policy.lease is not None and sup.hold is None:
        return stand_by(sup, *said)
    window, allowed = sup.window.add(now)
    sup = replace(sup, window=window, ailing=True)
    if not allowed:
        return give_up(sup, ending, now, *said)
    count = window.count(now)
    delay = next_delay(policy, count, jitter)
    if ending.cause is Cause.SPAWN:
        delay = max(delay, SPAWN_AGAIN_S)
    restarting = Report(facts.Restarting(delay, count, policy.max_restarts, policy.restart_window_s))
    sup = replace(sup, restarts=sup.restarts + 1)
    if delay <= 0:
        return spawn(sup, *said, restarting)
    return replace(sup, phase=Backoff(now + delay)), (*said, restarting)


def give_up(sup: Supervisor, ending: Ending, now: float, *said: Action) -> Step:
    """The restart intensity is exceeded: end, or try again slowly."""
    policy = sup.policy
    count = sup.window.count(now)
    gave_up = Report(facts.GaveUp(ending.text, count, policy.restart_window_s, policy.retry_after_s))
    if policy.retry_after_s is None:
        return finish(sup, ExitCode.GAVE_UP, "gave up", *said, gave_up)
    return replace(sup, phase=GivenUp(ending.text, now + policy.retry_after_s)), (*said, gave_up)


def finish(sup: Supervisor, code: int, why: str, *said: Action) -> Step:
    """End the supervisor with ``code``."""
    finished = Report(facts.Finished(why, int(code)))
    return replace(sup, phase=Stopped(int(code))), (*said, finished)
