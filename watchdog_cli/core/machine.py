"""All decisions of the supervisor: ``step(state, event, now) -> (state, actions)``.

Theory of operation
-------------------
The shell waits until ``supervisor.deadline`` or until something happens, turns it into one event, calls ``step`` and
performs the actions. Time is monotonic seconds that are handed in. Nothing here reads a clock or touches a process.

    Begin -> Spawning -> Starting -> Running        a run lives; Starting ends with its first sign of life
    Starting | Running -> Stopping                  we end it (hang, memory, asked), or it left a tree behind
    Stopping, tree empty -> after_run              the one place that decides what comes next
    after_run -> Backoff -> Spawning               the usual restart
                | Spawning                          an asked restart: at once
                | Paused | StandingBy | GivenUp | Stopped

Rules that hold everywhere:

* ``Spawn`` is asked for only when the tree of the last run is empty, so there are never two children.
* ``want_up`` turns False with the first asked stop and never back: a stop is never undone by a restart.
* Every end that nobody asked for goes through the one ``Window``; the restart beyond its cap gives up.
* Every phase but the last ones has a deadline or waits for something that the system is sure to tell.
* With a lease asked for, nothing is started and nothing lives on without it: ``leasing.py``.
* An event that makes no sense in a phase changes nothing: reports of one end may come twice, or late.

How a run is ended, and what follows, is in ``ending.py``; what people ask for in ``asked.py``.
"""

from dataclasses import replace
from typing import assert_never

from watchdog_cli.core import asked, facts, leasing, liveness
from watchdog_cli.core.actions import (
    Action,
    MeasureMemory,
    Report,
    TerminateRest,
)
from watchdog_cli.core.ending import (
    Step,
    after_run,
    ask,
    begin_stop,
    end_run,
    finish,
    next_stage,
    spawn,
)
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.events import (
    Adopted,
    Beat,
    Begin,
    ChildExited,
    ChildSpawned,
    Continued,
    DumpDone,
    Event,
    HangDeclared,
    LeaseHeld,
    LeaseLost,
    MemoryMeasured,
    PauseAsked,
    RestartAsked,
    ResumeAsked,
    SpawnFailed,
    StopAsked,
    Tick,
    TreeEmpty,
)
from watchdog_cli.core.liveness import Liveness
from watchdog_cli.core.phases import (
    Backoff,
    GivenUp,
    Paused,
    Running,
    Spawning,
    Stage,
    Starting,
    Stopped,
    Stopping,
    Up,
)
from watchdog_cli.core.policy import Source
from watchdog_cli.core.record import Cause, Ending, Run
from watchdog_cli.core.supervisor import Supervisor, is_watched, memory_deadline, watches_silence

MEMORY_WITH_BEAT_S = 1.0  # with a beat we are awake anyway


def step(sup: Supervisor, event: Event, now: float) -> Step:
    """Decide what follows from one event. See the top of this module."""
    if isinstance(sup.phase, Stopped):
        return sup, ()
    sup, expired = leasing.expire(sup, now)
    sup, said = _notice_own_pause(sup, now)
    sup, actions = _step(sup, event, now)
    return sup, (*expired, *said, *actions)


def _step(sup: Supervisor, event: Event, now: float) -> Step:
    match event:
        case Begin():
            return _on_begin(sup)
        case Adopted():
            return _on_adopted(sup, event, now)
        case ChildSpawned():
            return _on_spawned(sup, event, now)
        case SpawnFailed():
            return _on_spawn_failed(sup, event, now)
        case ChildExited():
            return _on_exit(sup, event, now)
        case TreeEmpty(run_id=run_id):
            return _on_tree_empty(sup, run_id, now)
        case Beat():
            return _on_beat(sup, event, now)
        case HangDeclared():
            return _on_hang_declared(sup, event, now)
        case MemoryMeasured():
            return _on_memory(sup, event, now)
        case DumpDone():
            return _on_dump_done(sup, event, now)
        case Continued():
            return _on_continued(sup, now)
        case Tick():
            return _on_tick(sup, now)
        case StopAsked():
            return asked.stop(sup, event, now)
        case RestartAsked():
            return asked.restart(sup, now)
        case PauseAsked(for_s=for_s):
            return asked.pause(sup, for_s, now)
        case ResumeAsked():
            return asked.end_pause(sup, now, by_itself=False)
        case LeaseHeld() | LeaseLost():
            return leasing.heard(sup, event, now)
        case _:
            assert_never(event)


