"""The one inbox of the main thread on macOS: descriptors, ends of processes, signals and other threads all end here.

The main thread sleeps in one ``kevent``. Source: kqueue(2) of macOS.
"""

import contextlib
import select
from collections.abc import Callable
from typing import Any

from watchdog_cli.adapters.macos.kernel import NOTE_EXITSTATUS
from watchdog_cli.adapters.pipe_mailbox import PipeMailbox

MOST_EVENTS = 64  # taken at once; the rest come at the next wait
STATUS_BITS = 0xFFFF  # of the data of a notice: what wait(2) gives

_kqueue: Any = select  # its names for kqueue are not there on the systems where types are checked


class Inbox(PipeMailbox):
    """kqueue; it tells of processes and of time, too."""

    def __init__(self) -> None:
        self._descriptors: dict[int, tuple[int, Callable[[], None]]] = {}  # descriptor -> filter, callback
        self._processes: dict[int, Callable[[int | None], None]] = {}
        self._timers: dict[int, Callable[[], None]] = {}
        self._timer = 0
        self._queue = _kqueue.kqueue()
        super().__init__()

    def register(self, descriptor: int, callback: Callable[[], None], *, writable: bool = False) -> None:
        """Call ``callback`` in the main thread whenever the descriptor is ready."""
        kind = _kqueue.KQ_FILTER_WRITE if writable else _kqueue.KQ_FILTER_READ
        self._change(descriptor, kind, _kqueue.KQ_EV_ADD)
        self._descriptors[descriptor] = (kind, callback)

    def unregister(self, descriptor: int) -> None:
        """Forget a descriptor; must come before it is closed."""
        found = self._descriptors.pop(descriptor, None)
        if found is not None:
            self._change(descriptor, found[0], _kqueue.KQ_EV_DELETE)

    def watch_process(self, pid: int, ended: Callable[[int | None], None]) -> bool:
        """Call ``ended`` in the main thread when the process ends; False when it cannot be had.

        Args:
            ended: gets what wait(2) would give; the kernel tells it for every process that we may signal.
        """
        flags = _kqueue.KQ_EV_ADD | _kqueue.KQ_EV_ONESHOT
        for notes in (_kqueue.KQ_NOTE_EXIT | NOTE_EXITSTATUS, _kqueue.KQ_NOTE_EXIT):
            try:
                self._change(pid, _kqueue.KQ_FILTER_PROC, flags, notes)
            except PermissionError:  # its status is not ours to know; its end is
                continue
            except OSError:  # it is ending, or the kernel is out of memory
                return False
            self._processes[pid] = ended
            return True
        return False

    def forget_process(self, pid: int) -> None:
        """Watch a process no more; one that has ended is forgotten already."""
        if self._processes.pop(pid, None) is not None:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                self._change(pid, _kqueue.KQ_FILTER_PROC, _kqueue.KQ_EV_DELETE)

    def call_after(self, milliseconds: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, in the main thread, after so long."""
        self._timer += 1
        flags = _kqueue.KQ_EV_ADD | _kqueue.KQ_EV_ONESHOT
        self._change(self._timer, _kqueue.KQ_FILTER_TIMER, flags, data=milliseconds)
        self._timers[self._timer] = callback

    def _change(self, ident: int, kind: int, flags: int, notes: int = 0, data: int = 0) -> None:
        self._queue.control([_kqueue.kevent(ident, kind, flags, notes, data)], 0, 0)

    def _wait(self, timeout: float) -> None:
        for found in self._queue.control(None, MOST_EVENTS, timeout):
            # An earlier callback of this round may have unregistered it, so nobody need be there any more.
            if found.filter == _kqueue.KQ_FILTER_PROC:
                ended = self._processes.pop(found.ident, None)
                if ended is not None:
                    told = found.fflags & NOTE_EXITSTATUS
                    ended(found.data & STATUS_BITS if told else None)
            elif found.filter == _kqueue.KQ_FILTER_TIMER:
                self._timers.pop(found.ident)()
            else:
                kind, callback = self._descriptors.get(found.ident, (0, None))
                if callback is not None and kind == found.filter:
                    callback()

    def close(self) -> None:
        """Close all that the inbox itself opened."""
        self._queue.close()
        super().close()
