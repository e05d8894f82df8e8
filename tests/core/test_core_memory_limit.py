"""The memory limit: looked at in the rhythm of the heartbeat, and acted on only when it is over twice in a row."""

import pytest

from model.history import CRASH, History
from watchdog_cli.core import facts
from watchdog_cli.core.actions import MeasureMemory, Terminate
from watchdog_cli.core.events import MemoryMeasured, PauseAsked, ResumeAsked
from watchdog_cli.core.phases import Running, Starting
from watchdog_cli.core.policy import Policy
from watchdog_cli.core.record import Cause

LIMIT = 500_000_000
POLICY = Policy(memory_limit=LIMIT)


def measured(history: History, rss: int, now: float | None = None, run_id: str | None = None):
    """Hand in one look at the memory."""
    return history.do(MemoryMeasured(rss, run_id), now)


@pytest.mark.parametrize(("first", "second", "ended"), [(1, 1, True), (1, 0, False), (0, 1, False)])
def test_over_the_limit_twice_in_a_row_is_an_end(first, second, ended):
    """One peak is nothing; exactly the limit is not over it."""
    history = History(POLICY).start(0.0)
    assert measured(history, LIMIT + first, 20.0) == ()
    assert measured(history, LIMIT + second, 35.0) == ((Terminate(),) if ended else ())
    assert len(history.heard(facts.MemoryExceeded)) == (1 if ended else 0)
    if ended:
        assert history.stopping.ending.cause is Cause.MEMORY


def test_memory_that_falls_in_between_starts_the_count_again():
    """Over, under, over is not twice in a row."""
    history = History(POLICY).start(0.0)
    for rss in (LIMIT + 1, LIMIT, LIMIT + 1):
        assert measured(history, rss) == ()
    assert measured(history, LIMIT + 1) == (Terminate(),)


def test_look_of_an_earlier_run_is_not_the_first_of_two():
    """Neither what an earlier run used nor its late measurement counts for the new one."""
    history = History(POLICY).start(0.0)
    old = history.run.id
    measured(history, LIMIT + 1)
    history.exits(CRASH, 1.0)
    history.tick()
    history.spawned()
    assert measured(history, LIMIT + 1, run_id=old) == ()
    assert measured(history, LIMIT + 1) == ()
    assert isinstance(history.phase, Starting)


def test_memory_alone_wakes_no_more_than_each_fifteen_seconds():
    """Without beats, memory is looked at every 15 s."""
    history = History(Policy(memory_limit=LIMIT, no_heartbeat=True, start_grace_s=1.0)).start(0.0)
    looks = []
    while history.now < 100.0:
        if history.tick() == (MeasureMemory(),):
            looks.append(history.now)
    assert looks == [15.0, 30.0, 45.0, 60.0, 75.0, 90.0, 105.0]


def test_memory_is_looked_at_with_a_beat_and_not_more_than_once_a_second():
    """A beat wakes us anyway; a thousand beats a second do not make a thousand looks."""
    history = History(POLICY).start(0.0)
    assert history.beat(5.0) == (MeasureMemory(),)
    assert history.beat(5.9) == ()
    assert history.beat(6.0) == (MeasureMemory(),)
    assert history.wait_until(20.9) == ()
    assert history.wait_until(21.0) == (MeasureMemory(),)


def test_without_a_limit_nobody_looks():
    """Nothing is measured, and a measurement means nothing."""
    history = History().start(0.0)
    assert history.beat(5.0) == ()
    assert measured(history, 10**15) == ()
    assert measured(history, 10**15) == ()
    assert isinstance(history.phase, Running)


def test_pause_stops_looking():
    """While paused memory is neither looked at nor judged; afterwards it is due at once."""
    history = History(POLICY).start(0.0)
    history.beat(1.0)
    measured(history, LIMIT + 1)
    history.do(PauseAsked(None), 2.0)
    assert history.deadline is None
    assert measured(history, LIMIT + 1, 50.0) == ()
    assert history.beat(60.0) == ()
    history.do(ResumeAsked(), 100.0)
    assert history.tick() == (MeasureMemory(),)


def test_ending_run_is_not_measured():
    """A run that is being stopped has no memory deadline, and late numbers change nothing."""
    history = History(POLICY).start(0.0)
    history.stop(1.0)
    assert measured(history, LIMIT + 1) == ()
    assert measured(history, LIMIT + 1) == ()
    assert history.stopping.ending.cause is Cause.ASKED_STOP
