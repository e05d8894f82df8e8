"""One run of the child: what it is called, how it ended and why."""

from enum import StrEnum
from zlib import crc32

from watchdog_kit.records import dataclass


class Cause(StrEnum):
    """Why a run ended."""

    EXIT = "exit"
    SIGNAL = "signal"
    UNKNOWN = "unknown"  # an adopted child: nobody can know its exit code
    HANG = "hang"
    NEVER_BEAT = "never-beat"
    NO_PROGRESS = "no-progress"
    MEMORY = "memory"
    SPAWN = "spawn"
    BACKGROUND = "background"
    ASKED_STOP = "asked-stop"
    ASKED_RESTART = "asked-restart"
    LEASE = "lease"


HANGS = frozenset({Cause.HANG, Cause.NEVER_BEAT, Cause.NO_PROGRESS})
ASKED = frozenset({Cause.ASKED_STOP, Cause.ASKED_RESTART, Cause.LEASE})

SIGNAL_NAMES = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS",
    8: "SIGFPE", 9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM",
    15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
}  # fmt: skip


def one_line(text: str) -> str:
    """Text of others (paths, messages of the system) without what would break a line or steer a terminal."""
    return "".join(" " if c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029" else c for c in text)


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; ``signal 40`` for one without a common name."""
    return SIGNAL_NAMES.get(number, f"signal {number}")


@dataclass(frozen=True, slots=True)
class Run:
    """One life of the child.

    Args:
        id: random text; the child finds it in its environment and may repeat it in each beat.
        number: 1 for the first run under this name, never reused.
    """

    id: str
    number: int
    pid: int

    @property
    def jitter(self) -> float:
        """A number from 0 to below 1 that differs from run to run."""
        return crc32(self.id.encode("utf-8", "replace")) / 2**32


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """What the system said of the end of the leader; both None when nobody knows."""

    code: int | None = None
    signal: int | None = None

    @property
    def shell_code(self) -> int:
        """The code as a shell gives it: 128 + n after signal n; 1 when unknown."""
        if self.signal is not None:
            return 128 + self.signal
        return 1 if self.code is None else self.code

    @property
    def text(self) -> str:
        """For people."""
        if self.signal is not None:
            return f"killed by {signal_name(self.signal)}"
        return "ended (exit code unknown)" if self.code is None else f"exit code {self.code}"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why and how one run ended.

    Args:
        forced: it had to be killed, because it did not stop when asked.
        detail: one line for people, for instance the reason of a failed spawn.
    """

    cause: Cause
    status: ExitStatus = ExitStatus()
    forced: bool = False
    detail: str = ""

    @property
    def text(self) -> str:
        """One phrase for people, such as ``killed by SIGSEGV`` or ``froze (no heartbeat)``."""
        words = {
            Cause.HANG: "froze (its heartbeat went silent)",
            Cause.NEVER_BEAT: "froze (it never gave a sign of life)",
            Cause.NO_PROGRESS: "froze (it beats, but makes no progress)",
            Cause.MEMORY: "used too much memory",
            Cause.SPAWN: "could not be started",
            Cause.BACKGROUND: "put itself in the background; run it in the foreground instead",
            Cause.ASKED_STOP: "stopped on request",
            Cause.ASKED_RESTART: "restarted on request",
            Cause.LEASE: "ended because the lease ran out here",
        }
        phrase = words.get(self.cause, self.status.text)
        return f"{phrase}: {one_line(self.detail)}" if self.detail else phrase
