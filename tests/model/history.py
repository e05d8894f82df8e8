"""A supervisor that is driven by hand: plain events, plain numbers for the time."""

from watchdog_cli.core import facts
from watchdog_cli.core.actions import Action, Report
from watchdog_cli.core.events import (
    Beat,
    Begin,
    By,
    ChildExited,
    ChildSpawned,
    Event,
    HangDeclared,
    PauseAsked,
    RestartAsked,
    SpawnFailed,
    StopAsked,
    Tick,
)
from watchdog_cli.core.lease import OnLost
from watchdog_cli.core.machine import step
from watchdog_cli.core.phases import Phase, Stopping
from watchdog_cli.core.policy import Policy, Source
from watchdog_cli.core.record import ExitStatus, Run
from watchdog_cli.core.supervisor import deadline, new

CRASH = ExitStatus(code=1)
CLEAN = ExitStatus(code=0)
TERMINATED = ExitStatus(signal=15)
KILLED = ExitStatus(signal=9)


def run(number: int) -> Run:
    """The run with that number."""
    return Run(f"{number:08x}", number, 100 + number)


class History:
    """What happened to one supervisor, and all that it said and asked for."""

    def __init__(self, policy: Policy | None = None, *, now: float = 0.0, **carried) -> None:
        """Nothing has happened yet."""
        self.sup = new(policy or Policy(), **carried)
        self.now = now
        self.said: list[facts.Fact] = []

    def do(self, event: Event, now: float | None = None) -> tuple[Action, ...]:
        """Hand in one event; return what is asked for, without what is only told."""
        self.now = self.now if now is None else now
        self.sup, actions = step(self.sup, event, self.now)
        self.said += [action.fact for action in actions if isinstance(action, Report)]
        return tuple(action for action in actions if not isinstance(action, Report))

    def tick(self, now: float | None = None) -> tuple[Action, ...]:
        """Let the deadline come, or a given instant."""
        due = self.deadline
        if now is None:
            assert due is not None, "there is no deadline to wait for"
            now = max(due, self.now)
        return self.do(Tick(), now)

    def wait_until(self, end: float) -> tuple[Action, ...]:
        """Be awake until ``end``, exactly at each deadline; return all that was asked for."""
        asked: tuple[Action, ...] = ()
        for _ in range(10_000):
            due = self.deadline
            if due is None or due > end:
                break
            asked += self.tick()
        else:
            raise AssertionError("the deadline does not move on")
        self.now = end
        return asked

    def start(self, now: float | None = None, *, judged: bool = False) -> "History":
        """Begin, and let the first spawn work."""
        self.do(Begin(), now)
        return self.spawned(judged=judged)

    def spawned(self, *, judged: bool = False) -> "History":
        """Let the asked spawn work."""
        self.do(ChildSpawned(run(self.sup.number + 1), silence_judged=judged))
        return self

    def beat(self, now: float | None = None, source: Source = Source.FILE, progress: str | None = None):
        """Give a sign of life of the present run."""
        return self.do(Beat(source, progress, self.run.id), now)

    def exits(
        self, status: ExitStatus = CRASH, now: float | None = None, *, left: int = 0
    ) -> tuple[Action, ...]:
        """The leader of the present run ends."""
        return self.do(ChildExited(self.run.id, status, left), now)

    def stop(
        self, now: float | None = None, *, by: By = By.COMMAND, at_once: bool = False
    ) -> tuple[Action, ...]:
        """Ask for the end."""
        return self.do(StopAsked(by, now=at_once), now)

    @property
    def phase(self) -> Phase:
        """The present phase."""
        return self.sup.phase

    @property
    def run(self) -> Run:
        """The present run."""
        return self.sup.phase.run  # type: ignore[union-attr]

    @property
    def stopping(self) -> Stopping:
        """The present phase, which must be a stop."""
        assert isinstance(self.phase, Stopping), self.phase
        return self.phase

    @property
    def deadline(self) -> float | None:
        """When a tick must come."""
        return deadline(self.sup)

    def heard(self, kind: type[facts.Fact]) -> list[facts.Fact]:
        """All facts of one kind, oldest first."""
        return [fact for fact in self.said if isinstance(fact, kind)]


# One way into each phase, for tests that look at all of them. Times stay below 20.


def _unasked() -> History:
    return History()


def _spawning() -> History:
    history = History()
    history.do(Begin())
    return history


def _starting() -> History:
    return History().start()


def _running() -> History:
    history = _starting()
    history.beat(1.0)
    return history


def _paused_while_up() -> History:
    history = _running()
    history.do(PauseAsked(None), 2.0)
    return history


def _dumping() -> History:
    history = _running()
    history.do(HangDeclared(), 2.0)
    return history


def _asked_softly() -> History:
    history = _running()
    history.do(RestartAsked(), 2.0)
    return history


def _asked_all() -> History:
    history = _running()
    history.exits(CRASH, 2.0, left=1)
    return history


def _killing() -> History:
    history = _asked_all()
    history.tick()
    return history


def _ending_for_good() -> History:
    history = _running()
    history.stop(2.0)
    return history


def _backoff() -> History:
    history = _running()
    history.exits(CRASH, 2.0)
    return history


def _paused() -> History:
    history = _backoff()
    history.do(PauseAsked(None), 3.0)
    return history


def _standing_by() -> History:
    history = History(Policy(lease=OnLost.STOP))
    history.do(Begin())
    return history


def _given_up() -> History:
    history = History(Policy(max_restarts=0, retry_after_s=900.0)).start()
    history.exits(CRASH, 2.0)
    return history


def _stopped() -> History:
    history = History()
    history.do(Begin())
    history.do(SpawnFailed("no such file", transient=False))
    return history


PHASES = {
    "before the first event": _unasked,
    "spawning": _spawning,
    "starting": _starting,
    "running": _running,
    "paused while it runs": _paused_while_up,
    "dumping": _dumping,
    "leader asked": _asked_softly,
    "all asked": _asked_all,
    "killing": _killing,
    "ending for good": _ending_for_good,
    "backoff": _backoff,
    "paused": _paused,
    "standing by": _standing_by,
    "given up": _given_up,
    "stopped": _stopped,
}
