"""What follows the end of a run."""

import pytest

from model.history import CLEAN, CRASH, KILLED, TERMINATED, History
from watchdog_cli.core import facts
from watchdog_cli.core.actions import Kill, Spawn, Terminate, TerminateRest
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.events import ChildExited, MemoryMeasured, RestartAsked, SpawnFailed, Tick, TreeEmpty
from watchdog_cli.core.phases import Backoff, GivenUp, Stage, Starting, Stopped, Stopping
from watchdog_cli.core.policy import Policy, Restart
from watchdog_cli.core.record import Cause, ExitStatus

UNKNOWN = ExitStatus()
WRONG_SETTINGS = ExitStatus(code=78)


def crash_loop(history: History, deaths: int, *, every: float = 0.0) -> None:
    """Die ``deaths`` times, each time as soon as it runs and ``every`` seconds have passed."""
    for _ in range(deaths):
        history.exits(CRASH, history.now + every)
        if isinstance(history.phase, Backoff):
            history.tick()
        if isinstance(history.phase, Stopped | GivenUp):
            return
        history.spawned()


# --- the delay --------------------------------------------------------------------------------------------


def test_crash_is_restarted_after_the_delay():
    """The next start comes exactly the delay after the end, and not before."""
    history = History().start(0.0)
    history.exits(CRASH, 100.0)
    assert history.phase == Backoff(105.0)
    assert history.do(Tick(), 104.99) == ()
    assert history.do(Tick(), 105.0) == (Spawn(2),)


def test_late_tick_starts_at_once():
    """A deadline that was slept through is not put off again."""
    history = History().start(0.0)
    history.exits(CRASH, 100.0)
    assert history.do(Tick(), 4000.0) == (Spawn(2),)


def test_delay_of_zero_starts_in_the_same_step():
    """With delay 0 no tick is needed in between."""
    history = History(Policy(restart_delay_s=0.0)).start(0.0)
    assert history.exits(CRASH, 1.0) == (Spawn(2),)
    assert history.heard(facts.Restarting)[0].delay_s == 0.0


def test_delay_counts_from_the_empty_tree():
    """What the leader left behind is stopped first; only then the delay begins."""
    history = History().start(0.0)
    assert history.exits(CRASH, 100.0, left=2) == (TerminateRest(),)
    history.do(TreeEmpty(history.run.id), 107.0)
    assert history.phase == Backoff(112.0)


def test_backoff_grows_with_the_restarts_in_the_window():
    """Each crash in the window doubles the wait; after a quiet window it is short again."""
    policy = Policy(backoff=True, restart_delay_s=4.0, restart_window_s=100.0, max_restarts=None)
    history = History(policy).start(0.0)
    waits = []
    for _ in range(3):
        history.exits(CRASH)
        waits.append(history.phase.until - history.now)
        history.tick()
        history.spawned()
    assert waits[0] == 4.0
    assert 6.0 < waits[1] <= 8.0
    assert 12.0 < waits[2] <= 16.0
    history.exits(CRASH, history.now + 200.0)
    assert history.phase.until - history.now == 4.0


# --- the cap ----------------------------------------------------------------------------------------------


def test_eleventh_end_inside_the_window_gives_up():
    """Ten restarts in five minutes; then the watchdog ends with its own code and says why."""
    history = History().start(0.0)
    crash_loop(history, 10, every=1.0)
    assert isinstance(history.phase, Starting)
    assert history.sup.restarts == 10
    history.exits(ExitStatus(signal=11), history.now + 1.0)
    assert history.phase == Stopped(ExitCode.GAVE_UP)
    told = history.heard(facts.GaveUp)
    assert len(told) == 1
    assert told[0].level is facts.Level.ALARM
    assert "SIGSEGV" in told[0].text
    assert history.sup.restarts == 10


def test_long_runs_count_as_much_as_short_ones():
    """A program that lives 20 s each time reaches the cap too: 11 ends lie within the window."""
    history = History().start(0.0)
    crash_loop(history, 11, every=20.0)
    assert history.phase == Stopped(ExitCode.GAVE_UP)


def test_ends_beyond_the_window_never_give_up():
    """One crash each 30 s with a cap of 10 in 300 s goes on for ever: the oldest is forgotten in time."""
    history = History(Policy(restart_delay_s=0.0)).start(0.0)
    for _ in range(200):
        assert history.exits(CRASH, history.now + 30.0) == (Spawn(history.sup.number + 1),)
        history.spawned()
    assert history.sup.restarts == 200


@pytest.mark.parametrize(("at", "gives_up"), [(309.99, True), (310.0, False)])
def test_edge_of_the_window(at, gives_up):
    """The restart that was noted at 10 is forgotten at 310, to the instant."""
    history = History(Policy(max_restarts=1)).start(0.0)
    history.exits(CRASH, 10.0)
    history.tick()
    history.spawned()
    history.exits(CRASH, at)
    assert isinstance(history.phase, Stopped) is gives_up


