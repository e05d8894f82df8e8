"""What people are told of an incident: first, changes, end; paced, counted, and with the last word true."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog_cli.core import facts
from watchdog_cli.core.alerting import AlertSettings
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.record import Cause, Ending, ExitStatus, Run
from watchdog_cli.sinks.story import ENDING_S, Story
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


def test_a_crash_is_told_with_what_follows_and_its_end_when_it_is_stable() -> None:
    """First message at once with the decision, the end one minute after the first good sign."""
    desk = Desk()
    desk.spawn()
    desk.ended(Cause.SIGNAL, None, 11)
    assert desk.told == []
    desk.restarting()
    [(at, first)] = desk.told
    assert (first.kind, first.what, first.fresh, first.run) == (Kind.FIRST, "killed by SIGSEGV", 1, 1)
    assert "starting again in 5s" in first.then
    assert at == desk.now
    desk.wait(5)
    desk.spawn()
    desk.tell(facts.Recovered(desk.run))
    desk.wait(59.9)
    assert desk.kinds() == [Kind.FIRST]
    desk.wait(0.2)
    assert desk.kinds() == [Kind.FIRST, Kind.OVER]
    assert not desk.story.is_open
    assert desk.story.deadline() is None


def test_ten_crash_and_recover_cycles_are_four_messages_at_most() -> None:
    """Case N02: ten cycles within five minutes, then health; the last message says how it is now."""
    desk = Desk()
    for _ in range(10):
        desk.spawn()
        desk.wait(25)
        desk.crash()
        desk.wait(5)
    desk.spawn()
    desk.wait(3600)
    assert len(desk.told) <= 4
    assert desk.kinds()[0] is Kind.FIRST
    assert desk.kinds()[-1] is Kind.OVER
    assert desk.told[-1][1].ends == 10


def test_a_loop_over_a_night_is_a_handful_of_messages() -> None:
    """Crashing each minute for ten hours: the gap doubles up to an hour, and no end goes uncounted."""
    desk = Desk()
    for _ in range(600):
        desk.spawn()
        desk.wait(55)
        desk.crash()
        desk.wait(5)
    assert 10 <= len(desk.told) <= 14
    gaps = [later - sooner for (sooner, _), (later, _) in itertools.pairwise(desk.told)]
    assert gaps[0] >= 300
    assert max(gaps) <= 3660
    assert sum(telling.fresh for _, telling in desk.told) <= 600
    assert desk.told[-1][1].ends >= 540


def test_alert_after_waits_for_the_third_end() -> None:
    """With alert-after 3 two ends are nobody's business, and their silent recovery neither."""
    desk = Desk(AlertSettings(telegram_token="x", after=3))
    for _ in range(2):
        desk.spawn()
        desk.crash()
    desk.spawn()
    desk.wait(300)
    assert desk.told == []
    assert not desk.story.is_open
    for _ in range(3):
        desk.crash()
        desk.spawn()
    assert desk.kinds() == [Kind.FIRST]
    assert desk.told[0][1].ends == 3


def test_giving_up_is_told_at_that_moment_whatever_the_gap() -> None:
    """Case N06: within the gap and below alert-after it is told at once, and only once with the end of the watchdog."""
    desk = Desk(AlertSettings(telegram_token="x", after=50))
    desk.spawn()
    desk.crash()
    desk.wait(1)
    desk.spawn()
    desk.ended()
    desk.gave_up()
    assert desk.kinds() == [Kind.GAVE_UP]
    desk.tell(facts.Finished("gave up", 12))
    desk.wait(10_000)
    assert desk.kinds() == [Kind.GAVE_UP]
    assert desk.story.is_open


def test_slow_tries_after_giving_up_are_paced() -> None:
    """Giving up again and again, each 15 minutes, is no new news; recovery is."""
    desk = Desk()
    desk.spawn()
    desk.ended()
    desk.gave_up(900.0)
    for _ in range(8):
        desk.wait(900)
        desk.spawn(beats=False)
        desk.ended()
        desk.gave_up(900.0)
    assert set(desk.kinds()) == {Kind.GAVE_UP}
    assert 3 <= len(desk.told) <= 6
    desk.wait(900)
    desk.spawn()
    desk.wait(61)
    assert desk.kinds()[-1] is Kind.OVER


