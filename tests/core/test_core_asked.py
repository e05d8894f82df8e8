"""Restart, pause and resume, in every phase in which somebody can ask."""

import pytest

from model.history import CLEAN, CRASH, PHASES, TERMINATED, History, run
from watchdog_cli.core import facts
from watchdog_cli.core.actions import Kill, Spawn, Terminate
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.events import (
    ChildSpawned,
    PauseAsked,
    RestartAsked,
    ResumeAsked,
    SpawnFailed,
    Tick,
    TreeEmpty,
)
from watchdog_cli.core.phases import Backoff, GivenUp, Paused, Running, Starting, Stopped, Stopping
from watchdog_cli.core.policy import Policy, Restart
from watchdog_cli.core.record import ExitStatus

ENDED = ("stopped", "ending for good")


# --- restart ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in PHASES if name not in ENDED])
def test_restart_clears_window_and_pause_in_every_phase(name):
    """Whenever a person asks for a start, what was before does not count, and a pause is over."""
    history = PHASES[name]()
    history.do(RestartAsked(), 20.0)
    assert history.sup.window.times == ()
    assert history.sup.pause is None
    ended = [fact.by_itself for fact in history.heard(facts.PauseEnded)]
    assert ended == ([False] if name.startswith("paused") else [])


@pytest.mark.parametrize("name", ENDED)
def test_restart_after_a_stop_changes_nothing(name):
    """A stop is never undone."""
    history = PHASES[name]()
    before = history.sup
    assert history.do(RestartAsked(), 2.0) == ()
    assert history.sup == before


@pytest.mark.parametrize("name", ["backoff", "paused", "given up"])
def test_restart_where_nothing_runs_starts_at_once(name):
    """Nobody who asks for a restart waits for a delay."""
    history = PHASES[name]()
    number = history.sup.number
    assert history.do(RestartAsked(), 10.0) == (Spawn(number + 1),)


@pytest.mark.parametrize("name", ["starting", "running", "paused while it runs"])
def test_restart_of_a_run_stops_it_softly_and_starts_without_delay(name):
    """The old tree gets its time to end; the new run follows at once, uncounted."""
    history = PHASES[name]()
    assert history.do(RestartAsked(), 10.0) == (Terminate(),)
    assert history.exits(TERMINATED, 11.0) == (Spawn(2),)
    assert history.sup.restarts == 0
    assert not history.heard(facts.Restarting)


@pytest.mark.parametrize("name", ["dumping", "leader asked", "all asked", "killing"])
def test_restart_while_a_run_is_ending_only_skips_the_delay(name):
    """The ladder goes on as it is; the start comes with the empty tree."""
    history = PHASES[name]()
    stage = history.stopping.stage
    assert history.do(RestartAsked(), history.now) == ()
    assert history.stopping.stage is stage
    if history.stopping.status is None:
        assert history.exits(TERMINATED, 12.0) == (Spawn(2),)
    else:
        assert history.do(TreeEmpty(history.run.id), 12.0) == (Spawn(2),)


def test_restart_while_spawning_clears_the_window_only():
    """The run that is just being started is new enough."""
    history = PHASES["spawning"]()
    assert history.do(RestartAsked(), 1.0) == ()
    history.spawned()
    assert isinstance(history.phase, Starting)


def test_restart_works_whatever_the_policy_says():
    """A person's wish is above ``--restart never`` and above exit code 78."""
    history = History(Policy(restart=Restart.NEVER)).start()
    history.do(RestartAsked(), 1.0)
    assert history.exits(ExitStatus(code=78), 2.0) == (Spawn(2),)


def test_restart_after_giving_up_ends_with_a_recovery():
    """The person mended it: it starts at once, the window is empty, and health ends the incident."""
    history = PHASES["given up"]()
    history.do(RestartAsked(), 10.0)
    history.spawned()
    history.beat(11.0)
    assert len(history.heard(facts.Recovered)) == 1


