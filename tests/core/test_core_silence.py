"""Silence: who is judged for it, when, and what is said."""

import pytest

from model.history import CRASH, History, run
from watchdog_cli.core import facts
from watchdog_cli.core.actions import Dump, Spawn, Terminate
from watchdog_cli.core.events import (
    Adopted,
    Beat,
    HangDeclared,
    PauseAsked,
    RestartAsked,
    ResumeAsked,
    Tick,
)
from watchdog_cli.core.phases import Running, Starting, Stopped, Stopping
from watchdog_cli.core.policy import AliveWhen, Policy, Restart, Source
from watchdog_cli.core.record import Cause

JUDGED = Policy(judge_silence=True, heartbeat_timeout_s=120.0, start_grace_s=30.0)
UNJUDGED = Policy(heartbeat_timeout_s=120.0, start_grace_s=30.0)
WATCHED_ONLY = Policy(no_heartbeat=True, heartbeat_timeout_s=120.0, start_grace_s=30.0)
BOTH = frozenset({Source.FILE, Source.OUTPUT})


def test_child_that_was_asked_to_beat_and_never_does_is_a_hang_at_the_end_of_its_grace():
    """Not before its grace is over, and not later."""
    history = History(JUDGED).start(0.0)
    assert history.wait_until(29.99) == ()
    assert history.tick(30.0) == (Dump(2.0),)
    assert history.stopping.ending.cause is Cause.NEVER_BEAT
    assert [fact.silent_s for fact in history.heard(facts.HangFound)] == [30.0]


def test_child_that_beat_and_fell_silent_is_a_hang_at_the_timeout():
    """The timeout counts from when we saw the last sign."""
    history = History(JUDGED).start(0.0)
    history.beat(10.0)
    history.beat(70.0)
    assert history.wait_until(189.99) == ()
    history.tick(190.0)
    assert history.stopping.ending.cause is Cause.HANG
    assert history.heard(facts.HangFound)[0].silent_s == 120.0


def test_one_hang_is_said_once():
    """However often the deadline is met afterwards, one run has one hang."""
    history = History(JUDGED).start(0.0)
    history.wait_until(60.0)
    assert len(history.heard(facts.HangFound)) == 1


def test_beat_at_the_last_moment_saves_it():
    """The last look before acting finds a beat: no hang."""
    history = History(JUDGED).start(0.0)
    history.beat(30.0)
    assert history.do(Tick(), 30.0) == ()
    assert isinstance(history.phase, Running)


def test_child_that_was_never_asked_is_not_killed_for_silence():
    """Without any sign of a heartbeat the end of the grace is no hang; that is said, once."""
    history = History(UNJUDGED).start(0.0)
    assert history.wait_until(10_000.0) == ()
    assert isinstance(history.phase, Running)
    assert [fact.grace_s for fact in history.heard(facts.Unheard)] == [30.0]
    assert history.deadline is None


def test_missing_heartbeat_is_said_once_not_once_for_each_run():
    """A program without heartbeat that crashes now and then is not nagged about each time."""
    history = History(UNJUDGED).start(0.0)
    for _ in range(3):
        history.wait_until(history.now + 100.0)
        history.exits(CRASH)
        history.tick()
        history.spawned()
    history.wait_until(history.now + 100.0)
    assert len(history.heard(facts.Unheard)) == 1
    assert len(history.heard(facts.Recovered)) == 3


def test_one_beat_makes_silence_a_hang_for_good():
    """Once any beat was seen under this name, this run and all later ones are judged."""
    history = History(UNJUDGED).start(0.0)
    history.wait_until(500.0)
    history.beat(500.0)
    assert history.wait_until(619.9) == ()
    history.tick(620.0)
    assert history.stopping.ending.cause is Cause.HANG
    history.exits(CRASH, 621.0)
    history.tick()
    history.spawned()
    history.wait_until(history.now + 30.0)
    assert history.stopping.ending.cause is Cause.NEVER_BEAT


@pytest.mark.parametrize(("source", "known"), [(Source.FILE, True), (Source.OUTPUT, False)])
def test_supervisor_tells_its_successor_of_a_beat_but_not_of_another_sign(source, known):
    """Who beat once is judged for good; who was watched by its output is not, when nobody asks for that any more."""
    history = History(Policy(judge_silence=True, sources=BOTH)).start(0.0)
    history.beat(10.0, source)
    assert history.sup.ever_beat is known


def test_first_beat_after_the_grace_is_told():
    """Who was told that a freeze would go unnoticed is told when that has changed."""
    history = History(UNJUDGED).start(0.0)
    history.wait_until(500.0)
    history.beat(500.0)
    assert [fact.after_s for fact in history.heard(facts.FirstSign)] == [500.0]
    history.beat(501.0)
    assert len(history.heard(facts.FirstSign)) == 1