def test_a_second_giving_up_after_a_restart_by_a_person_is_told_at_once() -> None:
    """People heard of restarts since the first one, so the second one is news."""
    desk = Desk()
    desk.spawn()
    desk.ended()
    desk.gave_up(900.0)
    desk.wait(400)
    desk.spawn()
    desk.crash()
    assert desk.kinds() == [Kind.GAVE_UP, Kind.CHANGE]
    desk.wait(5)
    desk.spawn()
    desk.ended()
    desk.gave_up(900.0)
    assert desk.kinds() == [Kind.GAVE_UP, Kind.CHANGE, Kind.GAVE_UP]


def test_a_watchdog_that_ends_for_good_is_told() -> None:
    """Exit code 78 ends all of it: told at once with that reason."""
    desk = Desk()
    desk.spawn()
    desk.ended(code=78)
    desk.tell(facts.Finished("the program says that its settings are wrong", 78))
    [(_, telling)] = desk.told
    assert (telling.kind, telling.what) == (Kind.DOWN, "exit code 78")
    assert "settings are wrong" in telling.then


def test_what_a_person_asks_for_is_no_trouble() -> None:
    """Case R07: a dozen asked restarts and the asked stop say nothing."""
    desk = Desk()
    for _ in range(12):
        desk.spawn()
        desk.ended(Cause.ASKED_RESTART, 0)
    desk.spawn()
    desk.ended(Cause.ASKED_STOP, 0)
    desk.tell(facts.Finished("stopped as asked", 0))
    assert desk.told == []
    assert not desk.story.is_open


def test_an_asked_stop_closes_a_told_incident() -> None:
    """Who was told of the trouble is told that it was stopped."""
    desk = Desk()
    desk.spawn()
    desk.crash()
    desk.tell(facts.Finished("stopped as asked", 0))
    assert desk.kinds() == [Kind.FIRST, Kind.STOPPED]
    assert not desk.story.is_open


def test_a_pause_is_silent_and_stops_all_clocks() -> None:
    """Case R12: an end during a pause is a person's work; an open incident waits with it."""
    desk = Desk()
    desk.spawn()
    desk.crash()
    desk.spawn()
    desk.tell(facts.PauseBegun(None))
    desk.ended(Cause.SIGNAL, None, 9)
    desk.wait(10_000)
    assert desk.kinds() == [Kind.FIRST]
    desk.tell(facts.PauseEnded(by_itself=False))
    desk.spawn()
    desk.wait(61)
    assert desk.kinds() == [Kind.FIRST, Kind.OVER]


def test_a_freeze_is_told_once_with_its_end() -> None:
    """Hang found, asked, killed, ended: one end and one message."""
    desk = Desk()
    desk.spawn()
    desk.tell(facts.HangFound(desk.run, Ending(Cause.HANG), 120.0))
    desk.wait(12)
    desk.crash(cause=Cause.HANG, code=None, number=9)
    assert desk.kinds() == [Kind.FIRST]
    assert desk.told[0][1].ends == 1
    assert "froze" in desk.told[0][1].what


def test_a_frozen_program_that_cannot_be_ended_is_told_all_the_same() -> None:
    """In uninterruptible sleep its end does not come; half a minute later people hear of it."""
    desk = Desk()
    desk.spawn()
    desk.tell(facts.HangFound(desk.run, Ending(Cause.HANG), 120.0))
    desk.wait(ENDING_S + 0.1)
    assert desk.kinds() == [Kind.FIRST]
    desk.crash(cause=Cause.HANG, code=None, number=9)
    desk.wait(250)
    assert desk.kinds() == [Kind.FIRST]


def test_a_program_without_heartbeat_is_well_when_it_outlives_its_grace() -> None:
    """Nobody says that it is healthy: grace and stable time without an end are the sign."""
    desk = Desk()
    desk.spawn(beats=False)
    desk.crash()
    desk.spawn(beats=False)
    desk.wait(GRACE_S + 59)
    assert desk.kinds() == [Kind.FIRST]
    desk.wait(2)
    assert desk.kinds() == [Kind.FIRST, Kind.OVER]


def test_a_pause_of_the_watchdog_itself_is_no_health() -> None:
    """Frozen together with the program it proves nothing: the stable time begins again."""
    desk = Desk()
    desk.spawn()
    desk.crash()
    desk.spawn()
    desk.wait(50)
    desk.tell(facts.OwnPause(3600.0))
    desk.wait(50)
    assert desk.kinds() == [Kind.FIRST]
    desk.wait(11)
    assert desk.kinds() == [Kind.FIRST, Kind.OVER]


