"""From nothing to a run: the first start, a child that was left running, and starts that do not work."""

import pytest

from model.history import CRASH, By, History, run
from watchdog_cli.core import facts
from watchdog_cli.core.actions import Kill, Spawn, Terminate
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.events import (
    Adopted,
    Begin,
    ChildSpawned,
    PauseAsked,
    RestartAsked,
    ResumeAsked,
    SpawnFailed,
    StopAsked,
)
from watchdog_cli.core.phases import Backoff, Paused, Running, Spawning, Starting, Stopped, Stopping
from watchdog_cli.core.policy import Policy, Restart
from watchdog_cli.core.record import Cause


def failing(policy: Policy | None = None, *, transient: bool) -> History:
    """A supervisor whose very first start did not work."""
    history = History(policy)
    history.do(Begin())
    history.do(SpawnFailed("it is busy", transient))
    return history


def test_begin_asks_for_the_first_run():
    """The first run has the next number under this name."""
    history = History(number=41)
    assert history.do(Begin()) == (Spawn(42),)
    assert history.phase == Spawning(42)


def test_second_begin_starts_no_second_child():
    """Begin means something once."""
    history = History()
    history.do(Begin())
    assert history.do(Begin()) == ()


def test_spawned_run_is_starting_until_its_first_sign():
    """The grace begins when the run does."""
    history = History().start(10.0, judged=True)
    assert isinstance(history.phase, Starting)
    assert history.heard(facts.Spawned)
    history.beat(11.5)
    assert isinstance(history.phase, Running)
    assert [fact.after_s for fact in history.heard(facts.FirstSign)] == [1.5]


def test_stop_before_begin_starts_nothing():
    """A signal that comes while we set things up ends us before anything was started."""
    history = History()
    history.stop(by=By.SIGNAL)
    assert history.do(Begin()) == ()
    assert history.phase == Stopped(ExitCode.OK)


def test_stop_before_adoption_ends_the_child_that_runs():
    """A stop that comes before the running child is known still stops it, softly."""
    history = History()
    history.stop(by=By.SIGNAL)
    assert history.do(Adopted(run(7))) == (Terminate(),)
    assert history.stopping.ending.cause is Cause.ASKED_STOP


def test_stop_while_spawning_stops_the_run_that_comes():
    """A stop during the spawn is done as soon as there is something to stop."""
    history = History()
    history.do(Begin())
    assert history.stop() == ()
    assert history.do(ChildSpawned(run(1))) == (Terminate(),)
    history.exits(CRASH)
    assert history.phase == Stopped(ExitCode.OK)


def test_stop_while_a_spawn_fails_ends():
    """A stop during a spawn that fails leaves nothing to do, whatever the restart policy says."""
    history = History().start()
    history.exits(CRASH, 1.0)
    history.tick()
    history.stop()
    history.do(SpawnFailed("gone", transient=False))
    assert history.phase == Stopped(ExitCode.OK)


def test_pause_before_begin_starts_nothing_until_resumed():
    """Who pauses before anything runs gets no start."""
    history = History()
    history.do(PauseAsked(None))
    assert history.do(Begin()) == ()
    assert isinstance(history.phase, Paused)
    assert history.do(ResumeAsked()) == (Spawn(1),)


def test_first_start_that_cannot_work_is_the_users_typo():
    """A missing command at the first start ends at once with its own code; nothing is restarted."""
    history = failing(transient=False)
    assert history.phase == Stopped(ExitCode.SPAWN)
    assert [fact.reason for fact in history.heard(facts.SpawnFault)] == ["it is busy"]
    assert not history.heard(facts.Restarting)


def test_first_start_that_may_work_later_is_tried_again():
    """No memory or a busy file can pass: the same delay, the same window."""
    history = failing(transient=True)
    assert history.phase == Backoff(5.0)
    assert history.tick() == (Spawn(1),)
    history.spawned()
    assert isinstance(history.phase, Starting)


def test_typo_after_a_busy_first_start_is_still_a_typo():
    """As long as no run ever lived, a final failure is final."""
    history = failing(transient=True)
    history.tick()
    history.do(SpawnFailed("no such file", transient=False))
    assert history.phase == Stopped(ExitCode.SPAWN)