@pytest.mark.parametrize("how", ["carried over", "file at the start", "adopted with a file"])
def test_other_reasons_to_judge_silence(how):
    """A beat under an earlier supervisor, or a file that lies there at the start, makes silence a hang."""
    history = History(UNJUDGED, ever_beat=how == "carried over")
    if how == "adopted with a file":
        history.do(Adopted(run(1), silence_judged=True))
    else:
        history.start(0.0, judged=how == "file at the start")
    history.wait_until(30.0)
    assert history.stopping.ending.cause is Cause.NEVER_BEAT


def test_no_heartbeat_means_that_silence_is_never_judged_nor_mentioned():
    """With no-heartbeat neither a file, nor a beat, nor silence leads to anything."""
    history = History(WATCHED_ONLY, ever_beat=True).start(0.0, judged=True)
    assert history.deadline == 30.0
    assert history.wait_until(10_000.0) == ()
    assert isinstance(history.phase, Running)
    assert not history.heard(facts.Unheard)
    history.beat(10_000.0)
    assert history.wait_until(20_000.0) == ()
    assert history.do(HangDeclared(history.run.id)) == ()


def test_no_heartbeat_with_several_sources_does_not_spin():
    """A sign in the grace of a program that is not judged leaves no deadline in the past."""
    policy = Policy(
        no_heartbeat=True,
        heartbeat_timeout_s=5.0,
        start_grace_s=100.0,
        sources=BOTH,
        alive_when=AliveWhen.ALL,
    )
    history = History(policy).start(0.0)
    history.beat(1.0)
    assert history.deadline == 100.0
    history.tick()
    assert isinstance(history.phase, Running)


def test_unjudged_program_with_a_progress_rule_does_not_spin():
    """A progress timeout that is shorter than the grace leaves no deadline in the past."""
    policy = Policy(start_grace_s=120.0, progress_key="x", progress_timeout_s=10.0)
    history = History(policy).start(0.0)
    assert history.wait_until(500.0) == ()
    assert isinstance(history.phase, Running)


def test_progress_that_stands_still_is_a_hang_of_its_own():
    """A child that beats without progress is replaced at the progress timeout, and the cause says so."""
    policy = Policy(
        judge_silence=True, heartbeat_timeout_s=120.0, progress_key="lastCycle", progress_timeout_s=600.0
    )
    history = History(policy).start(0.0)
    for at in range(10, 600, 60):
        history.wait_until(at)
        history.beat(at, progress="7")
    assert isinstance(history.phase, Running)
    history.wait_until(609.9)
    assert isinstance(history.phase, Running)
    history.tick()
    assert history.now == 610.0
    assert history.stopping.ending.cause is Cause.NO_PROGRESS
    assert history.heard(facts.HangFound)[0].silent_s == 600.0


def test_progress_that_moves_is_no_hang():
    """A value that changes within its limit keeps the child."""
    policy = Policy(
        judge_silence=True, heartbeat_timeout_s=120.0, progress_key="lastCycle", progress_timeout_s=100.0
    )
    history = History(policy).start(0.0)
    for turn in range(50):
        at = 10.0 + 60.0 * turn
        history.wait_until(at)
        history.beat(at, progress=str(turn))
    assert isinstance(history.phase, Running)


def test_slow_start_is_not_called_a_standstill():
    """A start that takes longer than the progress timeout is judged by its grace alone."""
    policy = Policy(judge_silence=True, start_grace_s=1800.0, progress_key="x", progress_timeout_s=600.0)
    history = History(policy).start(0.0)
    assert history.wait_until(1500.0) == ()
    history.beat(1500.0)
    assert history.wait_until(1501.0) == ()
    assert isinstance(history.phase, Running)


def test_all_sources_each_get_their_time_when_judging_begins():
    """With ``all``, the first sign after a silent grace starts the clock of the other sources; it is no hang."""
    policy = Policy(heartbeat_timeout_s=120.0, start_grace_s=30.0, sources=BOTH, alive_when=AliveWhen.ALL)
    history = History(policy).start(0.0)
    history.wait_until(500.0)
    history.beat(500.0, Source.FILE)
    assert history.wait_until(529.9) == ()
    history.beat(529.9, Source.OUTPUT)
    assert history.heard(facts.FirstSign)
    assert history.wait_until(600.0) == ()


def test_all_sources_one_falls_silent():
    """With ``all``, output alone does not hide that the heartbeat file is stale."""
    policy = Policy(judge_silence=True, heartbeat_timeout_s=120.0, sources=BOTH, alive_when=AliveWhen.ALL)
    history = History(policy).start(0.0)
    history.beat(1.0, Source.FILE)
    assert isinstance(history.phase, Starting)
    history.beat(2.0, Source.OUTPUT)
    assert isinstance(history.phase, Running)
    history.wait_until(60.0)
    history.beat(60.0, Source.OUTPUT)
    history.wait_until(121.0)
    assert history.stopping.ending.cause is Cause.HANG


