"""What is told to the log, the journal, the screen and everybody else who listens.

Each fact has a text for people and a mapping for machines. Durations are seconds.
"""

from collections.abc import Mapping
from dataclasses import fields
from enum import IntEnum, StrEnum
from typing import ClassVar

from watchdog_cli.core.record import Ending, Run, one_line
from watchdog_kit.quantities import format_duration, format_size
from watchdog_kit.records import dataclass


class Level(IntEnum):
    """How loud a fact is."""

    INFO = 1
    NOTICE = 2
    WARNING = 3
    ALARM = 4


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened. ``kind`` is its stable name in the journal."""

    kind: ClassVar[str] = "fact"
    level: ClassVar[Level] = Level.INFO

    @property
    def text(self) -> str:
        """One line for people."""
        raise NotImplementedError

    def mapping(self) -> dict[str, object]:
        """Values for machines; only what JSON can say."""
        found: dict[str, object] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Run):
                found.update(run=value.id, number=value.number, pid=value.pid)
            elif isinstance(value, Ending):
                found.update(
                    cause=value.cause.value,
                    exit_code=value.status.code,
                    signal=value.status.signal,
                    forced=value.forced,
                    detail=value.detail,
                )
            elif isinstance(value, StrEnum):
                found[field.name] = value.value
            elif value is None or isinstance(value, str | int | float | bool | list | dict):
                found[field.name] = value
            elif isinstance(value, Mapping):
                found[field.name] = dict(value)
            else:
                found[field.name] = str(value)
        return found


@dataclass(frozen=True, slots=True)
class Spawned(Fact):
    """A run began."""

    run: Run
    kind = "spawned"

    @property
    def text(self) -> str:
        return f"started, run {self.run.number}, pid {self.run.pid}"


@dataclass(frozen=True, slots=True)
class TakenOver(Fact):
    """A child that an earlier watchdog left running is supervised again."""

    run: Run
    leader_gone: bool = False
    kind = "adopted"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        if self.leader_gone:
            return f"found processes that run {self.run.number} has left behind"
        return f"took over the running program, run {self.run.number}, pid {self.run.pid}; it was not interrupted"


@dataclass(frozen=True, slots=True)
class FirstSign(Fact):
    """The first sign of life of a run."""

    run: Run
    after_s: float
    kind = "healthy"

    @property
    def text(self) -> str:
        return f"first sign of life after {format_duration(self.after_s)}"


@dataclass(frozen=True, slots=True)
class Recovered(Fact):
    """An incident is over: the child is healthy again."""

    run: Run
    kind = "recovered"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        return "healthy again"


@dataclass(frozen=True, slots=True)
class Unheard(Fact):
    """The grace is over without a beat, and nobody asked for one."""

    grace_s: float
    kind = "no-heartbeat"
    level = Level.WARNING

    @property
    def text(self) -> str:
        return (
            f"no heartbeat in {format_duration(self.grace_s)}: a freeze would not be noticed, only an end. "
            "Let the program rewrite heartbeat.json each minute (or use --sd-notify, --alive-on-output); "
            "--no-heartbeat says that this is meant"
        )


@dataclass(frozen=True, slots=True)
class HangFound(Fact):
    """The child lives but does not work."""

    run: Run
    ending: Ending
    silent_s: float
    kind = "hang"
    level = Level.WARNING

    @property
    def text(self) -> str:
        return f"{self.ending.text}; no good sign for {format_duration(self.silent_s)}; replacing it"


@dataclass(frozen=True, slots=True)
class MemoryExceeded(Fact):
    """The tree holds more memory than allowed, twice in a row."""

    run: Run
    rss: int
    limit: int
    kind = "memory"
    level = Level.WARNING

    @property
    def text(self) -> str:
        return f"uses {format_size(self.rss)}, more than the limit of {format_size(self.limit)}; replacing it"


@dataclass(frozen=True, slots=True)
class StopBegun(Fact):
    """The child is being asked to end."""

    run: Run
    why: str
    grace_s: float
    kind = "stopping"

    @property
    def text(self) -> str:
        return f"asking the program to end ({self.why}); it has {format_duration(self.grace_s)}"


@dataclass(frozen=True, slots=True)
class KillBegun(Fact):
    """Asking is over."""

    run: Run
    waited_s: float | None
    kind = "killing"
    level = Level.WARNING

    @property
    def text(self) -> str:
        if self.waited_s is None:
            return "killing it without waiting"
        return f"still there {format_duration(self.waited_s)} after it was asked to end; killing it"


@dataclass(frozen=True, slots=True)
class LeftBehind(Fact):
    """The leader is gone and others of its tree are not."""

    run: Run
    count: int
    kind = "left-behind"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        return f"it left {self.count} process{'es' if self.count != 1 else ''} behind; stopping them first"


@dataclass(frozen=True, slots=True)
class Ended(Fact):
    """A run is over and its whole tree is gone."""

    run: Run
    ending: Ending
    lived_s: float
    kind = "ended"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        forced = " (had to be killed)" if self.ending.forced else ""
        return f"ended: {self.ending.text}{forced}, after {format_duration(self.lived_s)}"


@dataclass(frozen=True, slots=True)
class SpawnFault(Fact):
    """The child could not be started this time."""

    reason: str
    number: int
    kind = "spawn-failed"
    level = Level.WARNING

    @property
    def text(self) -> str:
        return f"cannot start the program: {one_line(self.reason)}"


@dataclass(frozen=True, slots=True)
class Restarting(Fact):
    """The next start is decided."""

    delay_s: float
    in_window: int
    cap: int | None
    window_s: float
    kind = "restarting"

    @property
    def text(self) -> str:
        when = f"in {format_duration(self.delay_s)}" if self.delay_s else "now"
        if self.cap is None:
            return f"starting again {when}"
        return (
            f"starting again {when} (restart {self.in_window} of at most {self.cap} "
            f"in {format_duration(self.window_s)})"
        )


@dataclass(frozen=True, slots=True)
class GaveUp(Fact):
    """The restart intensity was exceeded."""

    reason: str
    restarts: int
    window_s: float
    retry_s: float | None
    kind = "gave-up"
    level = Level.ALARM

    @property
    def text(self) -> str:
        then = (
            "not starting it again"
            if self.retry_s is None
            else f"trying again in {format_duration(self.retry_s)}"
        )
        return (
            f"GAVE UP: {self.restarts} {'restart' if self.restarts == 1 else 'restarts'} "
            f"within {format_duration(self.window_s)} did not help; "
            f"last: {self.reason}; {then}"
        )


@dataclass(frozen=True, slots=True)
class Finished(Fact):
    """The supervisor ends."""

    why: str
    exit_code: int
    kind = "finished"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        return f"{self.why}; the watchdog ends with code {self.exit_code}"


@dataclass(frozen=True, slots=True)
class PauseBegun(Fact):
    """Nothing is started, judged or alerted until somebody resumes."""

    for_s: float | None
    kind = "paused"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        until = "until `watchdog resume`" if self.for_s is None else f"for {format_duration(self.for_s)}"
        return f"paused {until}: nothing is restarted"


@dataclass(frozen=True, slots=True)
class PauseEnded(Fact):
    """Supervision goes on."""

    by_itself: bool
    kind = "resumed"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        return "pause is over; watching again" if self.by_itself else "resumed; watching again"


@dataclass(frozen=True, slots=True)
class OwnPause(Fact):
    """We were frozen ourselves, so silence proves nothing."""

    for_s: float | None
    kind = "own-pause"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        much = "" if self.for_s is None else f" for about {format_duration(self.for_s)}"
        return f"the watchdog itself was frozen{much} (sleep, SIGSTOP); the program gets its full time again"


@dataclass(frozen=True, slots=True)
class Notice(Fact):
    """Something outside the core that a person should know, said by an adapter.

    Args:
        topic: stable name for machines.
        message: for people.
    """

    topic: str
    message: str
    kind = "notice"
    level = Level.NOTICE

    @property
    def text(self) -> str:
        return one_line(self.message)