def test_later_failures_are_retried_and_count():
    """Once it has run, a command that vanished is retried under the same delay and cap."""
    history = History(Policy(max_restarts=3)).start()
    history.exits(CRASH, 1.0)
    for _ in range(3):
        assert history.tick() == (Spawn(2),)
        history.do(SpawnFailed("no such file", transient=False))
    assert history.phase == Stopped(ExitCode.GAVE_UP)
    assert "no such file" in history.heard(facts.GaveUp)[0].text


def test_failing_spawn_with_delay_zero_does_not_spin():
    """With delay 0 a spawn that fails at once is tried twice a second, not as fast as the machine can."""
    history = failing(Policy(restart_delay_s=0.0, max_restarts=None), transient=True)
    assert history.phase == Backoff(0.5)
    history.tick()
    history.do(SpawnFailed("busy", transient=True))
    assert history.phase == Backoff(1.0)


@pytest.mark.parametrize("restart", [Restart.NEVER])
def test_failing_spawn_without_restarts_has_its_own_code(restart):
    """With restarts off, a spawn that may work later is not tried again, and the code says what failed."""
    assert failing(Policy(restart=restart), transient=True).phase == Stopped(ExitCode.SPAWN)


def test_failing_spawn_is_a_failure_for_on_failure():
    """A start that did not work is tried again under on-failure."""
    assert isinstance(failing(Policy(restart=Restart.ON_FAILURE), transient=True).phase, Backoff)


def test_adopted_run_gets_its_full_time():
    """A child that an earlier supervisor left has the whole grace from now on, and its number is not used again."""
    history = History(Policy(judge_silence=True, start_grace_s=30.0), number=6)
    assert history.do(Adopted(run(7)), 500.0) == ()
    assert history.heard(facts.TakenOver)
    assert history.wait_until(529.9) == ()
    history.wait_until(530.0)
    assert history.stopping.ending.cause is Cause.NEVER_BEAT
    assert history.sup.number == 7


def test_adopted_run_that_ends_is_restarted():
    """An adopted child whose exit code nobody can know is restarted, with the next number."""
    history = History(number=7)
    history.do(Adopted(run(7)))
    history.exits(history.sup.phase.run and CRASH, 1.0)
    assert history.tick() == (Spawn(8),)


def test_adoption_counts_as_having_run():
    """After an adoption a command that vanished is no typo any more."""
    history = History()
    history.do(Adopted(run(1)))
    history.exits(CRASH, 1.0)
    history.tick()
    history.do(SpawnFailed("no such file", transient=False))
    assert isinstance(history.phase, Backoff)


def test_adoption_of_a_child_with_another_command():
    """A restart asked right behind the adoption replaces the old tree, without counting it."""
    history = History()
    history.do(Adopted(run(1)))
    assert history.do(RestartAsked()) == (Terminate(),)
    assert history.exits(CRASH) == (Spawn(2),)
    assert history.sup.restarts == 0


def test_carried_over_restarts_count():
    """The window of an earlier supervisor goes on: nobody gets a new cap by restarting the watchdog."""
    history = History(Policy(max_restarts=2), now=100.0, window=(90.0, 95.0), restarts=17)
    history.start(100.0)
    history.exits(CRASH, 101.0)
    assert history.phase == Stopped(ExitCode.GAVE_UP)
    assert history.sup.restarts == 17


def test_stop_now_while_running_kills_at_once():
    """``stop --now`` asks nobody."""
    history = History().start()
    assert history.do(StopAsked(By.COMMAND, now=True)) == (Kill(),)
    assert isinstance(history.phase, Stopping)


def test_life_of_an_adopted_run_is_told_from_its_own_start():
    """It had lived for an hour before we came: that is told at its end, and nothing is judged by it."""
    history = History(Policy(start_grace_s=20.0, heartbeat_timeout_s=20.0))
    history.do(Adopted(run(7), age_s=3600.0))
    history.exits(CRASH)
    (ended,) = history.heard(facts.Ended)
    assert ended.lived_s >= 3600.0


def test_adopted_run_that_stays_silent_has_gone_silent():
    """A program that beat under an earlier watchdog is not said to have never given a sign."""
    history = History(Policy(start_grace_s=20.0, heartbeat_timeout_s=20.0), ever_beat=True)
    history.do(Adopted(run(7), age_s=3600.0))
    history.wait_until(60.0)
    assert history.stopping.ending.cause is Cause.HANG
