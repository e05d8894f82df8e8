"""What can happen to the tracker while it waits: a stop is asked, a save ends. One queue for all of it."""

import contextlib
import queue
import signal
import time
from types import FrameType

from watchdog_kit.records import dataclass
from watchdog_kit.wake_up import WakeUp

_LONGEST_S = 3600.0  # some systems bear no longer wait


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants an orderly end."""

    by: str


@dataclass(frozen=True, slots=True)
class Saved:
    """A save ended: how long it took, complaints about single tokens, and what went wrong, if anything."""

    seconds: float
    complaints: tuple[str, ...] = ()
    failure: str | None = None
    outside: bool = False  # not saved: somebody else changed the file, which has to be merged first


@dataclass(frozen=True, slots=True)
class Noted:
    """Another thread has something to say."""

    text: str


@dataclass(frozen=True, slots=True)
class Learned:
    """The safety service answered about one token."""

    address: str
    status: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """A question to a price service ended; ``number`` says which one."""

    number: int


Event = StopAsked | Saved | Noted | Learned | Fetched


class Inbox:
    """The queue. Its ``put`` may be called from any thread and from a signal handler, at any instruction."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._wake_up = WakeUp()

    def put(self, event: Event) -> None:
        """Add an event."""
        self._queue.put(event)
        self._wake_up.wake()

    def get(self, until: float) -> Event | None:
        """Return the next event, or None at the monotonic instant ``until``."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self._queue.get_nowait()
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._wake_up.wait(min(left, _LONGEST_S))

    def listen_to_signals(self) -> None:
        """Turn the signals that ask for an end into events.

        What was ignored at start stays ignored: ``nohup`` and background jobs of a shell mean it.
        """
        self._wake_up.listen_to_signals()
        for name in ("SIGTERM", "SIGINT", "SIGBREAK", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and (name == "SIGTERM" or signal.getsignal(number) is not signal.SIG_IGN):
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.put(StopAsked(signal.Signals(number).name))