def test_asked_start_that_fails_counts_like_any_other():
    """What follows an asked restart is no longer asked."""
    history = PHASES["backoff"]()
    history.do(RestartAsked(), 10.0)
    history.do(SpawnFailed("no memory", transient=True))
    assert history.phase == Backoff(15.0)
    assert history.sup.window.count(10.0) == 1


def test_second_restart_while_the_first_is_under_way_is_one():
    """Asking twice gives one new run."""
    history = PHASES["running"]()
    history.do(RestartAsked(), 10.0)
    assert history.do(RestartAsked(), 10.5) == ()
    assert history.exits(TERMINATED, 11.0) == (Spawn(2),)
    history.spawned()
    assert isinstance(history.phase, Starting)


# --- pause and resume -------------------------------------------------------------------------------------


def test_pause_leaves_a_run_alone_and_starts_nothing_after_it():
    """The child runs on; when it ends, nothing is started, nothing counts and nothing is loud."""
    history = PHASES["running"]()
    assert history.do(PauseAsked(None), 5.0) == ()
    assert isinstance(history.phase, Running)
    assert history.exits(CRASH, 6.0) == ()
    assert isinstance(history.phase, Paused)
    assert history.deadline is None
    assert history.do(Tick(), 1e6) == ()
    assert history.sup.restarts == 0
    assert history.sup.window.times == ()
    assert max(fact.level for fact in history.said) < facts.Level.WARNING


def test_resume_starts_what_does_not_run():
    """At once, without delay and without counting."""
    history = PHASES["paused"]()
    restarts = history.sup.restarts
    assert history.do(ResumeAsked(), 50.0) == (Spawn(2),)
    assert history.sup.restarts == restarts
    assert [fact.by_itself for fact in history.heard(facts.PauseEnded)] == [False]


def test_pause_with_a_time_limit_ends_by_itself():
    """Ten seconds of pause are over after ten seconds, and that is said."""
    history = PHASES["backoff"]()
    history.do(PauseAsked(10.0), 20.0)
    assert history.deadline == 30.0
    assert history.do(Tick(), 29.9) == ()
    assert history.do(Tick(), 30.0) == (Spawn(2),)
    assert [fact.by_itself for fact in history.heard(facts.PauseEnded)] == [True]


def test_pause_with_a_time_limit_while_it_runs_ends_by_itself():
    """Afterwards the run is judged again, with its full time."""
    policy = Policy(judge_silence=True, heartbeat_timeout_s=100.0)
    history = History(policy).start(0.0)
    history.beat(1.0)
    history.do(PauseAsked(1000.0), 2.0)
    assert history.deadline == 1002.0
    history.tick()
    assert history.wait_until(1101.9) == ()
    history.wait_until(1102.0)
    assert isinstance(history.phase, Stopping)


def test_pause_of_no_length_is_over_at_once():
    """A pause of zero seconds leaves no deadline in the past."""
    history = PHASES["backoff"]()
    history.do(PauseAsked(0.0), 20.0)
    assert history.deadline == 20.0
    assert history.tick() == (Spawn(2),)


def test_second_pause_replaces_the_first():
    """A new time limit counts, and so does having none."""
    history = PHASES["paused"]()
    history.do(PauseAsked(10.0), 20.0)
    history.do(PauseAsked(100.0), 25.0)
    assert history.deadline == 125.0
    history.do(PauseAsked(None), 30.0)
    assert history.deadline is None
    assert history.do(Tick(), 1000.0) == ()


def test_pause_while_waiting_for_a_start_or_a_try_keeps_it_down():
    """A start that was due does not come while somebody works on it."""
    for name in ("backoff", "given up"):
        history = PHASES[name]()
        history.do(PauseAsked(None), 4.0)
        assert isinstance(history.phase, Paused)
        assert history.do(Tick(), 5000.0) == ()