# --- starting --------------------------------------------------------------------------------------------


def _on_begin(sup: Supervisor) -> Step:
    match sup.phase:
        case Spawning(asked=False) if not sup.want_up:
            return finish(sup, ExitCode.OK, "stopped as asked")
        case Spawning(asked=False) if sup.pause is not None:
            return replace(sup, phase=Paused()), ()
        case Spawning(asked=False):
            return spawn(sup)
        case _:
            return sup, ()


def _on_adopted(sup: Supervisor, event: Adopted, now: float) -> Step:
    match sup.phase:
        case Spawning(asked=False):
            said = Report(facts.TakenOver(event.run, event.leader_gone))
            return _live(sup, event.run, event.silence_judged, now, said, age_s=event.age_s)
        case _:
            return sup, ()


def _on_spawned(sup: Supervisor, event: ChildSpawned, now: float) -> Step:
    match sup.phase:
        case Spawning(asked=True):
            return _live(sup, event.run, event.silence_judged, now, Report(facts.Spawned(event.run)))
        case _:
            return sup, ()


def _live(
    sup: Supervisor, run: Run, silence_judged: bool, now: float, said: Action, *, age_s: float = 0.0
) -> Step:
    """A run lives from now on, as far as we are concerned."""
    sup = replace(
        sup,
        phase=Starting(run, liveness.begin(now, age_s)),
        number=max(sup.number, run.number),
        settled=True,
        memory_at=None,
        over_memory=False,
        judged=sup.judged or (silence_judged and not sup.policy.no_heartbeat),
    )
    if not sup.want_up:  # the stop came before we knew of the run
        return begin_stop(sup, Ending(Cause.ASKED_STOP), now, said)
    if sup.policy.lease is not None and sup.hold is None:
        return begin_stop(sup, Ending(Cause.LEASE), now, said, at_once=sup.end_by is None)
    return sup, (said,)


def _on_spawn_failed(sup: Supervisor, event: SpawnFailed, now: float) -> Step:
    if not isinstance(sup.phase, Spawning) or not sup.phase.asked:
        return sup, ()
    fault = Report(facts.SpawnFault(event.reason, sup.phase.number))
    if not sup.settled and not event.transient:
        return finish(sup, ExitCode.SPAWN, "the program could not be started", fault)
    return after_run(sup, Ending(Cause.SPAWN, detail=event.reason), now, fault)


# --- ending ----------------------------------------------------------------------------------------------


def _on_exit(sup: Supervisor, event: ChildExited, now: float) -> Step:
    match sup.phase:
        case Starting(run=run) | Running(run=run) if run.id == event.run_id:
            return _on_own_end(sup, sup.phase, event, now)
        case Stopping(run=run, status=None) as phase if run.id == event.run_id:
            phase = replace(phase, status=event.status)
            if event.left_behind == 0:
                return _on_tree_empty(replace(sup, phase=phase), run.id, now)
            if phase.stage is Stage.KILL:
                return replace(sup, phase=phase), ()
            kill_at = now + sup.policy.stop_timeout_s if phase.stage is Stage.DUMP else phase.kill_at
            phase = replace(phase, stage=Stage.GROUP, next_at=kill_at, kill_at=kill_at)
            return replace(sup, phase=phase), (TerminateRest(),)
        case _:
            return sup, ()


