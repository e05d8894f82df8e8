"""The model can fail: each fault that is planted into the core on purpose is found, and for the right reason.

A model that never reaches the cap passes without it. So every fault below is a plausible slip in one function, and the
bounded, deterministic search must break the promise that names it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis.stateful import run_state_machine_as_test

from model.oracle import BrokenPromiseError
from model.supervision import HUNT, GoodPrograms, Supervision
from watchdog_cli.core import ending, liveness, machine, supervisor
from watchdog_cli.core.actions import Kill, Spawn
from watchdog_cli.core.events import (
    Beat,
    ChildExited,
    Continued,
    DumpDone,
    HangDeclared,
    MemoryMeasured,
    PauseAsked,
    RestartAsked,
    StopAsked,
    Tick,
)
from watchdog_cli.core.intensity import Window
from watchdog_cli.core.liveness import Liveness
from watchdog_cli.core.phases import Backoff, Stage, Stopping
from watchdog_cli.core.record import Cause

STEP = machine.step
DEADLINE = supervisor.deadline


def wrapped_step(
    before=lambda sup, event: (sup, event), after=lambda _before, _event, sup, actions: (sup, actions)
):
    """The real step with something done to what goes in or comes out."""

    def step(sup, event, now):
        changed, seen = before(sup, event)
        if seen is None:
            return changed, ()
        return after(sup, event, *STEP(changed, seen, now))

    return step


def patched_add(allowed, remembered):
    """A window with its own idea of its edge."""

    def add(self, now):
        recent = tuple(at for at in self.times if remembered(now - at, self.span_s))
        if self.cap is not None and not allowed(len(recent), self.cap):
            return replace(self, times=recent), False
        return replace(self, times=(*recent, now)), True

    return add


def no_cap(patch):
    """The restart beyond the cap is allowed."""
    patch.setattr(Window, "add", patched_add(lambda _n, _cap: True, lambda age, span: age < span))


def cap_one_more(patch):
    """One restart more than the cap is allowed."""
    patch.setattr(Window, "add", patched_add(lambda n, cap: n <= cap, lambda age, span: age < span))


def cap_one_less(patch):
    """The last allowed restart is refused."""
    patch.setattr(Window, "add", patched_add(lambda n, cap: n < cap - 1, lambda age, span: age < span))


def window_edge_in_time(patch):
    """A restart still counts at the instant at which it should be forgotten."""
    patch.setattr(Window, "add", patched_add(lambda n, cap: n < cap, lambda age, span: age <= span))


def window_never_forgets(patch):
    """Restarts count for life."""
    patch.setattr(Window, "add", patched_add(lambda n, cap: n < cap, lambda _age, _span: True))


def stop_undone_by_end(patch):
    """The end of a run that was asked to stop is taken for any other end."""
    real = ending.after_run
    patch.setattr(
        ending, "after_run", lambda sup, *given, **named: real(replace(sup, want_up=True), *given, **named)
    )


def stop_undone_by_restart(patch):
    """Somebody who asks for a restart undoes a stop."""

    def before(sup, event):
        return (replace(sup, want_up=True) if isinstance(event, RestartAsked) else sup), event

    patch.setattr(machine, "step", wrapped_step(before))


def helpers_overlooked(patch):
    """The next start comes when the leader is gone, not when the tree is."""

    def before(sup, event):
        return sup, replace(event, left_behind=0) if isinstance(event, ChildExited) else event

    patch.setattr(machine, "step", wrapped_step(before))


def restart_at_once(patch):
    """An asked restart does not wait for the end of the old run."""

    def after(before, event, sup, actions):
        if isinstance(event, RestartAsked) and isinstance(sup.phase, Stopping) and before.want_up:
            return sup, (*actions, Spawn(sup.number + 1))
        return sup, actions

    patch.setattr(machine, "step", wrapped_step(after=after))


def no_deadline(patch):
    """The waiting time before a start is forgotten."""
    patch.setattr(
        supervisor, "deadline", lambda sup: None if isinstance(sup.phase, Backoff) else DEADLINE(sup)
    )


def no_judge_deadline(patch):
    """Nobody wakes to judge silence; only events do."""
    patch.setattr(supervisor, "is_watched", lambda _sup: False)


def deadline_in_the_past(patch):
    """A tick at the deadline does nothing, so the next one comes at once."""

    def before(sup, event):
        idle = isinstance(event, Tick) and isinstance(sup.phase, Backoff)
        return sup, None if idle else event

    patch.setattr(machine, "step", wrapped_step(before))


def stale_words(patch, kind):
    """What an earlier run said is taken for a word of the present one."""

    def before(sup, event):
        return sup, replace(event, run_id=None) if isinstance(event, kind) else event

    patch.setattr(machine, "step", wrapped_step(before))


def pause_not_heard(patch):
    """Nobody hears that a pause was asked for."""
    patch.setattr(
        machine,
        "step",
        wrapped_step(lambda sup, event: (sup, None if isinstance(event, PauseAsked) else event)),
    )


def judged_while_paused(patch):
    """Silence is judged although a person works on it."""

    def watches(sup):
        return not sup.policy.no_heartbeat

    patch.setattr(supervisor, "watches_silence", watches)
    patch.setattr(machine, "watches_silence", watches)


def pause_without_end(patch):
    """A pause with a time limit does not end by itself."""
    patch.setattr(
        machine,
        "step",
        wrapped_step(
            lambda sup, event: (sup, PauseAsked(None) if isinstance(event, PauseAsked) else event),
        ),
    )


def kill_forgotten(patch):
    """When the time to end is over, nothing follows."""

    def after(_before, _event, sup, actions):
        if isinstance(sup.phase, Stopping) and sup.phase.stage is not Stage.KILL:
            sup = replace(sup, phase=replace(sup.phase, next_at=sup.phase.next_at + 1000.0))
        return sup, actions

    patch.setattr(machine, "step", wrapped_step(after=after))


def kill_not_repeated(patch):
    """The hard kill is sent once; a process that could not die just then stays."""

    def after(before, _event, sup, actions):
        again = isinstance(before.phase, Stopping) and before.phase.stage is Stage.KILL
        return sup, tuple(action for action in actions if not (again and isinstance(action, Kill)))

    patch.setattr(machine, "step", wrapped_step(after=after))


def impatience_ignored(patch):
    """A second signal only waits too."""
    patch.setattr(
        machine,
        "step",
        wrapped_step(lambda sup, event: (replace(sup, signalled_at=None), event)),
    )


def own_pause_not_noticed(patch):
    """The supervisor does not see that it was frozen itself."""
    patch.setattr(liveness, "late_by", lambda *_: 0.0)


def small_delays_not_noticed(patch):
    """Only a long pause counts; lateness below half a second is the program's fault."""
    real = liveness.late_by

    def late_by(life, now, policy):
        late = real(life, now, policy)
        return late if liveness.is_pause(late, life, policy) else 0.0

    patch.setattr(liveness, "late_by", late_by)