def test_pause_while_spawning_keeps_the_run_that_comes():
    """The start that is under way is not undone; its failure is not followed by another."""
    history = PHASES["spawning"]()
    history.do(PauseAsked(None), 0.0)
    assert history.do(ChildSpawned(run(1))) == ()
    assert isinstance(history.phase, Starting)
    other = PHASES["spawning"]()
    other.do(PauseAsked(None), 0.0)
    assert other.do(SpawnFailed("busy", transient=True)) == ()
    assert isinstance(other.phase, Paused)


def test_pause_while_a_run_is_ending_lets_it_end_and_starts_nothing():
    """A stop that was begun goes on, with its kill; what follows waits."""
    history = PHASES["all asked"]()
    history.do(PauseAsked(None), 3.0)
    assert Kill() in history.wait_until(30.0)
    history.do(TreeEmpty(history.run.id))
    assert isinstance(history.phase, Paused)


def test_pause_that_ends_while_a_run_is_ending():
    """When the tree is empty after the pause, the usual restart follows."""
    history = PHASES["all asked"]()
    history.do(PauseAsked(2.0), 3.0)
    assert history.deadline == 5.0
    assert history.tick() == ()
    history.do(TreeEmpty(history.run.id), 6.0)
    assert history.phase == Backoff(11.0)


def test_pause_after_an_asked_restart_holds_the_start_back():
    """The later wish counts; resuming starts it."""
    history = PHASES["leader asked"]()
    history.do(PauseAsked(None), 3.0)
    assert history.exits(TERMINATED, 4.0) == ()
    assert isinstance(history.phase, Paused)
    assert history.do(ResumeAsked(), 5.0) == (Spawn(2),)


def test_exit_78_in_a_pause_does_not_end_the_watchdog():
    """Who works on wrong settings pauses, tries, and resumes."""
    history = PHASES["paused while it runs"]()
    history.exits(ExitStatus(code=78), 3.0)
    assert isinstance(history.phase, Paused)


def test_clean_end_in_a_pause_does_not_end_the_watchdog_either():
    """The restart policy is asked only where something is restarted."""
    history = History(Policy(restart=Restart.NEVER)).start()
    history.do(PauseAsked(None), 1.0)
    history.exits(CLEAN, 2.0)
    assert isinstance(history.phase, Paused)


@pytest.mark.parametrize("name", [name for name in PHASES if not name.startswith("paused")])
def test_resume_without_a_pause_changes_nothing(name):
    """In every phase that is not paused, resume means nothing."""
    history = PHASES[name]()
    said = len(history.said)
    phase = type(history.phase)
    assert history.do(ResumeAsked(), history.now) == ()
    assert len(history.said) == said
    assert type(history.phase) is phase


def test_resume_of_a_run_gives_it_time_and_starts_no_second_one():
    """What runs goes on running."""
    history = PHASES["paused while it runs"]()
    assert history.do(ResumeAsked(), 500.0) == ()
    assert history.phase.life.patience_from == 500.0


def test_resume_after_giving_up_tries_at_once():
    """A pause and a resume are one way to try again; the window is as full as it was."""
    history = History(Policy(max_restarts=1, retry_after_s=900.0)).start()
    history.exits(CRASH, 1.0)
    history.tick()
    history.spawned()
    history.exits(CRASH, 7.0)
    history.do(PauseAsked(None), 8.0)
    assert history.do(ResumeAsked(), 9.0) == (Spawn(3),)
    history.spawned()
    history.exits(CRASH, 10.0)
    assert isinstance(history.phase, GivenUp)


def test_spawn_failure_of_the_first_start_in_a_pause_is_still_a_typo():
    """The very first start that cannot work ends us, paused or not: there is nothing to resume."""
    history = PHASES["spawning"]()
    history.do(PauseAsked(None))
    history.do(SpawnFailed("no such file", transient=False))
    assert history.phase == Stopped(ExitCode.SPAWN)
