"""A thread of its own for each sink, so that a slow, broken or missing one never touches supervision.

The main thread only adds a fact to a bounded row and goes on. The thread, and all that the sink needs, comes to life
with the first fact that is trouble; what happened shortly before is handed to it then.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from watchdog_cli.core.facts import Fact
from watchdog_cli.core.record import one_line

MOST_FACTS = 1000  # that wait for a slow sink; some hours of a program that crashes all the time
CONTEXT = 40  # facts from before the first trouble
STUCK_S = 30.0  # chosen: longer than any call of ours may take
BREATH_S = 5.0  # chosen: after a fault it is not called again without a fact for that long, or it could spin
SAY_AGAIN_S = 3600.0  # chosen: how long the same fault is not worth another line


class TimedSink(Protocol):
    """A sink that may want to be called without a fact; all calls come from its own thread."""

    def tell(self, at: datetime, fact: Fact, extra: Mapping[str, object]) -> None:
        """Something happened at ``at``. Called in order."""

    def due_in_s(self) -> float | None:
        """Return after how many seconds ``turn`` has something to do; None: with the next fact at the earliest."""

    def turn(self) -> None:
        """Do what is due."""

    def close(self) -> None:
        """No more facts come; finish what is worth finishing within a second or two."""


class _Told(NamedTuple):
    at: datetime
    fact: Fact
    extra: Mapping[str, object]


class SinkThread:
    """One sink, as the main thread sees it: it takes facts at once and never fails."""

    def __init__(
        self,
        name: str,
        make: Callable[[], TimedSink],
        *,
        begins: Callable[[Fact], bool],
        wakes: Callable[[Fact], bool] = lambda _: True,
        say: Callable[[str], None],
        limit: int = MOST_FACTS,
    ) -> None:
        """Nothing is made or started yet.

        Args:
            name: what people call it.
            make: builds the sink; called in the thread.
            begins: whether a fact is worth bringing it to life.
            wakes: whether the sink must see a fact at once; the others it gets together with the next such one.
            say: told one line, from any thread, when something is wrong with the sink; once for each trouble.
            limit: how many facts may wait; beyond it the oldest go.
        """
        self._name = name
        self._make = make
        self._begins = begins
        self._wakes = wakes
        self._say = say
        self._limit = limit
        self._facts: deque[_Told] = deque()
        self._bell = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._is_dead = False
        self._dropped = 0  # since it last kept up
        self._busy_since: float | None = None
        self._said_stuck = False
        self._rest_until = 0.0
        self._complaints: dict[str, float] = {}  # when each was said

    # --- for the main thread -------------------------------------------------------------------------------

    def tell(self, at: datetime, fact: Fact, extra: Mapping[str, object]) -> None:
        """Pass a fact on, soon."""
        if self._is_dead:
            return
        with self._bell:
            self._facts.append(_Told(at, fact, extra))
            if self._thread is None:
                if not self._begins(fact):
                    while len(self._facts) > CONTEXT:
                        self._facts.popleft()
                    return
            elif len(self._facts) > self._limit:
                self._facts.popleft()
                self._dropped += 1
            if self._thread is not None and self._wakes(fact):
                self._bell.notify()
        self.start()
        self._look_after()

    def start(self) -> None:
        """Bring it to life, if it is not alive."""
        if self._thread is None and not self._is_dead:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no room for a thread; the next trouble tries again
                self._complain("there is no room for its thread")
                return
            self._thread = thread

    def close(self, limit_s: float) -> None:
        """Let it finish, but no longer than ``limit_s``; one that hangs is left behind."""
        with self._bell:
            self._is_closing = True
            self._bell.notify()
        if self._thread is not None:
            self._thread.join(limit_s)

    def _look_after(self) -> None:
        """Say once that it does not keep up; nothing else can be done about it, or needs to be."""
        since = self._busy_since
        stuck = since is not None and time.monotonic() - since > STUCK_S
        if (stuck or self._dropped) and not self._said_stuck:
            self._said_stuck = True
            what = f"{self._dropped} facts were left out" if self._dropped else "it has been busy for long"
            self._say(f"{self._name}: does not keep up ({what}); supervision goes on without it")

    # --- the thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        sink: list[TimedSink] = []
        if not self._guarded(lambda: sink.append(self._make())):
            self._is_dead = True
            self._facts.clear()
            return
        while self._turn(sink[0]):
            pass
        self._guarded(sink[0].close)

    def _turn(self, sink: TimedSink) -> bool:
        """Wait for a fact or for the time; False when all is over."""
        due: list[float | None] = [None]
        self._guarded(lambda: due.__setitem__(0, sink.due_in_s()))
        until = None if due[0] is None else max(time.monotonic() + due[0], self._rest_until)
        told: _Told | None = None
        with self._bell:
            while not self._facts and not self._is_closing:
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._bell.wait(left)
            if self._facts:
                told = self._facts.popleft()
            elif self._is_closing:
                return False
            if not self._facts:
                self._dropped, self._said_stuck = 0, False
        if told is None:
            self._guarded(sink.turn)
        else:
            self._guarded(lambda: sink.tell(*told))
        return True

    def _guarded(self, action: Callable[[], object]) -> bool:
        """Call the sink; whatever it raises becomes one line."""
        self._busy_since = time.monotonic()
        try:
            action()
        except Exception as error:  # noqa: BLE001 - the edge of a thread: a fault of a listener must end nothing
            self._rest_until = time.monotonic() + BREATH_S
            self._complain(_reason(error))
            return False
        finally:
            self._busy_since = None
        return True

    def _complain(self, reason: str) -> None:
        now = time.monotonic()
        if now - self._complaints.get(reason, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._complaints = {old: at for old, at in self._complaints.items() if now - at < SAY_AGAIN_S}
            self._complaints[reason] = now
            self._say(f"{self._name}: {reason}; supervision goes on")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if isinstance(error.filename, str) else ""
        return one_line(f"{error.strerror.lower()}{place}")
    if type(error).__module__.startswith("watchdog_"):  # ours, with a sentence for people
        return one_line(str(error))
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in line {trace.tb_lineno} of {trace.tb_frame.f_globals.get('__name__')}" if trace else ""
    return one_line(f"a fault of its own ({type(error).__name__}: {error}{where})")[:400]
