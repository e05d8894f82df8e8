"""What one holds of a lease: until when, written down for the guard and for the watchdog after us."""

import contextlib
import os
import time

from watchdog_cli.adapters import boot_clock, procfs
from watchdog_cli.adapters.child import ChildTree
from watchdog_cli.adapters.etcd_lease import Grip
from watchdog_cli.adapters.guard import Guard, kill_same, read_end
from watchdog_cli.adapters.lease_file import Trace, forget_trace, read_trace, write_trace
from watchdog_cli.core import lease as times
from watchdog_cli.core.lease import Hold
from watchdog_cli.wiring.places import Places
from watchdog_kit.carried import write_not_needed
from watchdog_kit.os_errors import in_words


class Holding:
    """The guard, the trace on the disk, and the instants; all by ``boot_clock``."""

    def __init__(
        self, places: Places, child: ChildTree, address: str, *, stop_timeout_s: float, guards: bool
    ) -> None:
        """Nothing is held.

        Args:
            guards: a guard ends the program when we cannot.
        """
        self.hold: Hold | None = None
        self.ttl_s = 0.0
        self.since = ""
        self._places = places
        self._child = child
        self._address = address
        self._stop_timeout_s = stop_timeout_s
        self._guards = guards
        self._guard = Guard(places.guard, places.state_folder, takes_all_children=child.owns_all_children)
        self._guarded_pid = 0
        self._grip: Grip | None = None

    def resume(self) -> Grip | None:
        """Go on with what the watchdog before us held, if there is time left."""
        trace = read_trace(self._places.lease, procfs.boot_id())
        if trace is None or trace.address != self._address:
            return None
        guard_at = self._written()
        if guard_at is None:
            return None
        end_by = guard_at - times.guard_at(0.0, trace.ttl_s)
        sent = end_by - trace.ttl_s + times.margin_s(trace.ttl_s)
        if boot_clock.now_s() >= times.hold(sent, trace.ttl_s, self._stop_timeout_s).stop_at:
            return None
        grip = Grip(trace.lease, trace.revision)
        self.begin(grip, sent, trace.ttl_s, trace.since)
        return grip

    def _written(self) -> float | None:
        with contextlib.suppress(OSError):
            descriptor = os.open(self._places.guard, os.O_RDONLY)
            try:
                return read_end(descriptor)
            finally:
                os.close(descriptor)
        return None

    def begin(self, grip: Grip, sent: float, ttl_s: float, since: str) -> None:
        """It is ours.

        Raises:
            OSError: there can be no guard, or the trace cannot be written.
        """
        self._grip, self.since = grip, since
        self.ttl_s = ttl_s
        self.hold = times.hold(sent, ttl_s, self._stop_timeout_s)
        self._start_guard()

    def renewed(self, sent: float, ttl_s: float) -> None:
        """It is ours for longer.

        Raises:
            OSError: the guard has died and no other can be started; the instants count nevertheless.
        """
        self.ttl_s = ttl_s
        self.hold = times.hold(sent, ttl_s, self._stop_timeout_s)
        if self._guards and not self._guard.lives:
            self._child.helpers.discard(self._guarded_pid)
            self._start_guard()
        else:
            self._guard.extend(times.guard_at(self.hold.end_by, ttl_s))

    def lapse(self) -> None:
        """It is not ours; the guard keeps its instant until ``end``."""
        self.hold = None
        forget_trace(self._places.lease)

    def end(self) -> None:
        """Nothing runs here any more, so nothing is to be guarded."""
        self.hold = None
        self._guard.close()
        self._child.helpers.discard(self._guarded_pid)
        self._guarded_pid = 0

    def on_monotonic(self) -> Hold | None:
        """The instants on the clock of the supervisor, as the two stand now."""
        hold = self.hold
        return None if hold is None else hold.moved(time.monotonic() - boot_clock.now_s())

    def _start_guard(self) -> None:
        hold, grip = self.hold, self._grip
        assert hold is not None
        assert grip is not None
        old = read_trace(self._places.lease, procfs.boot_id())
        self._guard.begin(times.guard_at(hold.end_by, self.ttl_s), with_process=self._guards)
        ticks = 0
        if self._guards:
            self._guarded_pid = self._guard.pid
            self._child.helpers.add(self._guarded_pid)
            found = procfs.stat(self._guarded_pid)
            ticks = found.start_ticks if found is not None else 0
        if old is not None and old.guard_pid and old.guard_pid != self._guarded_pid:
            kill_same(old.guard_pid, old.guard_ticks)
        trace = Trace(
            self._address, grip.lease, grip.revision, self.ttl_s, self.since, self._guarded_pid, ticks
        )
        write_trace(self._places.lease, trace, procfs.boot_id())


def carry_no_more(places: Places) -> list[str]:
    """A program that goes on from a watchdog that fenced it must not wait for what nobody confirms any more.

    Returns:
        What went wrong.
    """
    try:
        write_not_needed(places.carried)
    except OSError as error:
        why = f"cannot write {places.shown(places.carried)} ({in_words(error)})"
        return [f"{why}: a program that began under a lease may hold its messages back"]
    return []


def drop_old(places: Places) -> None:
    """A watchdog that needs no lease goes on where one had one: its guard must not end the program."""
    trace = read_trace(places.lease, procfs.boot_id())
    if trace is not None and trace.guard_pid:
        kill_same(trace.guard_pid, trace.guard_ticks)
    forget_trace(places.lease)