def test_a_clean_exit_is_trouble_only_where_it_is_started_again() -> None:
    """With --restart on-failure a clean end is what was wanted."""
    usual = Desk()
    usual.spawn()
    usual.crash(code=0)
    assert usual.kinds() == [Kind.FIRST]
    desk = Desk(restart=Restart.ON_FAILURE)
    desk.spawn()
    desk.ended(code=0)
    desk.tell(facts.Finished("restart is set to on-failure", 0))
    assert desk.told == []
    desk = Desk(restart=Restart.NEVER)
    desk.spawn()
    desk.ended(code=3)
    desk.tell(facts.Finished("restart is set to never", 3))
    assert desk.kinds() == [Kind.DOWN]


def test_an_end_that_nobody_saw_is_told() -> None:
    """A power cut took both: the next watchdog tells of it."""
    desk = Desk()
    desk.tell(facts.Notice("gap", "the watchdog before this one did not end in order"))
    desk.spawn()
    assert desk.kinds() == [Kind.FIRST]
    desk.wait(2)
    assert desk.kinds() == [Kind.FIRST]
    assert desk.told[0][1].cause == "unseen"


def test_the_next_watchdog_goes_on_with_the_incident() -> None:
    """Saved and loaded: the gap has run on, the counts are kept, and recovery is told by the one after."""
    desk = Desk()
    desk.spawn()
    desk.ended()
    desk.gave_up()
    desk.tell(facts.Finished("gave up", 12))
    record = desk.story.to_record(desk.now)
    desk.now = 50.0  # another boot
    desk.story = desk.new_story()
    desk.story.from_record(record, desk.now, elapsed_s=200.0)
    assert desk.story.is_open
    desk.spawn()
    desk.wait(1)
    desk.crash()
    assert len(desk.told) == 1
    desk.wait(98)
    assert len(desk.told) == 1
    desk.wait(2)
    assert desk.kinds() == [Kind.GAVE_UP, Kind.CHANGE]
    assert desk.told[-1][1].ends == 2
    assert desk.told[-1][1].number == 2
    desk.spawn()
    desk.wait(61)
    assert desk.kinds()[-1] is Kind.OVER


@pytest.mark.parametrize(
    "record",
    [None, 5, "x", [], {}, {"id": "a"}, {"id": "a", "began_at": "x"}, {"id": 1, "began_at": 1, "at": 2}],
)
def test_a_damaged_record_is_no_incident(record: object) -> None:
    """Whatever lies in the file, the watchdog begins without an incident."""
    desk = Desk()
    desk.story.from_record(record, 5.0, 0.0)
    assert not desk.story.is_open


_STEP = st.one_of(
    st.sampled_from(["crash", "spawn", "hang", "gave_up", "pause", "resume", "spawn-fault", "asked"]),
    st.floats(min_value=0.1, max_value=2000.0),
)


@given(st.lists(_STEP, max_size=60))
def test_whatever_happens_no_end_is_lost_and_messages_keep_their_distance(steps: list[str | float]) -> None:
    """Fresh ends add up to all ends, changes keep the gap, nobody hears of an end without a beginning."""
    desk = Desk()
    desk.spawn()
    for step in steps:
        match step:
            case float():
                desk.wait(step)
            case "crash":
                desk.crash()
            case "spawn":
                desk.spawn()
            case "hang":
                desk.tell(facts.HangFound(desk.run, Ending(Cause.HANG), 9.0))
                desk.crash(cause=Cause.HANG, code=None, number=9)
            case "gave_up":
                desk.ended()
                desk.gave_up(900.0)
            case "pause":
                desk.tell(facts.PauseBegun(None))
            case "resume":
                desk.tell(facts.PauseEnded(by_itself=False))
            case "spawn-fault":
                desk.tell(facts.SpawnFault("gone", 3))
                desk.restarting()
            case _:
                desk.ended(Cause.ASKED_RESTART, 0)
    desk.tell(facts.PauseEnded(by_itself=False))
    desk.spawn()
    desk.wait(20_000)
    assert not desk.story.is_open
    by_story: dict[datetime, list[tuple[float, Telling]]] = {}
    for at, telling in desk.told:
        by_story.setdefault(telling.began_at, []).append((at, telling))
    for told in by_story.values():
        assert told[-1][1].kind is Kind.OVER
        assert [telling.number for _, telling in told] == list(range(1, len(told) + 1))
        assert sum(telling.fresh for _, telling in told) == told[-1][1].ends
        assert sum(told[-1][1].causes.values()) == told[-1][1].ends
        changes = [(at, telling) for at, telling in told if telling.kind is Kind.CHANGE]
        for (sooner, _), (later, _) in itertools.pairwise(changes):
            assert later - sooner >= 300