def test_all_causes_share_one_window():
    """Crash, hang, memory and a failing spawn reach the cap together."""
    policy = Policy(
        max_restarts=3, judge_silence=True, start_grace_s=10.0, dump_timeout_s=0.0, memory_limit=100
    )
    history = History(policy).start(0.0)
    history.exits(CRASH)
    history.tick()
    history.spawned()
    history.wait_until(history.now + 10.0)
    assert history.exits(KILLED) == ()
    history.tick()
    history.do(SpawnFailed("no memory", transient=True))
    history.tick()
    history.spawned()
    history.do(MemoryMeasured(101))
    history.do(MemoryMeasured(101))
    history.exits(TERMINATED)
    assert history.phase == Stopped(ExitCode.GAVE_UP)
    assert [fact.ending.cause for fact in history.heard(facts.Ended)] == [
        Cause.EXIT,
        Cause.NEVER_BEAT,
        Cause.MEMORY,
    ]
    assert "memory" in history.heard(facts.GaveUp)[0].text


def test_cap_of_zero_gives_up_at_the_first_end():
    """With max-restarts 0 no end is followed by a start."""
    history = History(Policy(max_restarts=0)).start(0.0)
    history.exits(CRASH, 1.0)
    assert history.phase == Stopped(ExitCode.GAVE_UP)


def test_unlimited_never_gives_up():
    """Without a cap a crash loop goes on, at the pace of the delay."""
    history = History(Policy(max_restarts=None)).start(0.0)
    crash_loop(history, 500)
    assert isinstance(history.phase, Starting)
    assert history.now == 2500.0


def test_retry_after_waits_and_tries_once_more():
    """Given up with retry-after: one more try at that time, and a loud word each time that it fails."""
    history = History(Policy(max_restarts=1, retry_after_s=200.0)).start(0.0)
    crash_loop(history, 2)
    assert history.phase == GivenUp("exit code 1", 205.0)
    assert history.do(Tick(), 204.9) == ()
    assert history.tick() == (Spawn(3),)
    history.spawned()
    assert history.exits(CRASH) == ()
    assert isinstance(history.phase, GivenUp)
    assert len(history.heard(facts.GaveUp)) == 2
    assert history.sup.restarts == 2


def test_retry_that_is_healthy_ends_the_incident():
    """The first sign after giving up is a recovery."""
    history = History(Policy(max_restarts=0, retry_after_s=900.0)).start(0.0)
    crash_loop(history, 1)
    history.tick()
    history.spawned()
    history.beat(history.now + 1.0)
    assert len(history.heard(facts.Recovered)) == 1


# --- whether at all ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "status", "code"),
    [
        (Restart.ON_FAILURE, CLEAN, 0),
        (Restart.NEVER, CLEAN, 0),
        (Restart.NEVER, ExitStatus(code=42), 42),
        (Restart.NEVER, ExitStatus(signal=15), 143),
        (Restart.NEVER, ExitStatus(signal=9), 137),
        (Restart.NEVER, UNKNOWN, 1),
    ],
)
def test_ends_that_end_the_watchdog(restart, status, code):
    """With never, or a clean end under on-failure, the watchdog ends with the child's own code."""
    history = History(Policy(restart=restart)).start(0.0)
    history.exits(status, 1.0)
    assert history.phase == Stopped(code)
    assert not history.heard(facts.GaveUp)


@pytest.mark.parametrize(
    ("restart", "status"),
    [
        (Restart.ALWAYS, CLEAN),
        (Restart.ALWAYS, CRASH),
        (Restart.ON_FAILURE, CRASH),
        (Restart.ON_FAILURE, ExitStatus(signal=6)),
        (Restart.ON_FAILURE, UNKNOWN),
    ],
)
def test_ends_that_are_followed_by_a_start(restart, status):
    """A failure, or any end under always, is followed by a start; what nobody knows is no clean end."""
    history = History(Policy(restart=restart)).start(0.0)
    history.exits(status, 1.0)
    assert history.phase == Backoff(6.0)


@pytest.mark.parametrize("restart", Restart)
def test_exit_78_means_do_not_restart_me(restart):
    """A child that says that its settings are wrong is not started again, and its code is passed on."""
    history = History(Policy(restart=restart)).start(0.0)
    history.exits(WRONG_SETTINGS, 1.0)
    assert history.phase == Stopped(78)
    assert "settings are wrong" in history.heard(facts.Finished)[0].text


def test_exit_78_that_we_caused_means_nothing():
    """A hung child that ends with 78 when asked to is replaced like any other."""
    history = History(Policy(judge_silence=True, start_grace_s=10.0, dump_timeout_s=0.0)).start(0.0)
    history.wait_until(10.0)
    history.exits(WRONG_SETTINGS, 11.0)
    assert isinstance(history.phase, Backoff)


