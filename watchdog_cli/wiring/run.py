"""Build real adapters around a Runner, run it, and take everything down again in reverse."""

import contextlib
import gc
import os
import signal
import sys
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING

from watchdog_cli import __version__
from watchdog_cli.adapters.clock import SystemClock
from watchdog_cli.adapters.heartbeat import HeartbeatFile
from watchdog_cli.adapters.journal import Recorder
from watchdog_cli.adapters.launch import CARRIED, HEARTBEAT, STATE, Launch
from watchdog_cli.adapters.notify_socket import NotifyServer, asked_interval_s, tell_manager
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.adapters.signals import Signals, hold
from watchdog_cli.adapters.system import controls, inboxes, locks, notices, pumps, trees
from watchdog_cli.adapters.terminal import Terminal
from watchdog_cli.core.errors import ConfigError, ExitCode, SpawnError, StorageError
from watchdog_cli.core.events import Beat, Event, StopAsked
from watchdog_cli.core.facts import Fact, Notice
from watchdog_cli.core.lease import Hold, OnLost
from watchdog_cli.core.phases import Stopping
from watchdog_cli.core.policy import Source
from watchdog_cli.core.snapshot import Snapshot
from watchdog_cli.runner import Pulse, Runner
from watchdog_cli.wiring import takeover, upgrade
from watchdog_cli.wiring.answers import Answers
from watchdog_cli.wiring.beginning import Beginning, Order
from watchdog_cli.wiring.hub import Hub, own_process
from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.sampling import make_sampler
from watchdog_cli.wiring.sinks import Sinks
from watchdog_cli.wiring.takeover import Legacy
from watchdog_kit.atomic_file import sweep_temps
from watchdog_kit.os_errors import in_words
from watchdog_kit.wall_time import iso

if TYPE_CHECKING:
    from watchdog_cli.wiring.lease import LeaseKeeper

YIELD_S = 0.0005  # the main thread gets its turn after so long, whatever the writers are busy with
DRAIN_S = 0.5  # how long the start of the next run may wait for the last words of the one before
LAST_WORDS_S = 2.0  # for each writer at the end; a disk that hangs is left behind


def supervise(order: Order) -> int:
    """Run the watchdog until its end; return the exit code.

    Raises:
        WatchdogError: it cannot begin, or the program cannot be started at all.
    """
    settings = order.settings
    places = Places(settings.folder, settings.name, settings.log_dir)
    places.make()
    hold()  # from the lock on others may send us signals, and nobody listens yet
    lock = locks.InstanceLock(places.lock)
    lock.acquire(settings.name)
    with contextlib.suppress(OSError):  # what one that was killed in the middle of a save has left
        sweep_temps(places.state_folder)
    session = _Session(order, places, lock)
    try:
        code = session.run()
        if code is None:
            upgrade.become(session.successor, order.arguments, lock, session.notes_for_successor)
            return ExitCode.INTERNAL
        if code == ExitCode.SPAWN and session.hub.spawn_fault and not session.hub.settled:
            raise SpawnError(session.hub.spawn_fault)
        return code
    finally:
        lock.release()


