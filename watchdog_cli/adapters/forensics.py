"""Ask a frozen child for the stacks of its threads before it is stopped.

A program opts in by naming a signal in its heartbeat (``dumpSignal``) at which it prints its stacks to stderr, and so
into its log. The signal is sent only if the kernel says that the process catches it: else it would kill. A program
that did not opt in is left to somebody else, such as ``stack_spy``.
"""

import signal
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from watchdog_cli.adapters.log_marks import Position
from watchdog_cli.core.events import DumpDone, Event
from watchdog_kit.records import dataclass

if TYPE_CHECKING:
    from watchdog_cli.adapters.identity import Identity

QUIET_S = 0.2  # chosen: output that has paused so long is complete
LOOK_S = 0.05
# A frozen program may have used up all the processes that its user may have.
NO_ROOM = "no stacks: there was no room for another thread of the watchdog (ulimit -u, pids.max)"


@dataclass(frozen=True, slots=True)
class Dump:
    """The stacks of a frozen program, or why there are none.

    Args:
        source: who made it: ``its own handler``, ``py-spy``, or ``none``.
        text: the stacks, unless they are in the log.
        span: between which places of the log they are.
        note: one sentence for people: what is missing, and what to do about it.
    """

    source: str
    text: str = ""
    span: tuple[Position, Position] | None = None
    note: str = ""


class SignalDumper:
    """Sends the signal and waits, bounded, until what follows in the log has come."""

    def __init__(
        self,
        *,
        who: "Callable[[], Identity | None]",
        fields: Callable[[], Mapping[str, object]],
        send: Callable[[int], bool],
        last_output: Callable[[], float | None],
        put: Callable[[Event], None],
        place: Callable[[], Position],
        keep: Callable[[Dump], None],
        look: Callable[[], None],
        otherwise: Callable[[float], None],
    ) -> None:
        """Nothing is sent yet.

        Args:
            who: the present run.
            fields: of the newest heartbeat.
            send: to the leader; False when it does not catch the signal.
            last_output: monotonic seconds of the child's newest output.
            put: into the inbox, from any thread.
            place: where the log ends now.
            keep: gets what was found, from any thread.
            look: called while the program still lives, in a thread, to see what else is to be seen of it.
            otherwise: called with the limit where the program did not opt in; it puts DumpDone itself.
        """
        self._who = who
        self._fields = fields
        self._send = send
        self._last_output = last_output
        self._put = put
        self._place = place
        self._keep = keep
        self._look = look
        self._otherwise = otherwise

    def begin(self, limit_s: float) -> None:
        """Begin; DumpDone comes when it is done."""
        identity = self._who()
        number = _number(self._fields().get("dumpSignal"))
        before, start = self._last_output(), self._place()
        if identity is None or number is None or not self._send(number):
            self._otherwise(limit_s)
            return
        thread = threading.Thread(
            target=self._wait, args=(identity.run_id, before, start, limit_s), name="dump", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            self._keep(Dump("none", note=NO_ROOM))
            self._put(DumpDone(identity.run_id))

    def _wait(self, run_id: str, before: float | None, start: Position, limit_s: float) -> None:
        self._look()
        pause = threading.Event()  # never set; waiting on it is a sleep that says what it is
        waited = quiet = 0.0
        newest = before
        while waited < limit_s:
            pause.wait(LOOK_S)
            waited += LOOK_S
            now = self._last_output()
            quiet = quiet + LOOK_S if now == newest else 0.0
            newest = now
            if newest != before and quiet >= QUIET_S:
                break
        if newest != before:
            self._keep(Dump("its own handler", span=(start, self._place())))
        else:
            note = f"it was asked to print its stacks and printed nothing in {limit_s:g}s"
            self._keep(Dump("none", note=note))
        self._put(DumpDone(run_id))


def _number(name: object) -> int | None:
    if isinstance(name, int) and not isinstance(name, bool):
        return name if 0 < name < signal.NSIG else None
    if isinstance(name, str):
        found = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
        return int(found) if isinstance(found, signal.Signals) else None
    return None