def continued_ignored(patch):
    """SIGCONT tells nothing."""
    patch.setattr(
        machine,
        "step",
        wrapped_step(lambda sup, event: (sup, Tick() if isinstance(event, Continued) else event)),
    )


def recovered_twice(patch):
    """An incident does not end with the first healthy run."""

    def after(before, event, sup, actions):
        return (replace(sup, ailing=before.ailing) if isinstance(event, Beat) else sup), actions

    patch.setattr(machine, "step", wrapped_step(after=after))


def recovery_not_told(patch):
    """A run that heals an incident is no news."""
    patch.setattr(machine, "step", wrapped_step(lambda sup, event: (replace(sup, ailing=False), event)))


def hang_too_early(patch):
    """The timeout is shorter than it was set."""
    limit = liveness._limit
    patch.setattr(liveness, "_limit", lambda life, at, policy: limit(life, at, policy) - 0.0625)


def hang_missed(patch):
    """Silence after a first sign is no hang."""
    real = liveness.judge

    def judge(life, now, policy):
        verdict = real(life, now, policy)
        return Liveness.FRESH if verdict is Liveness.STALE else verdict

    patch.setattr(liveness, "judge", judge)


def memory_once(patch):
    """One look at too much memory is enough."""

    def before(sup, event):
        return (replace(sup, over_memory=True) if isinstance(event, MemoryMeasured) else sup), event

    patch.setattr(machine, "step", wrapped_step(before))


def asked_restart_counted(patch):
    """A restart that a person asked for takes a place in the window."""
    real = ending.after_run

    def after_run(sup, end, now, *said, restart_asked=False, **named):
        if end.cause is Cause.ASKED_RESTART and sup.want_up:
            sup = replace(sup, window=sup.window.add(now)[0])
        return real(sup, end, now, *said, restart_asked=restart_asked, **named)

    patch.setattr(ending, "after_run", after_run)


def asked_restart_keeps_window(patch):
    """What happened before an asked restart counts on."""

    def after(before, event, sup, actions):
        return (replace(sup, window=before.window) if isinstance(event, RestartAsked) else sup), actions

    patch.setattr(machine, "step", wrapped_step(after=after))


