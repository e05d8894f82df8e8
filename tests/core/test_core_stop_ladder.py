"""How a run is brought to its end: dump, ask, ask all, kill, until nobody is left."""

import pytest

from model.history import CLEAN, CRASH, KILLED, TERMINATED, By, History
from watchdog_cli.core import facts
from watchdog_cli.core.actions import Dump, Kill, Spawn, Terminate, TerminateRest
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.events import (
    DumpDone,
    HangDeclared,
    PauseAsked,
    RestartAsked,
    ResumeAsked,
    StopAsked,
    Tick,
    TreeEmpty,
)
from watchdog_cli.core.phases import Backoff, Paused, Stage, Stopped
from watchdog_cli.core.policy import Policy
from watchdog_cli.core.record import Cause, ExitStatus

POLICY = Policy(stop_timeout_s=10.0, dump_timeout_s=2.0)


def stopping(policy: Policy = POLICY, *, by: By = By.COMMAND) -> History:
    """A run that was asked to stop at 100."""
    history = History(policy).start(0.0)
    assert history.stop(100.0, by=by) == (Terminate(),)
    return history


def dumping(policy: Policy = POLICY) -> History:
    """A frozen run whose stacks were asked for at 100."""
    history = History(policy).start(0.0)
    assert history.do(HangDeclared(), 100.0) == (Dump(2.0),)
    return history


def test_ladder_leader_rest_kill():
    """The leader has half the time alone, then all are asked, then nobody is asked any more."""
    history = stopping()
    assert history.do(Tick(), 104.9) == ()
    assert history.do(Tick(), 105.0) == (TerminateRest(),)
    assert history.do(Tick(), 109.9) == ()
    assert history.do(Tick(), 110.0) == (Kill(),)
    assert [fact.grace_s for fact in history.heard(facts.StopBegun)] == [10.0]
    assert [fact.waited_s for fact in history.heard(facts.KillBegun)] == [10.0]


def test_kill_is_repeated_until_the_tree_is_gone():
    """A process that cannot die just now is killed again each second, and that is said once."""
    history = stopping()
    asked = history.wait_until(113.5)
    assert asked == (TerminateRest(), Kill(), Kill(), Kill(), Kill())
    assert len(history.heard(facts.KillBegun)) == 1
    history.exits(KILLED)
    assert history.phase == Stopped(ExitCode.OK)
    assert history.heard(facts.Ended)[0].ending.forced


def test_leader_that_ends_softly_ends_the_stop_at_once():
    """Nobody waits for a timeout when the tree is empty."""
    history = stopping()
    assert history.exits(TERMINATED, 100.4) == ()
    assert history.phase == Stopped(ExitCode.OK)
    (ended,) = history.heard(facts.Ended)
    assert ended.ending.cause is Cause.ASKED_STOP
    assert not ended.ending.forced


@pytest.mark.parametrize("status", [CLEAN, CRASH, ExitStatus(code=78), KILLED, ExitStatus()])
def test_asked_stop_is_clean_whatever_the_child_says(status):
    """The code of a stopped child is recorded; the watchdog ends with 0."""
    history = stopping()
    history.exits(status, 101.0)
    assert history.phase == Stopped(ExitCode.OK)
    assert history.heard(facts.Ended)[0].ending.status == status


def test_leader_gone_and_others_not():
    """When the leader ends before half the time, the others are asked at once and keep the time that was given."""
    history = stopping()
    assert history.exits(TERMINATED, 101.0, left=2) == (TerminateRest(),)
    assert history.stopping.kill_at == 110.0
    assert history.do(Tick(), 105.0) == ()
    assert history.do(Tick(), 110.0) == (Kill(),)
    assert history.do(TreeEmpty(history.run.id), 110.1) == ()
    assert history.phase == Stopped(ExitCode.OK)
    assert not history.heard(facts.Ended)[0].ending.forced


def test_stop_ends_only_when_the_tree_is_empty():
    """A helper that ignores everything keeps the stop going, with a deadline at all times."""
    history = stopping()
    history.exits(TERMINATED, 101.0, left=1)
    history.wait_until(200.0)
    assert history.stopping.stage is Stage.KILL
    assert history.deadline is not None
    history.do(TreeEmpty(history.run.id))
    assert history.phase == Stopped(ExitCode.OK)


