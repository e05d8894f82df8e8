"""Events that make no sense in a phase change nothing: reports come twice, late, or for another run."""

from dataclasses import replace

import pytest

from model.history import CRASH, PHASES, History, run
from watchdog_cli.core.events import (
    Adopted,
    Beat,
    Begin,
    ChildExited,
    ChildSpawned,
    Continued,
    DumpDone,
    HangDeclared,
    MemoryMeasured,
    PauseAsked,
    RestartAsked,
    ResumeAsked,
    SpawnFailed,
    StopAsked,
    Tick,
    TreeEmpty,
)
from watchdog_cli.core.events import By as Who
from watchdog_cli.core.phases import Running, Starting
from watchdog_cli.core.policy import Source

UP = {"starting", "running", "paused while it runs"}
ENDING = {"dumping", "leader asked", "all asked", "killing", "ending for good"}
STRANGER = run(77)
# There something else must happen first: an answer that is sure to come, or a person.
WITHOUT_DEADLINE = {
    "standing by",
    "before the first event",
    "spawning",
    "paused while it runs",
    "paused",
    "stopped",
}


def awake_only(sup):
    """The state without the note that we were awake just now."""
    if isinstance(sup.phase, Starting | Running):
        return replace(sup, phase=replace(sup.phase, life=replace(sup.phase.life, awake_at=0.0)))
    return sup


def assert_nothing_follows(history: History, event) -> None:
    """Hand the event in and find state, actions and words as they were."""
    before, said = awake_only(history.sup), len(history.said)
    assert history.do(event) == ()
    assert awake_only(history.sup) == before
    assert len(history.said) == said


# The phases in which each kind of event has a meaning; in all others it has none.
MEANING = {
    "begin": (Begin(), {"before the first event"}),
    "adopted": (Adopted(STRANGER), {"before the first event"}),
    "spawned": (ChildSpawned(STRANGER), {"spawning"}),
    "spawn failed": (SpawnFailed("?", transient=True), {"spawning"}),
    "beat": (Beat(Source.FILE), UP),
    "hang declared": (HangDeclared(), UP - {"paused while it runs"}),
    "memory": (MemoryMeasured(10**15), set()),  # no limit is set
    "dump done": (DumpDone(), {"dumping"}),
    "continued": (Continued(), UP - {"paused while it runs"}),
    "early tick": (Tick(), set()),
    "exit of a stranger": (ChildExited(STRANGER.id, CRASH), set()),
    "empty tree of a stranger": (TreeEmpty(STRANGER.id), set()),
    "beat of a stranger": (Beat(Source.FILE, None, STRANGER.id), set()),
    "hang of a stranger": (HangDeclared(STRANGER.id), set()),
    "dump of a stranger": (DumpDone(STRANGER.id), set()),
    "beat of an unnamed source": (Beat(Source.NOTIFY), set()),
    "resume": (ResumeAsked(), {"paused", "paused while it runs"}),
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", MEANING)
def test_event_without_meaning_changes_nothing(phase, kind):
    """In a phase in which an event cannot mean anything, state and actions stay as they were."""
    event, meant = MEANING[kind]
    if phase in meant:
        history = PHASES[phase]()
        before, said = awake_only(history.sup), len(history.said)
        asked = history.do(event, history.now + 3.0)
        assert asked or len(history.said) > said or awake_only(history.sup) != before
        return
    assert_nothing_follows(PHASES[phase](), event)


@pytest.mark.parametrize("phase", sorted(ENDING - {"all asked", "killing"}))
def test_exit_that_is_told_twice_is_one(phase):
    """The second report of the same end changes nothing."""
    history = PHASES[phase]()
    event = ChildExited(history.run.id, CRASH, left_behind=1)
    history.do(event)
    assert_nothing_follows(history, event)


@pytest.mark.parametrize("phase", ["backoff", "paused", "given up"])
def test_late_reports_of_the_run_that_ended_change_nothing(phase):
    """What is still told of a run that is over leads to nothing."""
    history = PHASES[phase]()
    for event in (ChildExited(run(1).id, CRASH), TreeEmpty(run(1).id), Beat(Source.FILE, None, run(1).id)):
        assert_nothing_follows(history, event)


@pytest.mark.parametrize(
    "event",
    [
        Begin(),
        Adopted(STRANGER),
        ChildSpawned(STRANGER),
        SpawnFailed("?", transient=False),
        ChildExited(run(1).id, CRASH),
        TreeEmpty(run(1).id),
        Beat(Source.FILE),
        HangDeclared(),
        MemoryMeasured(1),
        DumpDone(),
        Continued(),
        Tick(),
        StopAsked(Who.SIGNAL),
        StopAsked(Who.COMMAND, now=True),
        RestartAsked(),
        PauseAsked(1.0),
        ResumeAsked(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_after_the_end_nothing_means_anything(event):
    """The state of a supervisor that has ended is final."""
    history = PHASES["stopped"]()
    before = history.sup
    assert history.do(event, 1e9) == ()
    assert history.sup is before
    assert history.deadline is None


@pytest.mark.parametrize("phase", PHASES)
def test_tick_at_the_deadline_gets_somewhere(phase):
    """In no phase does the deadline stay in the past: a few ticks at one instant, and it lies ahead."""
    history = PHASES[phase]()
    due = history.deadline
    assert (due is None) is (phase in WITHOUT_DEADLINE)
    if due is None:
        return
    history.now = max(due, history.now)
    for _ in range(4):
        history.tick(history.now)
        due = history.deadline
        if due is None or due > history.now:
            return
    raise AssertionError(f"the deadline {due} stays behind {history.now}")