def _on_own_end(sup: Supervisor, phase: Up, event: ChildExited, now: float) -> Step:
    """The leader ended and nobody asked it to."""
    status = event.status
    if status.signal is not None:
        ending = Ending(Cause.SIGNAL, status)
    elif status.code is None:
        ending = Ending(Cause.UNKNOWN, status)
    elif status.code == 0 and event.left_behind:
        ending = Ending(Cause.BACKGROUND, status)
    else:
        ending = Ending(Cause.EXIT, status)
    if event.left_behind == 0:
        return end_run(sup, phase.run, phase.life.born, ending, now)
    kill_at = now + sup.policy.stop_timeout_s
    stopping = Stopping(phase.run, ending, phase.life.born, Stage.GROUP, kill_at, kill_at, status)
    said = Report(facts.LeftBehind(phase.run, event.left_behind))
    return replace(sup, phase=stopping), (said, TerminateRest())


def _on_dump_done(sup: Supervisor, event: DumpDone, now: float) -> Step:
    match sup.phase:
        case Stopping(stage=Stage.DUMP, run=run) as stopping if event.run_id in (None, run.id):
            return ask(sup, stopping, now)
        case _:
            return sup, ()


def _on_tree_empty(sup: Supervisor, run_id: str, now: float) -> Step:
    match sup.phase:
        case Stopping(run=run, status=status) as phase if run.id == run_id and status is not None:
            ending = replace(phase.ending, status=status)
            return end_run(sup, run, phase.since, ending, now, restart_asked=phase.restart_asked)
        case _:
            return sup, ()


# --- signs of life ---------------------------------------------------------------------------------------


def _on_beat(sup: Supervisor, event: Beat, now: float) -> Step:
    phase = sup.phase
    if not isinstance(phase, Up) or event.run_id not in (None, phase.run.id):
        return sup, ()
    if not liveness.counts(event.source, sup.policy):
        return sup, ()
    life = phase.life.seen(event.source, now).progressed(event.progress, now)
    if not sup.policy.no_heartbeat:
        if not sup.judged:
            # From here on silence is a hang. What else must give signs (all of several sources) has its time from here.
            life = replace(life, patience_from=now)
        # Of the file alone: another source is asked for at each start, and who asks no more is not to be judged by it.
        sup = replace(sup, judged=True, ever_beat=sup.ever_beat or event.source is Source.FILE)
    actions: list[Action] = []
    if not liveness.has_begun(phase.life, sup.policy) and liveness.has_begun(life, sup.policy):
        actions.append(Report(facts.FirstSign(phase.run, max(0.0, now - life.since))))
        if sup.ailing:
            actions.append(Report(facts.Recovered(phase.run)))
        sup = replace(sup, phase=Running(phase.run, life), ailing=False)
    else:
        sup = replace(sup, phase=replace(phase, life=life))
    if _memory_is_due_with_beat(sup, now):
        sup = replace(sup, memory_at=now)
        actions.append(MeasureMemory())
    return sup, tuple(actions)


def _memory_is_due_with_beat(sup: Supervisor, now: float) -> bool:
    if sup.policy.memory_limit is None or sup.pause is not None:
        return False
    return sup.memory_at is None or now - sup.memory_at >= MEMORY_WITH_BEAT_S


def _on_hang_declared(sup: Supervisor, event: HangDeclared, now: float) -> Step:
    if (
        not isinstance(sup.phase, Up)
        or not watches_silence(sup)
        or event.run_id not in (None, sup.phase.run.id)
    ):
        return sup, ()
    return _hang(sup, sup.phase, Ending(Cause.HANG, detail="it said so itself"), now)


def _hang(sup: Supervisor, phase: Up, ending: Ending, now: float) -> Step:
    last = phase.life.last_sign()
    if ending.cause is Cause.NO_PROGRESS and phase.life.progress_at is not None:
        last = phase.life.progress_at
    since = phase.life.since if last is None else last
    return begin_stop(sup, ending, now, Report(facts.HangFound(phase.run, ending, max(0.0, now - since))))


