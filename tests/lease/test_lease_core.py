"""The supervisor under a lease: nothing starts and nothing lives on without it, and its end is no crash."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.history import CLEAN, CRASH, KILLED, TERMINATED, History, run
from watchdog_cli.core import lease_facts
from watchdog_cli.core.actions import Kill, Spawn, Terminate
from watchdog_cli.core.diagnosis import describe
from watchdog_cli.core.events import (
    Adopted,
    Begin,
    By,
    ChildExited,
    ChildSpawned,
    HangDeclared,
    LeaseHeld,
    LeaseLost,
    PauseAsked,
    RestartAsked,
    ResumeAsked,
    SpawnFailed,
    StopAsked,
    Tick,
    TreeEmpty,
)
from watchdog_cli.core.facts import Ended
from watchdog_cli.core.lease import Hold, OnLost
from watchdog_cli.core.phases import Paused, Spawning, StandingBy, Stopped, Stopping, Up
from watchdog_cli.core.policy import Policy
from watchdog_cli.core.record import Cause
from watchdog_cli.core.report import Health, State, exit_code
from watchdog_cli.core.supervisor import deadline

LEASED = Policy(lease=OnLost.STOP, no_heartbeat=True, stop_timeout_s=3.0, restart_delay_s=0.2)
HOLD = Hold(10.0, 13.0)


def standby(policy: Policy = LEASED) -> History:
    """One that waits for the lease."""
    history = History(policy)
    history.do(Begin(), 0.0)
    return history


def holder(policy: Policy = LEASED) -> History:
    """One whose program lives, under a lease until 10."""
    history = standby(policy)
    history.do(LeaseHeld(HOLD), 1.0)
    return history.spawned()


def test_nothing_starts_without_the_lease() -> None:
    """It stands by, without a deadline, and that is well."""
    history = standby()
    assert history.phase == StandingBy()
    assert history.deadline is None
    words = describe(history.sup, 0.0, degraded=False)
    assert words == (State.STANDING_BY, Health.STANDING_BY)
    assert exit_code(*words) == 0


def test_the_lease_starts_the_program() -> None:
    """At once, as run 1."""
    history = standby()
    assert history.do(LeaseHeld(HOLD), 1.0) == (Spawn(1),)


def test_old_news_of_the_lease_is_no_news() -> None:
    """A renewal that is worth nothing any more starts nothing."""
    history = standby()
    assert history.do(LeaseHeld(HOLD), 10.0) == ()
    assert history.phase == StandingBy()


def test_an_old_lease_ends_the_program_in_time() -> None:
    """Asked at the last moment for that, killed at the last moment of all, and not counted."""
    history = holder()
    assert history.deadline == 10.0
    assert history.tick() == (Terminate(),)
    assert history.stopping.kill_at == 13.0
    history.tick()
    assert Kill() in history.tick()
    assert history.now == 13.0
    history.exits(KILLED, 13.1)
    assert history.phase == StandingBy()
    assert history.sup.window.times == ()
    assert [fact.ending.cause for fact in history.heard(Ended)] == [Cause.LEASE]


def test_a_renewal_in_time_changes_nothing() -> None:
    """The deadline moves on."""
    history = holder()
    assert history.do(LeaseHeld(Hold(15.0, 18.0)), 6.0) == ()
    assert isinstance(history.phase, Up)
    assert history.deadline == 15.0


def test_a_late_watchdog_kills_without_asking() -> None:
    """Frozen past the end: whatever it hears first, the program is killed before anything else."""
    history = holder()
    assert Kill() in history.do(LeaseHeld(Hold(40.0, 43.0)), 30.0)
    history.exits(KILLED, 30.1)
    assert history.phase == Spawning(2), "it holds the lease again"


def test_an_end_found_after_the_lease_is_no_crash() -> None:
    """The guard killed it while we were frozen."""
    history = holder()
    history.exits(KILLED, 30.0)
    assert history.phase == StandingBy()
    assert history.sup.window.times == ()


def test_a_lost_lease_kills_at_once() -> None:
    """Somebody else may have it already."""
    history = holder()
    assert history.do(LeaseLost("gone"), 5.0) == (Kill(),)


def test_a_stop_that_has_begun_is_hurried() -> None:
    """A slow ordinary restart does not outlive the lease."""
    history = holder(replace(LEASED, stop_timeout_s=60.0))
    history.do(RestartAsked(), 9.0)
    assert history.stopping.kill_at == 69.0
    history.tick(10.0)
    assert history.stopping.kill_at == 13.0
    history.exits(TERMINATED, 11.0)
    assert history.phase == StandingBy()


def test_a_spawn_that_was_on_its_way_is_undone() -> None:
    """The lease ran out between the wish and the start."""
    history = standby()
    history.do(LeaseHeld(HOLD), 1.0)
    assert Terminate() in history.do(ChildSpawned(run(1)), 11.0)


def test_an_adopted_program_without_a_lease_is_killed() -> None:
    """Nobody knows since when others may run."""
    history = History(LEASED)
    assert history.do(Adopted(run(1)), 0.0) == (Kill(),)


def test_an_adopted_program_with_its_lease_goes_on() -> None:
    """The watchdog before us was killed a moment ago."""
    history = History(LEASED)
    history.sup = replace(history.sup, hold=HOLD)
    assert history.do(Adopted(run(1)), 0.0) == ()
    assert isinstance(history.phase, Up)


def test_keep_says_it_once_and_goes_on() -> None:
    """At one's own risk; but a lease that somebody else has ends it."""
    history = holder(replace(LEASED, lease=OnLost.KEEP))
    assert history.tick() == ()
    history.do(Tick(), 20.0)
    assert len(history.heard(lease_facts.LeaseDoubtful)) == 1
    assert history.deadline is None or history.deadline > 20.0
    assert isinstance(history.phase, Up)
    assert history.do(LeaseLost("gone"), 21.0) == (Kill(),)


