"""Facts: one line for people, plain values for machines."""

import json
from dataclasses import fields

import pytest

from watchdog_cli.core import facts
from watchdog_cli.core.facts import Fact, Level
from watchdog_cli.core.record import Cause, Ending, ExitStatus, Run

RUN = Run("00ff" * 8, 3, 4711)
CRASH = Ending(Cause.SIGNAL, ExitStatus(signal=11))
NASTY = "cannot run 'a\nb\x1b[2J': ملف غير موجود \udcff"
NASTY_ENDING = Ending(Cause.SPAWN, ExitStatus(), detail=NASTY)

EXAMPLES = [
    facts.Spawned(RUN),
    facts.TakenOver(RUN),
    facts.TakenOver(RUN, leader_gone=True),
    facts.FirstSign(RUN, 1.25),
    facts.Recovered(RUN),
    facts.Unheard(120.0),
    facts.HangFound(RUN, Ending(Cause.HANG), 120.0),
    facts.HangFound(RUN, Ending(Cause.HANG, detail=NASTY), 0.0),
    facts.MemoryExceeded(RUN, 600_000_000, 500_000_000),
    facts.StopBegun(RUN, CRASH.text, 10.0),
    facts.StopBegun(RUN, NASTY_ENDING.text, 0.0),
    facts.KillBegun(RUN, 10.0),
    facts.KillBegun(RUN, None),
    facts.LeftBehind(RUN, 1),
    facts.LeftBehind(RUN, 2),
    facts.Ended(RUN, CRASH, 3600.0),
    facts.Ended(RUN, Ending(Cause.ASKED_STOP, ExitStatus(code=0), forced=True), 0.0),
    facts.SpawnFault(NASTY, 4),
    facts.Restarting(5.0, 2, 10, 300.0),
    facts.Restarting(0.0, 2, None, 300.0),
    facts.GaveUp(CRASH.text, 10, 300.0, None),
    facts.GaveUp(NASTY_ENDING.text, 10, 300.0, 900.0),
    facts.Finished("stopped as asked", 0),
    facts.PauseBegun(None),
    facts.PauseBegun(600.0),
    facts.PauseEnded(by_itself=True),
    facts.PauseEnded(by_itself=False),
    facts.OwnPause(None),
    facts.OwnPause(3600.0),
    facts.Notice("log", NASTY),
]


def all_kinds() -> set[type[Fact]]:
    """Every kind of fact that the core can tell."""
    found = {kind for kind in vars(facts).values() if isinstance(kind, type) and issubclass(kind, Fact)}
    return found - {Fact}


def label(fact: Fact) -> str:
    """A short name for one example."""
    return f"{fact.kind}-{EXAMPLES.index(fact)}"


def test_every_kind_has_an_example_here():
    """A new fact cannot be added without being looked at by the tests below."""
    assert {type(example) for example in EXAMPLES} == all_kinds()


@pytest.mark.parametrize("fact", EXAMPLES, ids=label)
def test_text_is_one_plain_line_for_people(fact):
    """One line, nothing left to fill in, no raw value of ours, nothing that steers a terminal."""
    text = fact.text
    assert text
    assert text == text.strip()
    assert len(text.splitlines()) == 1
    assert not any(c < " " or c == "\x7f" for c in text)
    for placeholder in ("{", "}", "None", "True", "False", "%s", "Cause.", "ExitStatus", "<", "0x"):
        assert placeholder not in text, f"{placeholder!r} in {text!r}"


@pytest.mark.parametrize("fact", EXAMPLES, ids=label)
def test_mapping_is_what_json_can_say(fact):
    """The values for machines survive JSON unchanged, and no field is lost."""
    mapping = fact.mapping()
    assert json.loads(json.dumps(mapping, allow_nan=False)) == mapping
    spread = {"run": {"run", "number", "pid"}, "ending": {"cause", "exit_code", "signal", "forced", "detail"}}
    expected: set[str] = set()
    for field in fields(fact):
        expected |= spread.get(field.name, {field.name})
    assert set(mapping) == expected


def test_kinds_are_unique_stable_words():
    """Machines find a fact by its kind: each has its own, in lower case, without spaces."""
    kinds = [fact.kind for fact in all_kinds()]
    assert len(set(kinds)) == len(kinds)
    assert "fact" not in kinds
    for kind in kinds:
        assert kind.replace("-", "").isalpha()
        assert kind.islower()


def test_names_in_the_journal_do_not_change_by_accident():
    """Readers of old journals depend on these words."""
    assert {kind.kind for kind in all_kinds()} == {
        "spawned", "adopted", "healthy", "recovered", "no-heartbeat", "hang", "memory", "stopping", "killing",
        "left-behind", "ended", "spawn-failed", "restarting", "gave-up", "finished", "paused", "resumed", "own-pause",
        "notice",
    }  # fmt: skip


def test_giving_up_is_the_loudest():
    """Nothing is as loud as giving up, and all that a night's sleep may lose is louder than talk."""
    alarms = {fact.kind for fact in all_kinds() if fact.level is Level.ALARM}
    assert alarms == {"gave-up"}
    for loud in (facts.HangFound, facts.MemoryExceeded, facts.Unheard, facts.SpawnFault, facts.KillBegun):
        assert loud.level is Level.WARNING


def test_run_and_ending_are_spread_for_machines():
    """A journal line of an end carries run, pid, cause and signal side by side."""
    mapping = facts.Ended(RUN, CRASH, 12.5).mapping()
    assert mapping == {
        "run": RUN.id,
        "number": 3,
        "pid": 4711,
        "cause": "signal",
        "exit_code": None,
        "signal": 11,
        "forced": False,
        "detail": "",
        "lived_s": 12.5,
    }


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (facts.Ended(RUN, CRASH, 3661.0), ("SIGSEGV", "1h 1m")),
        (facts.Restarting(5.0, 2, 10, 300.0), ("in 5s", "2 of at most 10", "5m")),
        (facts.Restarting(0.0, 2, None, 300.0), ("starting again now",)),
        (
            facts.GaveUp("exit code 1", 10, 300.0, None),
            ("GAVE UP", "10 restarts", "5m", "exit code 1", "not starting"),
        ),
        (facts.GaveUp("exit code 1", 10, 300.0, 900.0), ("trying again in 15m",)),
        (facts.LeftBehind(RUN, 1), ("1 process behind",)),
        (facts.LeftBehind(RUN, 2), ("2 processes behind",)),
        (facts.MemoryExceeded(RUN, 600_000_000, 500_000_000), ("600MB", "500MB")),
        (facts.Unheard(120.0), ("2m", "--no-heartbeat", "--sd-notify", "--alive-on-output")),
        (facts.PauseBegun(None), ("watchdog resume",)),
        (facts.SpawnFault("ملف غير موجود", 1), ("ملف غير موجود",)),
    ],
)
def test_texts_say_what_a_person_needs(fact, words):
    """Names of signals, durations and sizes as people write them, and what to do next."""
    for word in words:
        assert word in fact.text