def test_sign_of_a_source_that_nobody_named_is_no_sign():
    """Output of a program whose heartbeat is its file says nothing."""
    history = History(JUDGED).start(0.0)
    assert history.beat(5.0, Source.OUTPUT) == ()
    assert isinstance(history.phase, Starting)
    history.wait_until(30.0)
    assert history.stopping.ending.cause is Cause.NEVER_BEAT


def test_beat_of_an_earlier_run_is_no_beat():
    """What waited in a queue while the run was replaced does not count for the new one."""
    history = History(JUDGED).start(0.0)
    old = history.run.id
    history.exits(CRASH, 1.0)
    history.tick()
    history.spawned()
    history.do(Beat(Source.FILE, None, old))
    assert isinstance(history.phase, Starting)
    history.wait_until(history.now + 30.0)
    assert history.stopping.ending.cause is Cause.NEVER_BEAT


def test_beat_without_a_run_id_counts_for_the_present_run():
    """A sender that looked in this very moment need not know the run."""
    history = History(JUDGED).start(0.0)
    history.do(Beat(Source.FILE), 1.0)
    assert isinstance(history.phase, Running)


def test_child_may_say_itself_that_it_is_stuck():
    """A declared hang is acted on at once, with or without any heartbeat."""
    history = History(UNJUDGED).start(0.0)
    assert history.do(HangDeclared(history.run.id), 3.0) == (Dump(2.0),)
    assert history.stopping.ending.cause is Cause.HANG
    assert "it said so itself" in history.stopping.ending.text


def test_declared_hang_of_an_earlier_run_kills_nobody():
    """The last word of a run that is gone does not end its successor."""
    history = History(UNJUDGED).start(0.0)
    old = history.run.id
    history.exits(CRASH, 1.0)
    history.tick()
    history.spawned()
    assert history.do(HangDeclared(old)) == ()
    assert isinstance(history.phase, Starting)


def test_hang_is_restarted_even_if_it_then_ends_cleanly():
    """Under on-failure a frozen child that exits 0 when asked was still a failure."""
    policy = Policy(judge_silence=True, start_grace_s=30.0, dump_timeout_s=0.0, restart=Restart.ON_FAILURE)
    history = History(policy).start(0.0)
    assert history.wait_until(30.0) == (Terminate(),)
    history.exits(history.stopping.status or CRASH, 31.0)
    assert not isinstance(history.phase, Stopped)


def test_pause_stops_judging_and_resume_gives_the_full_time():
    """While a person works on it nothing is judged; afterwards all limits start again."""
    history = History(JUDGED).start(0.0)
    history.beat(10.0)
    history.wait_until(100.0)
    history.do(PauseAsked(None))
    assert history.deadline is None
    assert history.do(HangDeclared(history.run.id), 200.0) == ()
    assert history.do(Tick(), 1000.0) == ()
    history.do(ResumeAsked(), 1000.0)
    assert not history.heard(facts.OwnPause)
    assert history.wait_until(1119.9) == ()
    history.tick(1120.0)
    assert history.stopping.ending.cause is Cause.HANG


def test_recovery_is_said_once_per_incident():
    """The first sign after an unplanned end closes the incident; signs of later, asked runs close nothing."""
    history = History(JUDGED).start(0.0)
    history.beat(1.0)
    assert not history.heard(facts.Recovered)
    history.exits(CRASH, 2.0)
    history.tick()
    history.spawned()
    history.exits(CRASH, 8.0)
    history.tick()
    history.spawned()
    history.beat(14.0)
    history.beat(15.0)
    assert len(history.heard(facts.Recovered)) == 1
    history.do(RestartAsked(), 20.0)
    history.exits(CRASH, 21.0)
    history.spawned()
    history.beat(22.0)
    assert len(history.heard(facts.Recovered)) == 1


def test_recovery_of_a_program_without_heartbeat_is_said_once_too():
    """Living through the grace closes the incident; the next asked run closes nothing."""
    history = History(UNJUDGED).start(0.0)
    history.exits(CRASH, 1.0)
    history.tick()
    history.spawned()
    history.wait_until(100.0)
    assert len(history.heard(facts.Recovered)) == 1
    history.do(RestartAsked())
    history.exits(CRASH)
    history.spawned()
    history.wait_until(200.0)
    assert isinstance(history.phase, Running)
    assert len(history.heard(facts.Recovered)) == 1


def test_hang_that_a_person_shortens_is_still_an_incident_that_ends():
    """A restart that is asked for while a frozen run is being replaced does not leave its incident open."""
    history = History(JUDGED).start(0.0)
    history.wait_until(30.0)
    history.do(RestartAsked(), 30.5)
    assert history.exits(CRASH, 31.0) == (Spawn(2),)
    history.spawned()
    history.beat(32.0)
    assert len(history.heard(facts.Recovered)) == 1


def test_silence_while_ending_changes_nothing():
    """A child that is being stopped is not judged any more."""
    history = History(JUDGED).start(0.0)
    history.stop(29.0)
    assert history.do(Tick(), 31.0) == ()
    assert isinstance(history.phase, Stopping)
    assert not history.heard(facts.HangFound)