def _on_memory(sup: Supervisor, event: MemoryMeasured, now: float) -> Step:
    limit = sup.policy.memory_limit
    phase = sup.phase
    if limit is None or sup.pause is not None or not isinstance(phase, Up):
        return sup, ()
    if event.run_id not in (None, phase.run.id):
        return sup, ()
    if event.rss <= limit:
        return replace(sup, over_memory=False), ()
    if not sup.over_memory:
        return replace(sup, over_memory=True), ()
    said = Report(facts.MemoryExceeded(phase.run, event.rss, limit))
    return begin_stop(sup, Ending(Cause.MEMORY), now, said)


def _notice_own_pause(sup: Supervisor, now: float) -> Step:
    """Every event proves that we are awake; one that comes far too late proves that we were not."""
    phase = sup.phase
    if not isinstance(phase, Up) or not watches_silence(sup):
        return sup, ()
    late = liveness.late_by(phase.life, now, sup.policy) if is_watched(sup) else 0.0
    if liveness.is_pause(late, phase.life, sup.policy):
        life = replace(phase.life, awake_at=now, patience_from=now)
        return replace(sup, phase=replace(phase, life=life)), (Report(facts.OwnPause(late)),)
    life = replace(phase.life, awake_at=now)
    return replace(sup, phase=replace(phase, life=life.moved(late) if late else life)), ()


def _on_continued(sup: Supervisor, now: float) -> Step:
    phase = sup.phase
    if not isinstance(phase, Up) or not watches_silence(sup):
        return sup, ()
    # The late deadline may have told of this pause a moment ago: once is enough.
    told = now - phase.life.patience_from < liveness.SMALLEST_TOLERANCE_S
    phase = replace(phase, life=replace(phase.life, patience_from=now))
    return replace(sup, phase=phase), () if told else (Report(facts.OwnPause(None)),)


# --- time ------------------------------------------------------------------------------------------------


def _on_tick(sup: Supervisor, now: float) -> Step:
    if sup.pause is not None and sup.pause.until is not None and now >= sup.pause.until:
        return asked.end_pause(sup, now, by_itself=True)
    match sup.phase:
        case Starting() | Running() as phase:
            return _on_tick_while_up(sup, phase, now)
        case Stopping(next_at=next_at) as phase if now >= next_at:
            return next_stage(sup, phase, now)
        case Backoff(until=until) if now >= until:
            return spawn(sup)
        case GivenUp(retry_at=retry_at) if retry_at is not None and now >= retry_at:
            return spawn(replace(sup, restarts=sup.restarts + 1))
        case _:
            return sup, ()


def _on_tick_while_up(sup: Supervisor, phase: Up, now: float) -> Step:
    if watches_silence(sup):
        verdict = liveness.judge(phase.life, now, sup.policy)
        causes = {
            Liveness.STALE: Cause.HANG,
            Liveness.NEVER: Cause.NEVER_BEAT,
            Liveness.STUCK: Cause.NO_PROGRESS,
        }
        if phase.life.before_s and sup.ever_beat:
            causes[Liveness.NEVER] = Cause.HANG  # it gave signs to the watchdog before us
        if verdict in causes and sup.judged:
            return _hang(sup, phase, Ending(causes[verdict]), now)
        if verdict is Liveness.NEVER and isinstance(phase, Starting):
            said = () if sup.unheard_said else (Report(facts.Unheard(sup.policy.start_grace_s)),)
            return _settle(replace(sup, unheard_said=True), phase, *said)
    elif (
        sup.pause is None
        and isinstance(phase, Starting)
        and now >= liveness.grace_deadline(phase.life, sup.policy)
    ):
        return _settle(sup, phase)
    memory_at = memory_deadline(sup)
    if memory_at is not None and now >= memory_at:
        return replace(sup, memory_at=now), (MeasureMemory(),)
    return sup, ()


def _settle(sup: Supervisor, phase: Starting, *said: Action) -> Step:
    """The grace is over and no sign was asked for: living through it is all the health there is."""
    recovered = (Report(facts.Recovered(phase.run)),) if sup.ailing else ()
    return replace(sup, phase=Running(phase.run, phase.life), ailing=False), (*said, *recovered)
