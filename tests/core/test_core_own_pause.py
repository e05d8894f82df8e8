"""The supervisor itself was frozen: silence of that time proves nothing."""

from dataclasses import replace

import pytest

from model.history import History
from watchdog_cli.core import facts
from watchdog_cli.core.events import Continued, PauseAsked, ResumeAsked, Tick
from watchdog_cli.core.phases import Running, Starting
from watchdog_cli.core.policy import Policy
from watchdog_cli.core.record import Cause

JUDGED = Policy(judge_silence=True, heartbeat_timeout_s=120.0, start_grace_s=120.0)


def running(policy: Policy = JUDGED) -> History:
    """A child that beat at 0."""
    history = History(policy).start(0.0)
    history.beat(0.0)
    return history


def test_wait_is_cut_into_slices():
    """The deadline is never further away than a slice, so that a pause can be seen."""
    history = running()
    assert history.deadline == 30.0
    assert history.tick() == ()
    assert history.deadline == 60.0


def test_long_freeze_gives_the_full_time_again():
    """Five timeouts later there is no kill; a timeout after waking there is."""
    history = running()
    assert history.do(Tick(), 600.0) == ()
    assert isinstance(history.phase, Running)
    assert [fact.for_s for fact in history.heard(facts.OwnPause)] == [570.0]
    assert history.wait_until(719.9) == ()
    history.tick(720.0)
    assert history.stopping.ending.cause is Cause.HANG


def test_freeze_in_the_grace_gives_the_full_grace_again():
    """A suspend right after the start is no reason to kill a child that had no time to beat."""
    history = History(JUDGED).start(0.0)
    assert history.do(Tick(), 5000.0) == ()
    assert isinstance(history.phase, Starting)
    assert history.wait_until(5119.9) == ()
    history.tick(5120.0)
    assert history.stopping.ending.cause is Cause.NEVER_BEAT


def test_beat_after_a_freeze_counts_as_usual():
    """A beat within the time given again is the end of the matter."""
    history = running()
    history.do(Tick(), 600.0)
    history.wait_until(650.0)
    history.beat(650.0)
    history.wait_until(769.9)
    assert isinstance(history.phase, Running)
    assert len(history.heard(facts.OwnPause)) == 1


@pytest.mark.parametrize(("woke", "said"), [(30.0, 0), (45.0, 0), (45.1, 1)])
def test_pause_is_said_only_when_it_was_one(woke, said):
    """A machine that is merely busy is not called frozen: half a slice late is the limit."""
    history = running()
    history.do(Tick(), woke)
    assert len(history.heard(facts.OwnPause)) == said


@pytest.mark.parametrize("late", [0.001, 5.0, 15.0])
def test_small_lateness_moves_the_limit_by_just_as_much(late):
    """Time in which we were certainly not awake is not the child's."""
    history = running()
    history.do(Tick(), 30.0 + late)
    assert history.wait_until(119.99 + late) == ()
    history.tick(120.0 + late)
    assert history.stopping.ending.cause is Cause.HANG


def test_many_small_stalls_do_not_add_up_to_a_kill():
    """On a thrashing machine each stall is below what is called a pause, and still none counts as silence."""
    history = running(Policy(judge_silence=True, heartbeat_timeout_s=8.0))
    for at in (3.0, 6.0, 9.0):  # a slice is 2 s, so each is 1 s late; the timeout alone would be over at 8
        assert history.do(Tick(), at) == ()
    assert not history.heard(facts.OwnPause)
    history.beat(10.0)
    assert isinstance(history.phase, Running)


def test_stall_of_a_second_does_not_kill_a_program_with_a_short_timeout():
    """With a timeout of 1 s and a beat each half second, a stall of three quarters is survived."""
    history = running(Policy(judge_silence=True, heartbeat_timeout_s=1.0))
    history.do(Tick(), 0.25)
    assert history.do(Tick(), 1.0) == ()  # frozen right after the tick, together with the program
    history.beat(1.25)
    assert isinstance(history.phase, Running)


def test_lateness_does_not_hide_a_hang_for_ever():
    """On a machine that is always a little late a hang is found, as many slices later as there are."""
    history = running()
    while isinstance(history.phase, Running) and history.now < 1000.0:
        history.do(Tick(), history.deadline + 1.0)
    assert history.stopping.ending.cause is Cause.HANG
    assert 120.0 < history.now < 126.0


def test_events_prove_that_we_are_awake():
    """Whatever wakes us, a deadline after it is judged as usual."""
    history = running()
    for at in (20.0, 40.0, 60.0, 80.0, 100.0):
        history.do(Tick(), at)
    history.tick(120.0)
    assert history.stopping.ending.cause is Cause.HANG


def test_unjudged_program_costs_no_wake_ups_and_no_words():
    """Where silence leads to nothing, neither does our own pause."""
    history = History(Policy(start_grace_s=30.0)).start(0.0)
    history.wait_until(40.0)
    assert history.deadline is None
    history.do(Tick(), 100_000.0)
    assert not history.heard(facts.OwnPause)


def test_first_beat_after_long_sleep_of_an_unjudged_program_is_no_pause():
    """We may sleep for days when nothing is judged; the beat that wakes us starts the judging."""
    history = History(Policy(start_grace_s=30.0)).start(0.0)
    history.wait_until(40.0)
    history.beat(100_000.0)
    assert not history.heard(facts.OwnPause)
    assert history.deadline == 100_030.0


def test_sigcont_gives_the_full_time_again():
    """Somebody who stopped us and lets us go on says so by a signal."""
    history = running()
    history.wait_until(110.0)
    history.do(Continued(), 110.0)
    assert [fact.for_s for fact in history.heard(facts.OwnPause)] == [None]
    assert history.wait_until(229.9) == ()
    history.tick(230.0)
    assert history.stopping.ending.cause is Cause.HANG


@pytest.mark.parametrize("between", [0.0, 0.01])
def test_one_pause_is_said_once(between):
    """The late deadline and SIGCONT tell of the same pause."""
    history = running()
    history.do(Tick(), 600.0)
    history.do(Continued(), 600.0 + between)
    assert len(history.heard(facts.OwnPause)) == 1


def test_sigcont_first_says_it_once_too():
    """The other order is said once as well, with the length."""
    history = running()
    history.do(Continued(), 600.0)
    history.do(Tick(), 600.01)
    assert [fact.for_s for fact in history.heard(facts.OwnPause)] == [570.0]


def test_pause_by_a_person_is_not_our_own():
    """Hours in pause are not taken for a freeze."""
    history = running()
    history.do(PauseAsked(None), 10.0)
    history.do(Continued(), 5000.0)
    history.do(ResumeAsked(), 9000.0)
    history.do(Tick(), 9010.0)
    assert not history.heard(facts.OwnPause)


def test_polling_keeps_looking_and_judges_nobody():
    """Without file notices somebody looks each slice, also at a program that never beat, and never spins."""
    history = History(Policy(start_grace_s=40.0)).start(0.0)
    history.sup = replace(history.sup, polling=True)
    assert history.wait_until(200.0) == ()
    assert history.deadline is not None
    assert 200.0 < history.deadline <= 210.0
    assert isinstance(history.phase, Running)
