"""Incidents and alerts, bound to the real things. Nothing of them is loaded before the first trouble."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from watchdog_cli.adapters.forensics import Dump, SignalDumper
from watchdog_cli.adapters.heartbeat import HeartbeatFile
from watchdog_cli.adapters.system import pumps, trees
from watchdog_cli.core import facts
from watchdog_cli.core.events import Event
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.settings import Settings
from watchdog_cli.core.trouble import UNSEEN, is_lease_trouble, is_trouble
from watchdog_cli.sinks.scene import Scene
from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.sink_threads import SinkThread, TimedSink

if TYPE_CHECKING:
    from watchdog_cli.adapters.log_marks import Position
    from watchdog_cli.adapters.process_facts import ProcessFacts
    from watchdog_cli.sinks.masking import Mask

DRAIN_S = 0.5  # how long the last words of a run are waited for
INCIDENTS_END_S = 8.0  # the last end is the one that people look for; on a starved machine 2 s were too few
ALERTS_END_S = 4.0  # giving up is told before the watchdog is gone, if the network lets it


class _Traces:
    """What one run leaves: where in the log it begins, and ends as soon as the next one begins; its stacks."""

    def __init__(self, start: "Position | None" = None) -> None:
        self.start = start
        self.end: Position | None = None
        self.dump: Dump | None = None
        self.seen: ProcessFacts | None = None
        self.silent_s: float | None = None


class Sinks:
    """All sinks, as the main thread sees them."""

    def __init__(
        self,
        settings: Settings,
        places: Places,
        *,
        argv: Sequence[str],
        number: int,
        pump: pumps.LogPump,
        child: trees.ChildTree,
        heartbeat: HeartbeatFile,
        put: Callable[[Event], None],
        say: Callable[[str], None],
    ) -> None:
        """Nothing is loaded yet, unless an earlier watchdog left something to tell.

        Args:
            number: of the newest run before this watchdog.
            put: into the inbox, from any thread.
            say: tells of a trouble of a sink, from any thread.
        """
        self._settings = settings
        self._places = places
        self._argv = list(argv)
        self._number = number
        self._pump = pump
        self._child = child
        self._heartbeat = heartbeat
        self._put = put
        self._say_on = say
        self._is_over = False
        self._present = _Traces()
        incidents = SinkThread(
            "incidents", self._make_incidents, begins=self._begins, wakes=self._decides, say=self._say
        )
        self._threads = [incidents]
        if settings.alerts.is_wanted:
            alerts = SinkThread("alerts", self._make_alerts, begins=self._is_told, say=self._say)
            self._threads.append(alerts)
            if os.path.exists(places.alerts):
                alerts.start()

    # --- for the main thread -------------------------------------------------------------------------------

    def tell(self, at: datetime, fact: Fact, extra: Mapping[str, Any]) -> None:
        """Pass a fact on to all, with what only the main thread can know of it."""
        more: dict[str, object] = dict(extra)
        match fact:
            case facts.Spawned():
                log = extra["log"]
                begin = (log["file_id"], log["offset"])
                self._present.end = begin
                self._present = _Traces(begin)
            case facts.HangFound(silent_s=silent_s):
                self._present.silent_s = silent_s
            case facts.Ended() if self._begins(fact):
                more["scene"] = self._scene(self._present)
            case facts.Notice(topic=topic) if topic in UNSEEN:
                more["number"] = self._number
                more["scene"] = self._scene(self._present)
        for thread in self._threads:
            thread.tell(at, fact, more)

    def close(self) -> None:
        """Let them finish; whatever hangs is left behind."""
        for thread, limit_s in zip(self._threads, (INCIDENTS_END_S, ALERTS_END_S), strict=False):
            thread.close(limit_s)
        self._is_over = True

    def dumper(self) -> SignalDumper:
        """Who gets the stacks of a frozen program: its own handler, else py-spy."""
        return SignalDumper(
            who=lambda: self._child.identity,
            fields=lambda: self._heartbeat.fields,
            send=self._child.send_to_leader,
            last_output=lambda: self._pump.last_output,
            put=self._put,
            place=self._pump.position,
            keep=self._keep_dump,
            look=self._look_around,
            otherwise=self._spy,
        )

    def _say(self, text: str) -> None:
        if not self._is_over:  # whoever was left behind talks to nobody
            self._say_on(text)

    def _begins(self, fact: Fact) -> bool:
        return is_trouble(fact, self._settings.policy.restart)

    def _is_told(self, fact: Fact) -> bool:
        return self._begins(fact) or is_lease_trouble(fact)

    def _decides(self, fact: Fact) -> bool:
        return isinstance(fact, facts.Restarting | facts.GaveUp | facts.Finished) or self._begins(fact)

    def _keep_dump(self, dump: Dump) -> None:
        self._present.dump = dump

    def _look_around(self) -> None:
        identity = self._child.identity
        if identity is not None:
            # What the system says of a dying process is sometimes cut short; that is worth no traceback.
            with contextlib.suppress(OSError, ValueError, IndexError):
                self._present.seen = self._look(identity.pid)

    def _spy(self, limit_s: float) -> None:
        from watchdog_cli.adapters.stack_spy import StackSpy

        spy = StackSpy(
            who=lambda: self._child.identity,
            put=self._put,
            keep=self._keep_dump,
            look=self._look_around,
            helpers=self._child.helpers,
        )
        spy.begin(limit_s)

    def _scene(self, run: _Traces) -> Scene:
        def words() -> list[str]:
            from watchdog_cli.adapters.last_words import last_words

            self._pump.drain(DRAIN_S)  # in the thread of a sink: restarts do not wait
            return last_words(self._places.log, run.end, start=run.start)

        def stacks() -> tuple[Dump, str] | None:
            from watchdog_cli.adapters.last_words import words_between

            dump = run.dump
            if dump is None:
                return None
            if dump.span is None:
                return dump, dump.text
            return dump, "\n".join(words_between(self._places.log, *dump.span))

        return Scene(dict(self._heartbeat.fields), run.silent_s, words, lambda: run.seen, stacks)

    # --- in the threads of the sinks -----------------------------------------------------------------------

    def _mask(self) -> "Mask":
        from watchdog_cli.sinks.masking import make_mask

        lease = self._settings.lease
        password = (lease.password,) if lease is not None and lease.password else ()
        return make_mask((*self._settings.alerts.secrets, *password), os.environ)

    def _make_incidents(self) -> TimedSink:
        from watchdog_cli.adapters.incident_folder import IncidentFolder
        from watchdog_cli.sinks.incidents import Incidents

        folder = IncidentFolder(self._places.incidents, self._settings.name, floor=self._places.folder)
        return Incidents(
            keep=folder.keep,
            look=self._look,
            mask=self._mask(),
            restart=self._settings.policy.restart,
            host=host_name(),
            command=self._argv,
        )

    def _look(self, pid: int) -> "ProcessFacts | None":
        from watchdog_cli.adapters.process_facts import look

        identity = self._child.identity
        return None if identity is None or identity.pid != pid else look(pid, identity.start_ticks)

    def _make_alerts(self) -> TimedSink:
        from watchdog_cli.adapters.alert_file import load, save
        from watchdog_cli.sinks.alerts import Alerts

        path = self._places.alerts
        return Alerts(
            self._settings.alerts,
            restart=self._settings.policy.restart,
            grace_s=self._settings.policy.start_grace_s,
            who=who_text(self._settings.name),
            mask=self._mask(),
            say=self._say,
            load=lambda: load(path),
            save=lambda record: save(path, record),
        )


def host_name() -> str:
    """The name of the machine, without its domain."""
    import socket

    return socket.gethostname().partition(".")[0]


def who_text(name: str) -> str:
    """The program and its machine, for people who have several."""
    return f"{name} on {host_name()}"
