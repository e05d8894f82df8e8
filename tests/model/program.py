"""A pretended program and its process tree: beats, dies, ignores, leaves helpers behind. It knows no supervisor."""

from dataclasses import dataclass, field
from math import inf

from watchdog_cli.core.policy import Source
from watchdog_cli.core.record import ExitStatus, Run


@dataclass
class Program:
    """How the next runs behave. Intervals in seconds; None: never."""

    first_beat_s: float | None = 1.0
    beat_every_s: dict[Source, float | None] = field(default_factory=dict)
    moves: bool = True  # the progress value changes with each beat
    file_lies_there: bool = False
    ends_when_asked_s: float | None = 0.5
    helpers: int = 0
    helpers_end_when_asked_s: float | None = 0.5
    dies_when_killed_s: float = 0.0
    dump_takes_s: float | None = 0.5
    rss: int = 0


@dataclass(frozen=True)
class Beaten:
    """The program gave a sign of life."""

    source: Source
    progress: str


@dataclass(frozen=True)
class LeaderEnded:
    """The leader is gone; ``left`` others are not."""

    status: ExitStatus
    left: int


@dataclass(frozen=True)
class TreeEnded:
    """The last helper is gone, after the leader."""


@dataclass(frozen=True)
class Dumped:
    """The stacks are written."""


Happening = Beaten | LeaderEnded | TreeEnded | Dumped


class Tree:
    """The processes of one run."""

    def __init__(self, run: Run, program: Program, now: float) -> None:
        """The run starts at ``now``."""
        self.run = run
        self.program = program
        self.leader_lives = True
        self.helpers = program.helpers
        self.status = ExitStatus(signal=15)
        self.leader_ends_at = inf
        self.helpers_end_at = inf
        self.dump_at = inf
        self.beats_at: dict[Source, float] = {
            source: now + program.first_beat_s
            for source, every in program.beat_every_s.items()
            if every is not None and program.first_beat_s is not None
        }
        self.turns = 0
        self.extra: set[Source] = set()  # sources that gave a sign out of their rhythm

    @property
    def is_empty(self) -> bool:
        """Whether nobody lives any more."""
        return not self.leader_lives and self.helpers == 0

    def next_at(self) -> float:
        """When something happens next; never: infinity."""
        times = [self.dump_at]
        if self.leader_lives:
            times += [self.leader_ends_at, *self.beats_at.values()]
        if self.helpers:
            times.append(self.helpers_end_at)
        return min(times)

    def happen(self, now: float) -> list[Happening]:
        """Let everything happen that is due at ``now``, ends before signs."""
        found: list[Happening] = []
        if self.helpers and self.helpers_end_at <= now:
            self.helpers = 0
            if not self.leader_lives:
                found.append(TreeEnded())
        if self.leader_lives and self.leader_ends_at <= now:
            self.leader_lives = False
            found.append(LeaderEnded(self.status, self.helpers))
        for source, at in sorted(self.beats_at.items()):
            if self.leader_lives and at <= now:
                every = self.program.beat_every_s[source]
                assert every is not None
                while self.beats_at[source] <= now:
                    self.beats_at[source] += every
                    self.turns += self.program.moves or not self.turns
                found.append(Beaten(source, str(self.turns)))
        if self.dump_at <= now:
            self.dump_at = inf
            if self.leader_lives:
                found.append(Dumped())
        return found

    def freeze(self, for_s: float) -> None:
        """Nothing of the tree goes on for a while."""
        self.leader_ends_at += for_s
        self.helpers_end_at += for_s
        self.dump_at += for_s
        self.beats_at = {source: at + for_s for source, at in self.beats_at.items()}

    def fall_silent(self) -> None:
        """Hang: live on without a sign."""
        self.beats_at = {}

    def beat_now(self, source: Source, now: float) -> Beaten:
        """Give one more sign; its rhythm, if it has one, goes on from here."""
        every = self.program.beat_every_s.get(source)
        if every is not None and source in self.beats_at:
            self.beats_at[source] = min(self.beats_at[source], now + every)
        self.extra.add(source)
        return Beaten(source, str(self.turns))

    def die(self, now: float, status: ExitStatus) -> None:
        """The leader ends by itself."""
        self.leader_ends_at = now
        self.status = status

    def asked(self, now: float) -> None:
        """The leader is asked to end."""
        if self.program.ends_when_asked_s is not None:
            self.leader_ends_at = min(self.leader_ends_at, now + self.program.ends_when_asked_s)

    def rest_asked(self, now: float) -> None:
        """The helpers are asked to end."""
        if self.program.helpers_end_when_asked_s is not None:
            self.helpers_end_at = min(self.helpers_end_at, now + self.program.helpers_end_when_asked_s)

    def killed(self, now: float) -> None:
        """Everybody gets a signal that cannot be ignored."""
        at = now + self.program.dies_when_killed_s
        if self.leader_lives and at < self.leader_ends_at:
            self.leader_ends_at = at
            self.status = ExitStatus(signal=9)
        self.helpers_end_at = min(self.helpers_end_at, at)