def test_tree_cannot_be_empty_before_its_leader_ended():
    """A word about the tree alone does not end the stop."""
    history = stopping()
    assert history.do(TreeEmpty(history.run.id), 101.0) == ()
    assert history.stopping.status is None


def test_leader_that_dies_in_the_kill_stage_leaves_the_kill_going():
    """Helpers that outlive a killed leader are killed again, not asked."""
    history = stopping()
    history.wait_until(110.0)
    assert history.exits(KILLED, 110.2, left=1) == ()
    assert history.tick() == (Kill(),)
    assert history.stopping.next_at == 112.0


def test_stop_timeout_of_zero_kills_right_after_asking():
    """With no time to give, the kill is due at the same instant."""
    history = stopping(Policy(stop_timeout_s=0.0))
    assert history.deadline == 100.0
    assert history.tick() == (Kill(),)


def test_late_tick_does_not_give_more_time():
    """If the whole time was slept through, the kill comes at once."""
    history = stopping()
    assert history.do(Tick(), 300.0) == (Kill(),)


# --- a second wish ----------------------------------------------------------------------------------------


def test_second_signal_shortens_to_the_kill():
    """An impatient Ctrl-C kills at once and says how long was waited."""
    history = stopping(by=By.SIGNAL)
    assert history.stop(101.5, by=By.SIGNAL) == (Kill(),)
    assert history.heard(facts.KillBegun)[0].waited_s == 1.5


@pytest.mark.parametrize(("after", "killed"), [(0.0, False), (0.049, False), (0.05, True)])
def test_two_signals_in_one_moment_are_one(after, killed):
    """Some senders signal the process and its group: that is no impatience."""
    history = History(POLICY).start(0.0)
    history.stop(0.0, by=By.SIGNAL)
    assert (history.stop(after, by=By.SIGNAL) == (Kill(),)) is killed


def test_hang_up_is_never_the_second_signal():
    """A session that ends sends SIGTERM and SIGHUP: the program keeps its time to save."""
    history = stopping(by=By.SIGNAL)
    assert history.stop(101.0, by=By.HANGUP) == ()
    assert history.stop(102.0, by=By.SIGNAL) == (Kill(),)
    history = stopping(by=By.HANGUP)
    assert history.stop(101.0, by=By.SIGNAL) == ()


def test_first_signal_after_a_stop_command_is_no_impatience():
    """A service manager that follows ``watchdog stop`` with its own SIGTERM does not cut the saving short."""
    history = stopping(by=By.COMMAND)
    assert history.stop(101.0, by=By.SIGNAL) == ()
    assert history.stop(102.0, by=By.SIGNAL) == (Kill(),)


def test_second_stop_command_only_waits_too():
    """``watchdog stop`` twice is not ``stop --now``."""
    history = stopping()
    assert history.stop(101.0) == ()
    assert history.stop(102.0, at_once=True) == (Kill(),)
    assert history.stop(103.0, at_once=True) == ()
    assert history.stop(104.0, by=By.SIGNAL) == ()


def test_stop_now_kills_without_asking():
    """``stop --now`` from the start: no soft stop, and the record says forced."""
    history = History(POLICY).start(0.0)
    assert history.stop(100.0, at_once=True) == (Kill(),)
    assert history.heard(facts.KillBegun)[0].waited_s is None
    history.exits(KILLED, 100.1)
    assert history.heard(facts.Ended)[0].ending.forced


def test_stop_during_a_restart_wins_over_it():
    """A restart is under way and somebody stops: no start follows, and the record does not speak of one."""
    history = History(POLICY).start(0.0)
    history.do(RestartAsked(), 100.0)
    assert history.stop(101.0) == ()
    assert history.exits(TERMINATED, 102.0) == ()
    assert history.phase == Stopped(ExitCode.OK)
    assert history.heard(facts.Ended)[0].ending.cause is Cause.ASKED_STOP


@pytest.mark.parametrize("wish", [RestartAsked(), ResumeAsked(), PauseAsked(None), PauseAsked(5.0)])
def test_no_wish_undoes_a_stop(wish):
    """After a stop was asked for, nothing leads to another start."""
    history = stopping()
    assert history.do(wish, 101.0) == ()
    assert history.exits(TERMINATED, 102.0) == ()
    assert history.phase == Stopped(ExitCode.OK)


# --- a frozen run -----------------------------------------------------------------------------------------