def delay_skipped(patch):
    """The next start comes a little too early."""

    def after(before, _event, sup, actions):
        if isinstance(sup.phase, Backoff) and not isinstance(before.phase, Backoff):
            sup = replace(sup, phase=Backoff(sup.phase.until - 0.125))
        return sup, actions

    patch.setattr(machine, "step", wrapped_step(after=after))


def stop_not_begun(patch):
    """A stop that is asked for while a run lives only notes the wish."""
    patch.setattr(
        machine,
        "step",
        wrapped_step(
            lambda sup, event: (
                (replace(sup, want_up=False), None) if isinstance(event, StopAsked) else (sup, event)
            )
        ),
    )


class Fault(NamedTuple):
    """One slip, and the promises of which one must be found broken."""

    plant: Callable[[pytest.MonkeyPatch], None]
    broken: str
    corner: type[Supervision] = Supervision


WINDOW = (
    "did not give up|did not end with|ended without a reason|gave up too early|started after the end"
    "|started without|restarts counted|the window counts"
)
FAULTS = {
    "cap removed": Fault(no_cap, WINDOW),
    "cap off by one, more": Fault(cap_one_more, WINDOW),
    "cap off by one, less": Fault(cap_one_less, WINDOW),
    "window edge off by one in time": Fault(window_edge_in_time, WINDOW),
    "window never forgets": Fault(window_never_forgets, WINDOW),
    "stop undone by the end": Fault(stop_undone_by_end, "did not end with code 0|stop was undone|gave up"),
    "stop undone by restart": Fault(
        stop_undone_by_restart, "did not end with code 0|stop was undone|the window counts"
    ),
    "two children, helpers overlooked": Fault(
        helpers_overlooked, "two children|child lives: True|child alive|gave up too early"
    ),
    "two children, restart at once": Fault(restart_at_once, "two children|without a reason"),
    "no deadline left": Fault(no_deadline, "a dead child leaves no deadline"),
    "no deadline to judge": Fault(no_judge_deadline, "a judged child without a deadline|a hang was missed"),
    "deadline in the past": Fault(deadline_in_the_past, "a busy loop"),
    "stale beat accepted": Fault(
        lambda patch: stale_words(patch, Beat), r"^Beat\(.* led to|a hang was missed|was told"
    ),
    "stale hang accepted": Fault(
        lambda patch: stale_words(patch, HangDeclared), r"HangDeclared|too early|false kill"
    ),
    "stale memory accepted": Fault(
        lambda patch: stale_words(patch, MemoryMeasured), "for memory|MemoryMeasured"
    ),
    "stale dump accepted": Fault(lambda patch: stale_words(patch, DumpDone), r"^DumpDone\(.* led to"),
    "pause not heard": Fault(pause_not_heard, "while paused|frozen too early|ended without a reason"),
    "judged while paused": Fault(judged_while_paused, "judged while paused"),
    "pause without end": Fault(
        pause_without_end, "deadline|start that was due|hang was missed|did not end with code"
    ),
    "kill deadline forgotten": Fault(
        kill_forgotten, "the kill deadline was forgotten|the dump takes for ever"
    ),
    "kill not repeated": Fault(kill_not_repeated, "the kill was not repeated"),
    "second signal ignored": Fault(impatience_ignored, "a second signal did not shorten"),
    "own pause not noticed": Fault(own_pause_not_noticed, "a false kill", GoodPrograms),
    "small delays not noticed": Fault(small_delays_not_noticed, "a false kill", GoodPrograms),
    "SIGCONT ignored": Fault(continued_ignored, "called frozen too early"),
    "recovered twice": Fault(recovered_twice, "a recovery was told twice"),
    "recovery not told": Fault(recovery_not_told, "nobody was told"),
    "hang too early": Fault(hang_too_early, "called frozen too early|told that silence|a false kill"),
    "hang missed": Fault(hang_missed, "a hang was missed|a busy loop"),
    "memory looked at once": Fault(memory_once, "after one look"),
    "asked restart counted": Fault(asked_restart_counted, "the window counts differently|gave up too early"),
    "asked restart keeps the window": Fault(asked_restart_keeps_window, "the window counts differently"),
    "delay skipped": Fault(delay_skipped, "started too early"),
    "stop not begun": Fault(stop_not_begun, "did not end with code 0|nothing followed"),
}


@pytest.mark.timeout(300)  # seconds of computing; a busy machine takes many times as long
@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_found(name, monkeypatch):
    """With this one slip in the core, the random histories break the promise that it concerns."""
    fault = FAULTS[name]
    fault.plant(monkeypatch)
    with pytest.raises(BrokenPromiseError, match=fault.broken):
        run_state_machine_as_test(fault.corner, settings=HUNT)