def test_exit_78_with_helpers_left_ends_after_the_tree_is_empty():
    """Nothing is left running behind a child that wants no restart."""
    history = History().start(0.0)
    assert history.exits(WRONG_SETTINGS, 1.0, left=1) == (TerminateRest(),)
    history.do(TreeEmpty(history.run.id), 2.0)
    assert history.phase == Stopped(78)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (ExitStatus(code=3), Cause.EXIT),
        (CLEAN, Cause.EXIT),
        (ExitStatus(signal=11), Cause.SIGNAL),
        (UNKNOWN, Cause.UNKNOWN),
    ],
)
def test_end_is_recorded_as_what_it_was(status, cause):
    """Cause and status go to the record as they were, with how long it lived."""
    history = History().start(0.0)
    history.exits(status, 90.0)
    (ended,) = history.heard(facts.Ended)
    assert (ended.ending.cause, ended.ending.status, ended.lived_s) == (cause, status, 90.0)
    assert not ended.ending.forced


# --- what is left behind ----------------------------------------------------------------------------------


def test_leader_that_exits_cleanly_and_leaves_others_went_into_the_background():
    """That is said, the tree is stopped, it counts, and giving up carries the reason."""
    history = History(Policy(max_restarts=0)).start(0.0)
    assert history.exits(CLEAN, 1.0, left=1) == (TerminateRest(),)
    assert [fact.count for fact in history.heard(facts.LeftBehind)] == [1]
    history.do(TreeEmpty(history.run.id), 2.0)
    assert history.heard(facts.Ended)[0].ending.cause is Cause.BACKGROUND
    assert "foreground" in history.heard(facts.GaveUp)[0].text


def test_background_is_no_clean_end_for_on_failure():
    """Under on-failure a program that went into the background is restarted: its work was stopped by us."""
    history = History(Policy(restart=Restart.ON_FAILURE)).start(0.0)
    history.exits(CLEAN, 1.0, left=1)
    history.do(TreeEmpty(history.run.id), 2.0)
    assert isinstance(history.phase, Backoff)


def test_crash_that_leaves_helpers_is_still_a_crash():
    """Helpers that outlive a crashed leader are asked, then killed; the cause stays the crash."""
    history = History().start(0.0)
    history.exits(CRASH, 1.0, left=3)
    assert history.stopping.stage is Stage.GROUP
    assert history.tick(11.0) == (Kill(),)
    assert history.heard(facts.KillBegun)[0].waited_s == 10.0
    history.do(TreeEmpty(history.run.id), 11.5)
    (ended,) = history.heard(facts.Ended)
    assert ended.ending.cause is Cause.EXIT
    assert not ended.ending.forced
    assert history.phase == Backoff(16.5)


def test_no_start_before_the_tree_is_empty():
    """However long a helper takes to die, the next run does not begin beside it."""
    history = History(Policy(restart_delay_s=0.0)).start(0.0)
    history.exits(CRASH, 1.0, left=1)
    asked = history.wait_until(100.0)
    assert set(asked) == {Kill()}
    assert history.do(TreeEmpty(history.run.id)) == (Spawn(2),)


# --- asked restarts ---------------------------------------------------------------------------------------


def test_asked_restarts_do_not_count_and_do_not_alarm():
    """Twelve asked restarts in a minute leave the window empty, and nobody gives up."""
    history = History().start(0.0)
    for _ in range(12):
        history.beat(history.now + 1.0)
        assert history.do(RestartAsked(), history.now + 4.0) == (Terminate(),)
        assert history.exits(TERMINATED) == (Spawn(history.sup.number + 1),)
        history.spawned()
    assert history.sup.restarts == 0
    assert history.sup.window.count(history.now) == 0
    loud = [fact for fact in history.said if fact.level >= facts.Level.WARNING]
    assert loud == []
    crash_loop(history, 11)
    assert history.phase == Stopped(ExitCode.GAVE_UP)


def test_asked_restart_clears_the_window():
    """After a person asked for a start the cap is whole again."""
    history = History(Policy(max_restarts=2)).start(0.0)
    crash_loop(history, 2)
    history.do(RestartAsked())
    history.exits(TERMINATED)
    history.spawned()
    crash_loop(history, 2)
    assert isinstance(history.phase, Starting)
    history.exits(CRASH)
    assert history.phase == Stopped(ExitCode.GAVE_UP)


def test_end_of_another_run_is_not_ours():
    """A report that names another run changes nothing."""
    history = History().start(0.0)
    before = history.sup.phase.run
    assert history.do(ChildExited("another", CRASH), 1.0) == ()
    assert history.do(TreeEmpty("another"), 1.0) == ()
    assert history.sup.phase.run == before
    assert not isinstance(history.phase, Stopping)
