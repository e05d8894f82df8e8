"""How one life of the watchdog begins: with a new run, or with what an earlier watchdog left."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from watchdog_cli.adapters.heartbeat import HeartbeatFile
from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.launch import HEARTBEAT
from watchdog_cli.adapters.system import processes, trees
from watchdog_cli.core import supervisor
from watchdog_cli.core.events import Adopted, Begin, By, Event, PauseAsked, RestartAsked, StopAsked
from watchdog_cli.core.facts import Fact, Notice
from watchdog_cli.core.lease import Hold
from watchdog_cli.core.phases import Backoff, GivenUp
from watchdog_cli.core.policy import Source
from watchdog_cli.core.report import State
from watchdog_cli.core.settings import Settings
from watchdog_cli.core.snapshot import Snapshot
from watchdog_cli.core.supervisor import Supervisor
from watchdog_cli.wiring import takeover
from watchdog_cli.wiring.takeover import Legacy
from watchdog_kit.records import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asks for.

    Args:
        force: take a process of unknown identity for a stranger.
        only_stop: end what runs, start nothing.
        now: with ``only_stop``: kill without asking.
        greeting: lines for the screen, shown when the child has been started.
    """

    settings: Settings
    argv: Sequence[str]
    arguments: Sequence[str] = ()
    force: bool = False
    only_stop: bool = False
    now: bool = False
    greeting: Sequence[str] = ()


class Beginning:
    """From what is asked and what was found to the first state and the first events."""

    def __init__(self, order: Order, legacy: Legacy, *, was_handed_over: bool) -> None:
        """Nothing is begun yet.

        Args:
            was_handed_over: an earlier image of this very process let go a moment ago.
        """
        self._order = order
        self._legacy = legacy
        self._was_handed_over = was_handed_over

    def supervisor(self, hold: Hold | None = None) -> Supervisor:
        """The state to begin with: what an earlier watchdog counted still counts, and the lease that it held."""
        legacy = self._legacy
        policy = self._order.settings.policy
        before = legacy.snapshot
        crashed = before is not None and legacy.same_boot and before.ended == ""
        sup = supervisor.new(
            replace(policy, lease=None) if self._order.only_stop else policy,
            number=legacy.number,
            restarts=before.restarts if before is not None else 0,
            window=before.window if before is not None and crashed else (),
            ever_beat=before.ever_beat if before is not None else False,
        )
        sup = replace(sup, hold=hold)
        return self._go_on_waiting(sup, before) if before is not None and crashed else sup

    def _go_on_waiting(self, sup: Supervisor, before: Snapshot) -> Supervisor:
        """After an upgrade a delay runs on: it is no start that somebody asked for."""
        at = before.next_start
        if not self._was_handed_over or at is None or self._legacy.survivor is not None:
            return sup
        gave_up = before.state == State.GAVE_UP.value
        return replace(
            sup,
            phase=GivenUp("as before the upgrade", at) if gave_up else Backoff(at),
            settled=True,
            ailing=True,
        )

    def events(
        self, child: trees.ChildTree, heartbeat: HeartbeatFile, tell: Callable[[Fact], None]
    ) -> list[Event]:
        """What happens first: a new run, or the one that an earlier watchdog left."""
        legacy, order = self._legacy, self._order
        if legacy.survivor is not None:
            events = self._adopt(legacy.survivor, child, heartbeat, tell)
            return events if order.only_stop else [*events, *self._old_pause()]
        if order.only_stop:
            return [StopAsked(By.COMMAND)]
        self._say_old_end(tell)
        return [*self._old_pause(), Begin()]

    def _old_pause(self) -> list[Event]:
        """Somebody worked on it when the watchdog before this one was killed or replaced, and still does."""
        before = self._legacy.snapshot
        if before is None or not before.paused or before.ended or not self._legacy.same_boot:
            return []
        if before.pause_until is None:
            return [PauseAsked(None)]
        left = before.pause_until - time.monotonic()
        return [PauseAsked(left)] if left > 0 else []

    def _adopt(
        self,
        survivor: Identity,
        child: trees.ChildTree,
        heartbeat: HeartbeatFile,
        tell: Callable[[Fact], None],
    ) -> list[Event]:
        order, legacy = self._order, self._legacy
        expected = heartbeat.lies_there()
        heartbeat.begin_run(survivor.run_id)
        run = child.adopt(survivor)
        gone = not legacy.leader_lives
        age_s = 0.0 if gone else processes.age_s(survivor.start_ticks)
        events: list[Event] = [Adopted(run, silence_judged=expected, leader_gone=gone, age_s=age_s)]
        if order.only_stop:
            events.append(StopAsked(By.COMMAND, now=order.now))
        elif gone:
            tell(
                Notice(
                    "orphans",
                    "the program ended while nobody watched and left processes; stopping them first",
                )
            )
            events.append(RestartAsked())
        elif not takeover.same_command(legacy.snapshot, order.argv, order.settings.folder, survivor.pid):
            tell(
                Notice(
                    "replaced",
                    f"another command still runs here (pid {survivor.pid}); stopping it before the new one",
                )
            )
            events.append(RestartAsked())
        elif name := child.told_otherwise(survivor.pid, self._signs_by()):
            tell(
                Notice(
                    "replaced",
                    f"the running program (pid {survivor.pid}) cannot know where its signs of life are expected now "
                    f"({name} is another one); restarting it",
                )
            )
            events.append(RestartAsked())
        child.look()
        return events

    def _signs_by(self) -> list[str]:
        """The variables by which a program is told where its signs of life are expected."""
        policy = self._order.settings.policy
        by = {Source.FILE: HEARTBEAT, Source.NOTIFY: "NOTIFY_SOCKET"}
        return [] if policy.no_heartbeat else [by[source] for source in sorted(policy.sources & by.keys())]

    def _say_old_end(self, tell: Callable[[Fact], None]) -> None:
        before = self._legacy.snapshot
        if before is not None and before.ended == "" and before.child is not None:
            tell(
                Notice(
                    "gap", "the watchdog before this one did not end in order; the program is gone as well"
                )
            )