def test_a_crash_under_the_lease_is_an_ordinary_crash() -> None:
    """It counts and comes again."""
    history = holder()
    history.exits(CRASH, 2.0)
    assert len(history.sup.window.times) == 1
    assert history.tick() == (Spawn(2),)


def test_losing_it_between_two_runs_means_standing_by() -> None:
    """The delay ends in nothing."""
    history = holder(replace(LEASED, restart_delay_s=30.0))
    history.exits(CRASH, 2.0)
    history.tick(10.0)
    assert history.phase == StandingBy()


def test_a_pause_on_standby_starts_nothing() -> None:
    """Not even with the lease; the end of the pause goes on waiting."""
    history = standby()
    history.do(PauseAsked(None), 1.0)
    assert history.phase == Paused()
    history.do(ResumeAsked(), 2.0)
    assert history.phase == StandingBy()


def test_a_stop_on_standby_is_immediate() -> None:
    """Nothing runs, so nothing is waited for."""
    history = standby()
    history.stop(1.0)
    assert history.phase == Stopped(0)


EVENTS = st.one_of(
    st.builds(LeaseHeld, st.builds(lambda at: Hold(at, at + 3.0), st.floats(-20, 30))),
    st.just(LeaseLost("gone")),
    st.sampled_from(
        [
            Begin(),
            Tick(),
            HangDeclared(),
            RestartAsked(),
            PauseAsked(5.0),
            ResumeAsked(),
            "answer",
            "exit",
            "empty",
        ]
    ),
    st.just(StopAsked(By.COMMAND)),
)


@given(st.lists(st.tuples(EVENTS, st.floats(0, 6), st.booleans()), max_size=60))
def test_never_a_program_without_a_lease_in_time(steps) -> None:
    """Whatever happens in whatever order: it starts only under a lease, and is asked or killed in time."""
    history = standby()
    end_by = None
    alive = None
    for what, wait_s, left in steps:
        now = history.now + wait_s
        due = deadline(history.sup)
        if due is not None and due <= now:  # the shell is awake at each deadline
            event, now = Tick(), max(due, history.now)
        elif what == "answer":
            event = SpawnFailed("busy", transient=True) if left else ChildSpawned(run(history.sup.number))
        elif what in ("exit", "empty"):
            if alive is None:
                continue
            event = ChildExited(alive, CLEAN, int(left)) if what == "exit" else TreeEmpty(alive)
        else:
            event = replace(what, hold=what.hold.moved(now)) if isinstance(what, LeaseHeld) else what
        asked = history.do(event, now)
        hold = history.sup.hold
        if hold is not None:
            end_by = hold.end_by
        if any(isinstance(one, Spawn) for one in asked):
            assert hold is not None
            assert now < hold.stop_at
        phase = history.phase
        alive = phase.run.id if isinstance(phase, Up | Stopping) else None
        if isinstance(phase, Up):
            assert hold is not None
            assert now < hold.stop_at
        if isinstance(phase, Stopping) and hold is None and end_by is not None:
            assert phase.kill_at <= max(end_by, now)


@pytest.mark.parametrize("on_lost", list(OnLost))
def test_the_deadline_of_the_lease_always_moves_on(on_lost: OnLost) -> None:
    """A tick at the deadline never leaves the same deadline behind: the loop would spin."""
    history = holder(replace(LEASED, lease=on_lost))
    history.tick(10.0)
    assert history.deadline is None or history.deadline > 10.0


def test_what_is_told_of_the_lease_when_it_comes() -> None:
    """From whom it was taken, once; that a doubt is over; and nothing of a renewal."""
    history = standby(replace(LEASED, lease=OnLost.KEEP))
    history.do(LeaseHeld(HOLD, "alpha"), 1.0)
    history.spawned()
    assert history.heard(lease_facts.LeaseGained) == [lease_facts.LeaseGained("alpha")]
    history.do(LeaseHeld(Hold(11.0, 14.0)), 2.0)
    assert history.heard(lease_facts.LeaseRenewed) == []
    history.do(Tick(), 11.0)
    assert len(history.heard(lease_facts.LeaseDoubtful)) == 1
    history.do(LeaseHeld(Hold(20.0, 23.0)), 12.0)
    history.do(LeaseHeld(Hold(21.0, 24.0)), 13.0)
    assert len(history.heard(lease_facts.LeaseRenewed)) == 1
    assert len(history.heard(lease_facts.LeaseGained)) == 1
