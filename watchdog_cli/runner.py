"""The loop: wait, step, perform. It knows ports only."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from watchdog_cli.core.actions import (
    Action,
    Dump,
    Kill,
    MeasureMemory,
    Report,
    Spawn,
    Terminate,
    TerminateRest,
)
from watchdog_cli.core.errors import SpawnError
from watchdog_cli.core.events import Beat, ChildSpawned, Event, MemoryMeasured, SpawnFailed, Tick
from watchdog_cli.core.machine import step
from watchdog_cli.core.phases import Backoff, GivenUp, Stage, Stopped, Stopping, Up
from watchdog_cli.core.ports import Child, Clock, Dumper, Heartbeat, Inbox, Listeners
from watchdog_cli.core.supervisor import Supervisor, deadline, is_over
from watchdog_kit.records import dataclass

COUNTDOWN_S = 1.0  # how often a stop that takes its time says who is still there


@dataclass(frozen=True, slots=True)
class Pulse:
    """A sign of our own life for the service manager above us."""

    every_s: float
    beat: Callable[[], object]


class Runner:
    """Owns the state; everything else only puts events into the inbox."""

    def __init__(
        self,
        sup: Supervisor,
        *,
        clock: Clock,
        inbox: Inbox,
        child: Child,
        heartbeat: Heartbeat,
        dumper: Dumper,
        listeners: Listeners,
        pulse: Pulse | None = None,
        lookout: Callable[[], Event | None] = lambda: None,
    ) -> None:
        """Nothing happens before ``run``.

        Args:
            lookout: has the first word before any event: what counts on a clock that is not ours.
            pulse: the watcher is watched too: called in this rhythm as long as the loop turns.
        """
        self.sup = sup
        self._clock = clock
        self._inbox = inbox
        self._child = child
        self._heartbeat = heartbeat
        self._dumper = dumper
        self._listeners = listeners
        self._pulse = pulse
        self._lookout = lookout
        self._pulse_at = clock.monotonic() if pulse is not None else None
        self._countdown_at: float | None = None
        self._handed_over = False

    def run(self, *first: Event) -> int | None:
        """Supervise until the end; return the exit code, or None after ``hand_over``.

        Args:
            first: how it begins: Begin, or Adopted and what shall follow it.
        """
        for event in first:
            self._take(event)
        while not is_over(self.sup) and not self._handed_over:
            self._turn()
        return self.sup.phase.exit_code if isinstance(self.sup.phase, Stopped) else None

    def hand_over(self) -> None:
        """Leave the loop with the child running: another image of the watchdog goes on."""
        self._handed_over = True

    def ask(self, event: Event) -> None:
        """Take what a person asks for right now; for callbacks within a wait of the main thread."""
        self._take(event)

    def _turn(self) -> None:
        self.sup = replace(self.sup, polling=not self._heartbeat.notices_work)
        event = self._inbox.get(_earlier(deadline(self.sup), self._countdown_at, self._pulse_at))
        if event is not None:
            self._take(event)
        now = self._clock.monotonic()
        if self._pulse is not None and self._pulse_at is not None and now >= self._pulse_at:
            self._pulse.beat()
            self._pulse_at = now + self._pulse.every_s
        if self._countdown_at is not None and now >= self._countdown_at:
            self._count_down(now)
        until = deadline(self.sup)  # anew: an endless stream of events must not put off a deadline
        if until is not None and now >= until:
            self._meet_deadline()

    def _meet_deadline(self) -> None:
        """Nobody is judged before one more look.

        First at the end of the process (a dead child is never frozen), then at the heartbeat file (a notice can be
        lost).
        """
        self._child.look()
        self._inbox.poll()
        late = self._inbox.get(0.0)
        if late is not None:
            self._take(late)
            return
        beat = self.look_for_beat()
        self._take(Tick() if beat is None else beat)

    def look_for_beat(self) -> Beat | None:
        """A beat of the present run, if the file has changed."""
        return self._heartbeat.look() if isinstance(self.sup.phase, Up) else None

    def _take(self, event: Event) -> None:
        """Step, and perform what follows, until nothing follows."""
        first = self._lookout()
        todo: list[Event] = [event] if first is None else [first, event]
        while todo:
            before = self.sup
            self.sup, actions = step(self.sup, todo.pop(0), self._clock.monotonic())
            self._set_countdown()
            # A spawn comes before the talk of what led to it: whoever writes that down takes turns with this thread.
            for action in sorted(actions, key=_order):
                answer = self._perform(action)
                if answer is not None:
                    todo.append(answer)
            if _essence(before) != _essence(self.sup):
                self._listeners.keep(self.sup)  # after the facts: they belong to what is kept

    def _perform(self, action: Action) -> Event | None:
        match action:
            case Report(fact=fact):
                self._listeners.tell(fact)
            case Spawn(number=number):
                return self._spawn(number)
            case Terminate():
                self._child.terminate()
            case TerminateRest():
                self._child.terminate_rest()
            case Kill():
                self._child.kill()
                self._child.look()
            case Dump(limit_s=limit_s):
                self._dumper.begin(limit_s)
            case MeasureMemory():
                return MemoryMeasured(self._child.resident_bytes())
            case _:
                assert_never(action)
        return None

    def _spawn(self, number: int) -> Event:
        run_id = uuid.uuid4().hex
        expected = self._heartbeat.lies_there()
        self._heartbeat.begin_run(run_id)  # before the spawn: its first beat may come at once
        try:
            run = self._child.spawn(number, run_id)
        except SpawnError as error:
            return SpawnFailed(str(error), error.transient)
        return ChildSpawned(run, silence_judged=expected)

    # --- a stop that takes its time --------------------------------------------------------------------------

    def _set_countdown(self) -> None:
        stopping = isinstance(self.sup.phase, Stopping)
        if not stopping:
            self._countdown_at = None
        elif self._countdown_at is None:
            self._countdown_at = self._clock.monotonic() + COUNTDOWN_S

    def _count_down(self, now: float) -> None:
        phase = self.sup.phase
        if not isinstance(phase, Stopping):
            self._countdown_at = None
            return
        self._countdown_at = now + COUNTDOWN_S
        who = self._child.survivors()
        if who:
            left = max(0.0, phase.kill_at - now)
            when = f"kill in {left:.0f}s" if left else "kill was sent"
            if phase.stage is Stage.DUMP:
                when = "looking at where it hangs"
            self._listeners.waiting(f"waiting for {', '.join(who)} ({when})")


def _order(action: Action) -> int:
    return 0 if isinstance(action, Spawn) else 1


def _earlier(*instants: float | None) -> float | None:
    return min((at for at in instants if at is not None), default=None)


def _essence(sup: Supervisor) -> tuple[object, ...]:
    """What a successor must know; signs of life are not part of it, or each beat would be written to the disk."""
    phase = sup.phase
    what: object = None
    match phase:
        case Backoff(until=at) | GivenUp(retry_at=at):
            what = at
        case Stopping(stage=stage, status=status):
            what = (stage, status)
        case _:
            what = getattr(phase, "run", None)
    return (
        type(phase),
        what,
        sup.pause,
        sup.judged,
        sup.ever_beat,
        sup.window.times,
        sup.restarts,
        sup.want_up,
    )
