"""A story of incidents under a clock that the test moves."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from watchdog_cli.core import facts
from watchdog_cli.core.alerting import AlertSettings
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.record import Cause, Ending, ExitStatus, Run
from watchdog_cli.sinks.story import Story
from watchdog_cli.sinks.told_incident import Kind, Telling

START = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
GRACE_S = 120.0


class Desk:
    """A story under a clock that the test moves; timers go off as they would."""

    def __init__(self, settings: AlertSettings | None = None, restart: Restart = Restart.ALWAYS) -> None:
        self.settings = settings or AlertSettings(telegram_token="x")
        self.now = 1000.0
        self.told: list[tuple[float, Telling]] = []
        self.runs: Iterator[int] = itertools.count(1)
        self.run = Run("none", 0, 0)
        self.restart = restart
        self.story = self.new_story()

    def new_story(self) -> Story:
        ids = itertools.count()
        return Story(self.settings, restart=self.restart, grace_s=GRACE_S, make_id=lambda: f"id{next(ids)}")

    def tell(self, *several: Fact) -> None:
        for fact in several:
            at = START + timedelta(seconds=self.now - 1000)
            self.told += [(self.now, telling) for telling in self.story.on(at, self.now, fact)]

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            deadline = self.story.deadline()
            if deadline is None or deadline > end:
                break
            self.now = max(self.now, deadline)
            before = self.story.deadline()
            self.told += [(self.now, telling) for telling in self.story.turn(self.now)]
            assert self.story.deadline() != before or deadline > self.now, "a deadline must lead to something"
        self.now = end

    def spawn(self, *, beats: bool = True) -> None:
        number = next(self.runs)
        self.run = Run(f"run{number}", number, 100 + number)
        self.tell(facts.Spawned(self.run))
        if beats:
            self.tell(facts.FirstSign(self.run, 0.1))

    def ended(self, cause: Cause = Cause.EXIT, code: int | None = 1, number: int | None = None) -> None:
        self.tell(facts.Ended(self.run, Ending(cause, ExitStatus(code, number)), 5.0))

    def restarting(self) -> None:
        self.tell(facts.Restarting(5.0, 1, 10, 300.0))

    def crash(self, **how: object) -> None:
        self.ended(**how)  # type: ignore[arg-type]
        self.restarting()

    def gave_up(self, retry_s: float | None = None) -> None:
        self.tell(facts.GaveUp("exit code 1", 10, 300.0, retry_s))

    def kinds(self) -> list[Kind]:
        return [telling.kind for _, telling in self.told]