class _Session:
    """One life of one watchdog."""

    def __init__(self, order: Order, places: Places, lock: locks.InstanceLock) -> None:
        self.successor: list[str] = []
        self.notes_for_successor: dict[str, str] = {}
        self._order = order
        self._settings = order.settings
        self._places = places
        self._lock = lock
        self._inbox = inboxes.Inbox()
        self._clock = SystemClock()
        self._keeper: LeaseKeeper | None = None
        self._waiting: deque[Fact] = deque()  # from other threads, and from before there was anybody to tell

    def run(self) -> int | None:
        """Supervise; None means that another image takes over."""
        with ExitStack() as stack:
            stack.callback(self._inbox.close)
            stack.callback(self._hand_on_signals)
            self._build(stack)
            sys.setswitchinterval(YIELD_S)
            gc.freeze()  # what is there now stays; looking through it again and again would only delay a restart
            code = self._runner.run(*self._first_events())
            if code is not None:
                tell_manager("STOPPING=1")
                if self._keeper is not None:
                    self._keeper.close(release=True)
                self._tell_waiting()
                self.hub.farewell(code)
            return code

    def _hand_on_signals(self) -> None:
        """Whoever asked for the end since the hand-over began is heard by the next image.

        Runs when no other thread is left that could take a signal, and all are held in this one.
        """
        asked = any(isinstance(event, StopAsked) for event in self._inbox.take_waiting())
        if asked and self.successor:
            os.kill(os.getpid(), signal.SIGTERM)

    # --- building --------------------------------------------------------------------------------------------

    def _build(self, stack: ExitStack) -> None:
        settings, places = self._settings, self._places
        signals = stack.enter_context(Signals(self._inbox, is_init=os.getpid() == 1))
        self._legacy = legacy = takeover.inspect(places, repair=True, force=self._order.force)
        self._beginning = Beginning(self._order, legacy, was_handed_over=self._lock.was_handed_over)
        self._waiting += [Notice("state", note) for note in legacy.notes]
        if sys.platform == "win32":
            from watchdog_cli.adapters.windows import api

            stack.callback(api.speak_as_before, api.speak_utf8())
        self._terminal = Terminal(places.shown(places.log), show_child=not settings.quiet)
        stack.callback(self._terminal.close, LAST_WORDS_S)
        self._recorder = Recorder(
            state_path=places.state,
            journal_path=places.journal,
            log_path=places.own_log,
            log_size=settings.log_size,
            log_backups=settings.log_backups,
            on_problem=self._say_later,
            floor=places.folder,
        )
        stack.callback(self._recorder.close, LAST_WORDS_S)
        self._pump = self._make_pump()
        stack.callback(self._pump.stop, LAST_WORDS_S)
        self._notify = self._open_notify(stack)
        self._child = trees.ChildTree(self._inbox, self._launch(), is_init=os.getpid() == 1)
        beat_path = os.path.join(settings.folder, settings.heartbeat)
        hold = self._open_lease(stack)
        notice = notices.FileNotice(self._inbox, beat_path, self._on_file_change)
        stack.callback(notice.close)
        watched = Source.FILE in settings.policy.sources and not settings.policy.no_heartbeat
        self._heartbeat = HeartbeatFile(
            beat_path,
            progress_key=settings.policy.progress_key,
            belongs=self._child.is_member,
            say=self._tell,
            timeout_s=settings.policy.heartbeat_timeout_s,
            timeout_is_chosen="heartbeat-timeout" in settings.explicit,
            ensure_notices=notice.ensure if watched else lambda: None,
        )
        self._open_control(stack)
        sinks = Sinks(
            settings,
            places,
            argv=self._order.argv,
            number=legacy.number,
            pump=self._pump,
            child=self._child,
            heartbeat=self._heartbeat,
            put=self._inbox.put,
            say=lambda text: self._say_later(text, "sink"),
        )
        stack.callback(sinks.close)
        self.hub = Hub(
            base=self._base_snapshot(legacy),
            recorder=self._recorder,
            terminal=self._terminal,
            control=self._control,
            log_position=self._pump.position,
            run_position=self._pump.run_position,
            start_ticks=self._start_ticks,
            sinks=sinks,
            greeting=() if self._lock.was_handed_over else self._order.greeting,
        )
        self._runner = Runner(
            self._beginning.supervisor(hold),
            clock=self._clock,
            inbox=self._inbox,
            child=self._child,
            heartbeat=self._heartbeat,
            dumper=sinks.dumper(),
            listeners=self.hub,
            pulse=_pulse(),
            lookout=lambda: self._keeper.look() if self._keeper is not None else None,
        )
        self._recorder.chore = make_sampler(settings, places, self._child, lambda: self._runner.sup)
        self._inbox.after_wake = lambda: self._after_wake(signals)
        self._pump.start()

    def _make_pump(self) -> pumps.LogPump:
        settings, places = self._settings, self._places
        log = RotatingFile(
            places.log,
            settings.log_size,
            settings.log_backups,
            on_problem=self._say_later,
            on_recovered=self._say_later,
            floor=places.folder,
        )
        survivor = self._legacy.survivor
        return pumps.LogPump(
            places.stdout,
            log,
            terminal=None if settings.quiet else self._terminal,
            on_output=self._on_output if Source.OUTPUT in settings.policy.sources else None,
            on_problem=self._say_later,
            child_pid=survivor.pid if survivor is not None and self._legacy.leader_lives else None,
        )

    def _open_lease(self, stack: ExitStack) -> Hold | None:
        lease = self._settings.lease
        if self._order.only_stop:
            return None
        if (lease is None or lease.lost is OnLost.KEEP) and os.path.exists(self._places.carried):
            from watchdog_cli.wiring.lease_hold import carry_no_more

            self._waiting += [Notice("lease", problem) for problem in carry_no_more(self._places)]
        if lease is None:
            if os.path.exists(self._places.lease):
                from watchdog_cli.wiring.lease_hold import drop_old

                drop_old(self._places)
            return None
        if not sys.platform.startswith("linux"):
            raise ConfigError(
                "--lease is a matter of Linux so far: its guard counts on the kernel's way to end a tree"
            )
        from watchdog_cli.wiring.lease import LeaseKeeper  # what it loads is only for those who need it

        self._keeper = LeaseKeeper(
            lease,
            self._places,
            stop_timeout_s=self._settings.policy.stop_timeout_s,
            child=self._child,
            put=self._inbox.put,
            report=self._tell_later,
            phase=lambda: self._runner.sup.phase,
        )
        stack.callback(self._keeper.close, release=False)
        return self._keeper.resume()

    def _open_notify(self, stack: ExitStack) -> NotifyServer | None:
        if Source.NOTIFY not in self._settings.policy.sources:
            return None
        if not sys.platform.startswith("linux"):
            raise ConfigError("--sd-notify is a matter of Linux; only there a socket can say who speaks")
        try:
            server = NotifyServer(self._inbox, self._places.notify, self._run_id)
        except OSError as error:
            raise StorageError(f"cannot make the socket {self._places.notify}: {in_words(error)}") from error
        stack.callback(server.close)
        return server

    def _open_control(self, stack: ExitStack) -> None:
        answers = Answers(
            runner=lambda: self._runner,
            hub=lambda: self.hub,
            heartbeat=self._heartbeat,
            status_text=lambda: self._notify.status_text if self._notify is not None else "",
            upgrade=self._hand_over,
            lease=lambda: self._keeper.status() if self._keeper is not None else None,
            arguments=self._order.arguments,
        )
        self._control = controls.ControlServer(self._inbox, self._places.state_folder, answers.handle)
        stack.callback(self._control.close)
        self._reopen_control()

    def _reopen_control(self) -> None:
        try:
            self._control.ensure()
        except OSError as error:
            text = f"cannot open the control socket ({in_words(error)}); `watchdog stop` goes by signal"
            self._tell(Notice("control", text))

    def _launch(self) -> Launch:
        settings = self._settings
        extra = {
            STATE: self._places.state_folder,
            HEARTBEAT: os.path.join(settings.folder, settings.heartbeat),
        }
        if settings.lease is not None and settings.lease.lost is OnLost.STOP:
            extra[CARRIED] = self._places.carried
        if settings.python_unbuffered and "PYTHONUNBUFFERED" not in os.environ:
            extra["PYTHONUNBUFFERED"] = "1"
        if self._notify is not None:
            extra["NOTIFY_SOCKET"] = self._notify.address
            extra["WATCHDOG_USEC"] = str(int(settings.policy.heartbeat_timeout_s * 1e6))
        return Launch(self._order.argv, settings.folder, extra, self._output_of_next_run)

    def _base_snapshot(self, legacy: Legacy) -> Snapshot:
        settings = self._settings
        me = own_process(iso(self._clock.wall()))
        before = legacy.snapshot
        return Snapshot(
            name=settings.name,
            folder=settings.folder,
            command=tuple(self._order.argv),
            watchdog=me.process,
            boot_id=me.boot_id,
            state="waiting",
            cap=settings.policy.max_restarts,
            window_s=settings.policy.restart_window_s,
            last=before.last if before is not None else (),
            heartbeat_file=settings.heartbeat,
            heartbeat_timeout_s=settings.policy.heartbeat_timeout_s,
            stop_timeout_s=settings.policy.stop_timeout_s,
            log_dir=settings.log_dir,
            unknown=before.unknown if before is not None else {},
        )

    def _first_events(self) -> list[Event]:
        from watchdog_cli.wiring import registry

        registry.enter(self._places)
        self._tell_waiting()
        events = self._beginning.events(self._child, self._heartbeat, self._tell)
        if self._keeper is not None:
            self._keeper.start()  # who holds the lease is news after what the watchdog before us has left
        return events

    # --- while it runs ---------------------------------------------------------------------------------------

    def _tell(self, fact: Fact) -> None:
        if hasattr(self, "hub"):
            self.hub.tell(fact)
        else:
            self._waiting.append(fact)

    def _say_later(self, text: str, topic: str = "log") -> None:
        self._tell_later(Notice(topic, text))

    def _tell_later(self, fact: Fact) -> None:
        """Take a fact from another thread; the main thread tells it when it is awake."""
        self._waiting.append(fact)
        self._inbox.wake()

    def _after_wake(self, signals: Signals) -> None:
        if signals.a_child_ended:
            signals.a_child_ended = False
            self._child.on_child_signal()
        while signals.to_pass_on:
            self._child.pass_on(signals.to_pass_on.popleft())
        if signals.control_is_wanted:
            signals.control_is_wanted = False
            self._reopen_control()
        self._tell_waiting()

    def _tell_waiting(self) -> None:
        while self._waiting:
            self._tell(self._waiting.popleft())

    def _on_file_change(self) -> None:
        beat = self._runner.look_for_beat()
        if beat is not None:
            self._inbox.put(beat)

    def _output_of_next_run(self) -> int:
        """Called just before each spawn: the last words of the run before it are in the log by now."""
        self._pump.drain(DRAIN_S)
        if self._notify is not None:
            self._notify.begin_run()
        return self._pump.child_fd()

    def _run_id(self) -> str:
        """Whose signs come in now; "" when nobody lives, so that a late word is not taken for one of the next run."""
        identity = self._child.identity
        return identity.run_id if identity is not None else ""

    def _on_output(self) -> None:
        self._inbox.put(Beat(Source.OUTPUT, run_id=self._run_id()))

    def _start_ticks(self) -> int | None:
        identity = self._child.identity
        return identity.start_ticks if identity is not None else None

    def _hand_over(self, prefix: list[str]) -> str:
        error = upgrade.objection(prefix)
        if isinstance(self._runner.sup.phase, Stopping) or not self._runner.sup.want_up:
            error = "the program is just being stopped; ask again when that is over"
        if not error:
            self.successor = prefix
            self.notes_for_successor = self._child.notes_for_successor()
            self._tell(Notice("upgrade", f"handing over to a fresh watchdog (this is version {__version__})"))
            self.hub.keep(self._runner.sup)
            self._runner.hand_over()
        return error


def _pulse() -> Pulse | None:
    every_s = asked_interval_s(os.environ)
    return None if every_s is None else Pulse(every_s, lambda: tell_manager("WATCHDOG=1"))
