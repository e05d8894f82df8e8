"""Everybody who listens to the supervisor: screen, journal, state file, people who wait at the control socket."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from watchdog_cli.adapters.clock import SystemClock
from watchdog_cli.adapters.journal import Recorder
from watchdog_cli.adapters.log_marks import Position
from watchdog_cli.adapters.notify_socket import tell_manager
from watchdog_cli.adapters.system import controls, processes
from watchdog_cli.adapters.terminal import Terminal
from watchdog_cli.core import facts, lease_facts
from watchdog_cli.core.diagnosis import describe
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.facts import Fact, Level
from watchdog_cli.core.phases import (
    Backoff,
    GivenUp,
    Paused,
    Running,
    StandingBy,
    Starting,
    Stopped,
    Stopping,
)
from watchdog_cli.core.snapshot import LAST_RUNS, ChildRecord, LastRun, ProcessId, Snapshot
from watchdog_cli.core.supervisor import Supervisor, next_start
from watchdog_cli.wiring.refusals import PAUSED, STANDS_BY, not_started
from watchdog_cli.wiring.sinks import Sinks
from watchdog_kit.quantities import format_duration
from watchdog_kit.records import dataclass
from watchdog_kit.wall_time import iso

# Restarts in the state file when there is no cap: they are for display, and written each time.
SAVED_UNLIMITED = 100
CLOCK_STEP_S = 1.5  # chosen: more than any slewing, less than a person would call a step
QUIET_KINDS = frozenset({"healthy"})  # too much for the screen of somebody who has just seen it start


@dataclass(frozen=True, slots=True)
class Self:
    """Our own process."""

    process: ProcessId
    boot_id: str


def own_process(at: str) -> Self:
    """Who we are, for the state file."""
    found = processes.stat(os.getpid())
    return Self(ProcessId(os.getpid(), found.start_ticks if found else None, at), processes.boot_id())


class Hub:
    """Passes on what the runner tells; none of its listeners can hold up the runner."""

    def __init__(
        self,
        *,
        base: Snapshot,
        recorder: Recorder,
        terminal: Terminal,
        control: controls.ControlServer,
        log_position: Callable[[], Position],
        run_position: Callable[[], Position],
        start_ticks: Callable[[], int | None],
        sinks: Sinks,
        greeting: Sequence[str],
    ) -> None:
        """Nothing is told yet.

        Args:
            base: a snapshot with all that does not change.
            log_position: where the child's log ends now.
            run_position: where it ended just before the newest run was spawned.
            start_ticks: of the present child.
            sinks: those who listen in threads of their own.
            greeting: lines for the screen, shown once the program lives.
        """
        self.snapshot = base
        self.spawn_fault = ""
        self.settled = False  # a run has lived: from now on everything goes to the screen
        self._recorder = recorder
        self._terminal = terminal
        self._control = control
        self._log_position = log_position
        self._run_position = run_position
        self._start_ticks = start_ticks
        self._sinks = sinks
        self._greeting = list(greeting)
        self._clock = SystemClock()
        self._wall_ahead = time.time() - time.monotonic()
        self._last: tuple[LastRun, ...] = base.last
        self._child_started_at = ""
        self._held: Fact | None = None  # why the first start failed, until it is known what follows from it

    # --- core.ports.Listeners --------------------------------------------------------------------------------

    def tell(self, fact: Fact) -> None:
        """Pass a fact on."""
        self._mark_clock_step()
        self._pass_on(fact)

    def keep(self, sup: Supervisor) -> None:
        """Save what a successor must know."""
        self.snapshot = self._take_snapshot(sup)
        self._recorder.state(self.snapshot)
        match sup.phase:  # whoever waits for a restart hears that none comes now
            case Backoff() | GivenUp():
                self._control.finish("restart", not_started(self.spawn_fault))
            case Paused():
                self._control.finish("restart", PAUSED)
            case StandingBy():
                self._control.finish("restart", STANDS_BY)

    def waiting(self, text: str) -> None:
        """Say who is still there."""
        self._terminal.say(f"  {text}")
        self._control.progress(text)

    # ---------------------------------------------------------------------------------------------------------

    def _mark_clock_step(self) -> None:
        ahead = time.time() - time.monotonic()
        step = ahead - self._wall_ahead
        self._wall_ahead = ahead
        if abs(step) > CLOCK_STEP_S:
            way = "forward" if step > 0 else "back"
            self._pass_on(
                facts.Notice(
                    "clock",
                    f"the wall clock was set {way} by {format_duration(abs(step))}; "
                    "times that are shown change, nothing else does",
                )
            )

    def _pass_on(self, fact: Fact) -> None:
        at = self._clock.wall()
        extra: dict[str, object] = {}
        match fact:
            case facts.Spawned() | facts.TakenOver():
                self.settled = True
                begins = self._run_position if isinstance(fact, facts.Spawned) else self._log_position
                file_id, offset = begins()
                extra["log"] = {"file_id": file_id, "offset": offset}
                self._child_started_at = iso(at)
                self._greet(fact)
            case facts.PauseBegun():
                _say_ready(fact)
            case lease_facts.StandbyBegun():
                self.settled = True  # it may stay like this for months, and somebody looks at the screen now
                _say_ready(fact)
            case facts.Ended(ending=ending):
                self._add_last(
                    LastRun(
                        iso(at), ending.cause.value, ending.status.code, ending.status.signal, ending.text
                    )
                )
            case facts.SpawnFault(reason=reason):
                self.spawn_fault = reason
                self._add_last(LastRun(iso(at), "spawn", None, None, fact.text))
                self._held = fact
            case facts.Restarting() | facts.GaveUp() if not self.settled:
                self.settled = True  # tried again, so it was no typo: from now on it is told like everything
                if self._held is not None:
                    self._show(at, self._held)
                _say_ready(fact)
        self._recorder.fact(at, fact, **extra)
        self._sinks.tell(at, fact, extra)
        if self._is_shown(fact):
            self._show(at, fact)
        self._control.progress(fact.text)
        if isinstance(fact, facts.Spawned):
            self._control.finish("restart", {"ok": True, "pid": fact.run.pid, "number": fact.run.number})

    def _show(self, at: datetime, fact: Fact) -> None:
        mark = "" if fact.level < Level.WARNING else "! "
        self._terminal.say(f"{at.astimezone():%H:%M:%S} watchdog: {mark}{fact.text}")

    def _greet(self, fact: Fact) -> None:
        if not self._greeting:
            return
        for line in self._greeting:
            self._terminal.say(line)
        self._greeting.clear()
        _say_ready(fact)

    def _is_shown(self, fact: Fact) -> bool:
        if fact.kind in QUIET_KINDS:
            return False
        return self.settled  # a command that cannot be started is one line of error, not a protocol

    def _add_last(self, run: LastRun) -> None:
        self._last = (*self._last, run)[-LAST_RUNS:]

    def _take_snapshot(self, sup: Supervisor) -> Snapshot:
        phase = sup.phase
        child = None
        if isinstance(phase, Starting | Running | Stopping):
            process = ProcessId(phase.run.pid, self._start_ticks(), self._child_started_at)
            child = ChildRecord(process, phase.run.id, phase.run.number)
        state, _ = describe(sup, time.monotonic(), degraded=False)
        over = isinstance(phase, Stopped)
        return replace(
            self.snapshot,
            state=state.value,
            child=child,
            number=sup.number,
            restarts=sup.restarts,
            window=sup.window.times[-_saved(sup) :],
            ever_beat=sup.ever_beat,
            paused=sup.pause is not None,
            pause_until=sup.pause.until if sup.pause is not None else None,
            next_start=next_start(sup),
            last=self._last,
            ended=state.value if over else "",
            exit_code=phase.exit_code if isinstance(phase, Stopped) else None,
            written_at=iso(self._clock.wall()),
        )

    def farewell(self, code: int) -> None:
        """Answer all who wait: this watchdog ends."""
        answer: dict[str, object] = {"ok": code == ExitCode.OK, "done": "stopped", "exit_code": code}
        self._control.finish("stop", answer | {"ok": True})
        self._control.finish("", answer)


def _saved(sup: Supervisor) -> int:
    cap = sup.policy.max_restarts
    return SAVED_UNLIMITED if cap is None else max(1, cap)


def _say_ready(fact: Fact) -> None:
    """Tell the service manager that the watchdog is up, even if its program is not.

    It would end one that pauses, stands by or tries again and again, for it waits for this word.
    """
    tell_manager("READY=1", f"STATUS={fact.text}")