def test_stacks_are_asked_for_before_the_stop():
    """The soft stop begins as soon as the stacks are written."""
    history = dumping()
    assert history.do(DumpDone(history.run.id), 100.3) == (Terminate(),)
    assert history.stopping.kill_at == 110.3


def test_dump_has_its_limit():
    """Stacks that do not come delay the stop by their limit and no more."""
    history = dumping()
    assert history.do(Tick(), 101.9) == ()
    assert history.tick() == (Terminate(),)
    assert history.now == 102.0
    assert history.do(DumpDone(history.run.id), 103.0) == ()


def test_dump_of_an_earlier_run_does_not_cut_this_one_short():
    """Only the stacks of the present run are waited for."""
    history = dumping()
    assert history.do(DumpDone("another"), 100.1) == ()
    assert history.stopping.stage is Stage.DUMP


def test_dump_timeout_of_zero_asks_for_no_stacks():
    """With dump-timeout 0 a frozen child is asked to end at once."""
    history = History(Policy(dump_timeout_s=0.0)).start(0.0)
    assert history.do(HangDeclared(), 100.0) == (Terminate(),)


def test_leader_that_dies_during_the_dump():
    """It is gone with its whole tree: the usual restart, and the cause stays the hang."""
    history = dumping()
    assert history.exits(KILLED, 101.0) == ()
    assert history.phase == Backoff(106.0)
    assert history.heard(facts.Ended)[0].ending.cause is Cause.HANG


def test_leader_that_dies_during_the_dump_and_leaves_others():
    """The others get the full time to end, counted from then."""
    history = dumping()
    assert history.exits(KILLED, 101.0, left=1) == (TerminateRest(),)
    assert history.deadline == 111.0
    assert history.tick() == (Kill(),)
    assert history.heard(facts.KillBegun)[0].waited_s == 10.0


def test_somebody_who_stops_does_not_wait_for_stacks():
    """A stop during the dump goes on to the soft stop at once; an impatient one to the kill."""
    history = dumping()
    assert history.stop(100.5) == (Terminate(),)
    assert history.stopping.kill_at == 110.5
    other = dumping()
    assert other.stop(100.5, at_once=True) == (Kill(),)


def test_second_signal_during_the_dump_kills():
    """Two signals while the stacks are written: the first begins the soft stop, the second ends it."""
    history = dumping()
    assert history.stop(100.5, by=By.SIGNAL) == (Terminate(),)
    assert history.stop(101.0, by=By.SIGNAL) == (Kill(),)


# --- a stop where nothing runs ----------------------------------------------------------------------------


def test_stop_while_waiting_for_the_next_start():
    """A stop in the middle of the delay ends at once, and the start never comes."""
    history = History(POLICY).start(0.0)
    history.exits(CRASH, 1.0)
    assert history.stop(3.0) == ()
    assert history.phase == Stopped(ExitCode.OK)
    assert history.do(Tick(), 6.0) == ()
    assert history.deadline is None


def test_stop_while_paused():
    """Nothing runs and nothing shall: the end."""
    history = History(POLICY).start(0.0)
    history.exits(CRASH, 1.0)
    history.do(PauseAsked(None), 2.0)
    assert isinstance(history.phase, Paused)
    history.stop(3.0)
    assert history.phase == Stopped(ExitCode.OK)


def test_stop_after_giving_up():
    """Who waits for the next slow try can be stopped, and that is a clean stop."""
    history = History(Policy(max_restarts=0, retry_after_s=900.0)).start(0.0)
    history.exits(CRASH, 1.0)
    history.do(StopAsked(By.SIGNAL), 2.0)
    assert history.phase == Stopped(ExitCode.OK)


def test_stop_while_a_tree_is_emptied_after_a_crash():
    """A stop that comes while the rest of a crashed tree is stopped waits for it and starts nothing."""
    history = History(POLICY).start(0.0)
    history.exits(CRASH, 1.0, left=1)
    assert history.stop(2.0) == ()
    assert history.do(TreeEmpty(history.run.id), 3.0) == ()
    assert history.phase == Stopped(ExitCode.OK)


def test_restart_after_a_hang_begins_when_the_tree_is_empty():
    """A hang under the ladder to its last step is followed by the usual restart."""
    history = dumping()
    asked = history.wait_until(112.0)
    assert asked == (Terminate(), TerminateRest(), Kill())
    history.exits(KILLED, 112.1)
    assert history.phase == Backoff(117.1)
    assert history.tick() == (Spawn(2),)
