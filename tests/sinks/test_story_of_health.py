"""When an incident is over or none at all: freezes, pauses, clean exits, the next watchdog."""

import pytest

from story_desk import GRACE_S, Desk
from watchdog_cli.core import facts
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.record import Cause, Ending
from watchdog_cli.sinks.story import ENDING_S
from watchdog_cli.sinks.told_incident import Kind


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
