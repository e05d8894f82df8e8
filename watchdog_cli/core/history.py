"""What happened to a program: when it was up and when not, and why it ended, told from the facts in the journal.

The facts are walked in the order of their numbers. Between two of them the last one says how it was, as long as
somebody watched. Nobody did when

* the next fact comes from another life of a watchdog and the one before did not end in order (it was killed, or the
  power failed): all since the last sign of the old one is unknown. A sign is a fact or a sample;
* a program that is sampled shows a hole in its samples (the machine slept, the watchdog was frozen);
* numbers are missing (the disk was full, a line is damaged).

While another machine holds the lease it stands by, which is neither up nor down. A program that is ended because the
lease was lost stands by from the moment that it was asked.

Some facts tell of what was before them: a hang means that the work had stopped when the last sign came.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.record import ASKED, Cause, Ending, ExitStatus
from watchdog_cli.core.samples import EVERY_S, life_tag
from watchdog_cli.core.timeline import Stamp
from watchdog_cli.core.uptime import Kind, Record, Span
from watchdog_kit.records import dataclass

HOLE_S = 4 * EVERY_S  # chosen: a busy machine may delay a sample, but not three in a row


@dataclass(slots=True)
class Note:
    """One line of the journal, as far as it matters here.

    Args:
        number: of the run that it speaks of; None when it speaks of none.
        life: of the watchdog that wrote it; "" in notes of old versions.
        follows: no fact is missing between the note before and this one.
        seconds: the duration that belongs to this kind of fact.
    """

    seq: int
    stamp: Stamp
    fact: str
    life: str = ""
    follows: bool = True
    number: int | None = None
    cause: str = ""
    exit_code: int | None = None
    signal: int | None = None
    seconds: float | None = None
    detail: str = ""


# Which field of a fact is its ``seconds``.
SECONDS: Mapping[str, str] = {
    "hang": "silent_s",
    "restarting": "delay_s",
    "gave-up": "retry_s",
    "own-pause": "for_s",
}


class Stretch(NamedTuple):
    """The run ``number`` was sampled without a hole from ``start`` to ``end``."""

    life: int
    number: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Failure:
    """An end that nobody asked for, or a start that failed."""

    at: float
    cause: str
    exit_code: int | None = None
    signal: int | None = None
    number: int | None = None
    detail: str = ""

    @property
    def text(self) -> str:
        """One phrase for people; ends with the same cause, code and signal have the same."""
        try:
            cause = Cause(self.cause)
        except ValueError:  # written by a newer version
            return self.cause
        return Ending(cause, ExitStatus(self.exit_code, self.signal)).text


@dataclass(frozen=True, slots=True)
class History:
    """All that is known, on one timeline.

    Args:
        now: until when it reaches.
        spans: without holes, oldest first; empty when nothing was ever noted.
        asked_restarts, gave_up, starts, clock_steps: when each of them happened.
    """

    now: float
    spans: tuple[Span, ...] = ()
    failures: tuple[Failure, ...] = ()
    asked_restarts: tuple[float, ...] = ()
    gave_up: tuple[float, ...] = ()
    starts: tuple[float, ...] = ()
    clock_steps: tuple[float, ...] = ()

    @property
    def begins(self) -> float | None:
        """The first moment of which anything is known."""
        return self.spans[0].start if self.spans else None


def tell(
    notes: Sequence[Note],
    times: Sequence[float],
    stretches: Iterable[Stretch],
    *,
    now: float,
    living: str | None,
) -> History:
    """Make the history of one program.

    Args:
        notes: in the order in which they were written.
        times: of the notes, on one timeline.
        stretches: in which a run was certainly watched, oldest first.
        living: the life of the watchdog that watches now; None when there is none, or it does not respond.
    """
    walk = _Walk(stretches)
    for note, at in zip(notes, times, strict=True):
        walk.take(note, at)
    return walk.finish(now, living)


@dataclass(slots=True)
class _Present:
    """How it is at the end of what is recorded so far."""

    kind: Kind = Kind.PLANNED
    life: str | None = None  # None: no watchdog, and the last one ended in order
    run: int | None = None
    run_at: float = 0.0
    paused: bool = False
    stopping_at: float | None = None
    due: float | None = None  # until then nothing was to be started anyway
    life_at: float = 0.0
    before_life: Kind = Kind.PLANNED
    life_had_run: bool = False
    handing_over: bool = False


@dataclass(slots=True)
class _Lists:
    failures: list[Failure] = field(default_factory=list)
    asked_restarts: list[float] = field(default_factory=list)
    gave_up: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    clock_steps: list[float] = field(default_factory=list)


class _Walk:
    def __init__(self, stretches: Iterable[Stretch]) -> None:
        self._record = Record()
        self._now = _Present()
        self._lists = _Lists()
        self._ended_seq: int | None = None  # of the newest end
        self._stretches: dict[tuple[int, int], list[Stretch]] = {}
        for one in stretches:
            self._stretches.setdefault((one.life, one.number), []).append(one)
        self._tags: dict[str, int] = {}

    # --- time passes -------------------------------------------------------------------------------------

    def take(self, note: Note, at: float) -> None:
        """Record the time up to a note, and what the note changes."""
        now = self._now
        lost = not note.follows
        if self._record.end is None:
            self._record.begin(at)
        elif now.life is None:
            self._record.add(at, Kind.UNKNOWN if lost else now.kind)
        else:
            continues = now.run is not None and note.number == now.run
            self._advance(at, watched=self._is_same_life(note) and (continues or not lost))
        if now.life is None or not self._is_same_life(note):
            self._begin_life(note, at)
        self._apply(note, at)

    def finish(self, now: float, living: str | None) -> History:
        """Record the time up to now."""
        if self._record.end is not None:
            if self._now.life is None:
                self._record.add(now, self._now.kind)
            else:
                self._advance(now, watched=living is not None and living == self._now.life)
        lists = self._lists
        return History(
            now,
            self._record.spans() if self._record.end is not None else (),
            tuple(lists.failures),
            tuple(lists.asked_restarts),
            tuple(lists.gave_up),
            tuple(lists.starts),
            tuple(lists.clock_steps),
        )

    def _is_same_life(self, note: Note) -> bool:
        now = self._now
        if now.handing_over:
            return True
        if note.life or now.life:
            return note.life == now.life
        # Old versions did not name their lives.
        return note.fact != "adopted" and not (note.fact == "spawned" and now.run is not None)

    def _begin_life(self, note: Note, at: float) -> None:
        # What ran under the old one is not known to run any more.
        kind = Kind.UNKNOWN if self._now.kind is Kind.UP else self._now.kind
        self._now = _Present(kind=kind, life=note.life, life_at=at, before_life=kind)

    def _advance(self, to: float, *, watched: bool) -> None:
        """Record the time until ``to``; ``watched``: the same watchdog was there at both ends."""
        record, now = self._record, self._now
        start = record.end
        assert start is not None
        if now.run is None:
            if not watched and now.due is not None:
                record.add(min(to, now.due), now.kind)
            record.add(to, now.kind if watched else Kind.UNKNOWN)
        elif now.kind is not Kind.UP:
            record.add(to, now.kind if watched else Kind.UNKNOWN)
        else:
            self._advance_by_samples(start, to, watched=watched)

    def _advance_by_samples(self, start: float, to: float, *, watched: bool) -> None:
        record = self._record
        seen = self._stretches.get((self._tag(), self._now.run or 0))
        if not seen:
            record.add(to, Kind.UP if watched else Kind.UNKNOWN)
            return
        sign = start
        for one in seen:
            if one.end <= start or one.start >= to:
                continue
            if one.start - sign > HOLE_S:
                record.add(one.start, Kind.UNKNOWN)
            sign = min(one.end, to)
            record.add(sign, Kind.UP)
        record.add(to, Kind.UP if watched and to - sign <= HOLE_S else Kind.UNKNOWN)

    def _tag(self) -> int:
        life = self._now.life or ""
        if life not in self._tags:
            self._tags[life] = life_tag(life)
        return self._tags[life]

    # --- something happens -------------------------------------------------------------------------------

    def _apply(self, note: Note, at: float) -> None:
        now = self._now
        match note.fact:
            case "spawned" | "adopted":
                self._on_run(note, at)
            case "hang":
                silent_since = max(now.run_at, at - (note.seconds or 0.0))
                self._record.recolour(silent_since, Kind.UP, Kind.DOWN)
                self._go_down()
            case "stopping" | "killing":
                now.stopping_at = at if now.stopping_at is None else now.stopping_at
                self._go_down()
            case "standing-by":
                now.handing_over, now.life = False, note.life
                now.due, now.kind = None, Kind.PLANNED if now.paused else Kind.STANDBY
            case "left-behind":
                self._go_down()
            case "ended":
                self._ended_seq = note.seq
                self._on_end(note, at)
            case "spawn-failed":
                self._lists.failures.append(Failure(at, Cause.SPAWN, detail=note.detail))
                self._go_down()
            case "restarting":
                now.due = at + (note.seconds or 0.0)
            case "gave-up":
                self._lists.gave_up.append(at)
                now.due = None if note.seconds is None else at + note.seconds
                self._go_down()
            case "paused":
                now.paused, now.kind = True, Kind.PLANNED
            case "resumed":
                now.paused = False
                # What does not run is started with the end of the pause; until then it is still the pause.
                if now.run is None:
                    now.kind = Kind.PLANNED
                else:
                    now.kind = Kind.UP if now.stopping_at is None else Kind.DOWN
            case "own-pause":
                if note.seconds is not None:
                    self._record.recolour(at - note.seconds, Kind.UP, Kind.UNKNOWN)
            case "notice":
                self._on_notice(note, at)
            case "finished":
                self._on_finish(note)
            case _:  # nothing that changes what is up
                return

    def _on_notice(self, note: Note, at: float) -> None:
        if note.detail == "upgrade":
            self._now.handing_over = True
        elif note.detail == "clock":
            self._lists.clock_steps.append(at)

    def _go_down(self) -> None:
        if not self._now.paused:
            self._now.kind = Kind.DOWN

    def _on_run(self, note: Note, at: float) -> None:
        now = self._now
        now.handing_over = False
        now.life = note.life
        if note.fact == "spawned":
            self._lists.starts.append(at)
        if note.number is None or note.number != now.run:
            now.run_at = at
        now.run = note.number if note.number is not None else 0
        now.life_had_run = True
        now.stopping_at = now.due = None
        now.kind = Kind.PLANNED if now.paused else Kind.UP

    def _on_end(self, note: Note, at: float) -> None:
        now = self._now
        if note.cause in ASKED:
            kind = Kind.STANDBY if note.cause == Cause.LEASE and not now.paused else Kind.PLANNED
            self._record.recolour(at if now.stopping_at is None else now.stopping_at, Kind.DOWN, kind)
            now.kind = kind
            if note.cause == Cause.ASKED_RESTART:
                self._lists.asked_restarts.append(at)
        elif now.paused:
            now.kind = Kind.PLANNED
        else:
            failure = Failure(at, note.cause, note.exit_code, note.signal, note.number, note.detail)
            self._lists.failures.append(failure)
            now.kind = Kind.DOWN
        now.run = now.stopping_at = now.due = None

    def _on_finish(self, note: Note) -> None:
        now, lists = self._now, self._lists
        kind = Kind.PLANNED if note.exit_code == ExitCode.OK else Kind.DOWN
        at_once = self._ended_seq is not None and note.seq == self._ended_seq + 1
        if note.exit_code == ExitCode.OK and at_once and lists.failures and not now.paused:
            # It had done its work, and with this policy it is not started again: no failure.
            last = lists.failures[-1]
            if now.kind is Kind.DOWN and last.cause == Cause.EXIT and last.exit_code == 0:
                lists.failures.pop()
                self._record.recolour(last.at, Kind.DOWN, Kind.PLANNED)
        elif note.exit_code == ExitCode.SPAWN and not now.life_had_run:
            # A command that never ran is a slip of the hand: all is as it was before.
            while lists.failures and lists.failures[-1].at >= now.life_at:
                lists.failures.pop()
            self._record.recolour(now.life_at, Kind.DOWN, now.before_life)
            kind = now.before_life
        self._now = _Present(kind=kind)
