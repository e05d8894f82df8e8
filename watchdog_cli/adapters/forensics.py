"""Ask a frozen child for the stacks of its threads before it is stopped.

A program opts in by naming a signal in its heartbeat (``dumpSignal``) at which it prints its stacks to stderr, and so
into its log. The signal is sent only if the kernel says that the process catches it: else it would kill.
"""

import signal
import threading
from collections.abc import Callable, Mapping

from watchdog_cli.core.events import DumpDone, Event

QUIET_S = 0.2  # chosen: output that has paused so long is complete
LOOK_S = 0.05


class SignalDumper:
    """Sends the signal and waits, bounded, until what follows in the log has come."""

    def __init__(
        self,
        *,
        fields: Callable[[], Mapping[str, object]],
        send: Callable[[int], bool],
        last_output: Callable[[], float | None],
        put: Callable[[Event], None],
    ) -> None:
        """Nothing is sent yet.

        Args:
            fields: of the newest heartbeat.
            send: to the leader; False when it does not catch the signal.
            last_output: monotonic seconds of the child's newest output.
            put: into the inbox, from any thread.
        """
        self._fields = fields
        self._send = send
        self._last_output = last_output
        self._put = put

    def begin(self, limit_s: float) -> None:
        """Begin; DumpDone comes when it is done, or at once when there is nothing to do."""
        number = _number(self._fields().get("dumpSignal"))
        before = self._last_output()
        if number is None or not self._send(number):
            self._put(DumpDone())
            return
        threading.Thread(target=self._wait, args=(before, limit_s), name="dump", daemon=True).start()

    def _wait(self, before: float | None, limit_s: float) -> None:
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
        self._put(DumpDone())


def _number(name: object) -> int | None:
    if isinstance(name, int) and not isinstance(name, bool):
        return name if 0 < name < signal.NSIG else None
    if isinstance(name, str):
        found = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
        return int(found) if isinstance(found, signal.Signals) else None
    return None
