"""What people are told of an incident: first, changes, end; paced, counted, and with the last word true."""

import itertools
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from story_desk import Desk
from watchdog_cli.core import facts, lease_facts
from watchdog_cli.core.alerting import AlertSettings
from watchdog_cli.core.record import Cause, Ending
from watchdog_cli.sinks.told_incident import Kind, Telling


def test_a_crash_is_told_with_what_follows_and_its_end_when_it_is_stable() -> None:
    """First message at once with the decision, the end one minute after the first good sign."""
    desk = Desk()
    desk.spawn()
    desk.ended(Cause.SIGNAL, None, 11)
    assert desk.told == []
    desk.restarting()
    [(at, first)] = desk.told
    assert (first.kind, first.what, first.fresh, first.run) == (Kind.FIRST, "killed by SIGSEGV", 1, 1)
    assert "starting again in 5s" in first.then
    assert at == desk.now
    desk.wait(5)
    desk.spawn()
    desk.tell(facts.Recovered(desk.run))
    desk.wait(59.9)
    assert desk.kinds() == [Kind.FIRST]
    desk.wait(0.2)
    assert desk.kinds() == [Kind.FIRST, Kind.OVER]
    assert not desk.story.is_open
    assert desk.story.deadline() is None


def test_ten_crash_and_recover_cycles_are_four_messages_at_most() -> None:
    """Case N02: ten cycles within five minutes, then health; the last message says how it is now."""
    desk = Desk()
    for _ in range(10):
        desk.spawn()
        desk.wait(25)
        desk.crash()
        desk.wait(5)
    desk.spawn()
    desk.wait(3600)
    assert len(desk.told) <= 4
    assert desk.kinds()[0] is Kind.FIRST
    assert desk.kinds()[-1] is Kind.OVER
    assert desk.told[-1][1].ends == 10


def test_a_loop_over_a_night_is_a_handful_of_messages() -> None:
    """Crashing each minute for ten hours: the gap doubles up to an hour, and no end goes uncounted."""
    desk = Desk()
    for _ in range(600):
        desk.spawn()
        desk.wait(55)
        desk.crash()
        desk.wait(5)
    assert 10 <= len(desk.told) <= 14
    gaps = [later - sooner for (sooner, _), (later, _) in itertools.pairwise(desk.told)]
    assert gaps[0] >= 300
    assert max(gaps) <= 3660
    assert sum(telling.fresh for _, telling in desk.told) <= 600
    assert desk.told[-1][1].ends >= 540


def test_alert_after_waits_for_the_third_end() -> None:
    """With alert-after 3 two ends are nobody's business, and their silent recovery neither."""
    desk = Desk(AlertSettings(telegram_token="x", after=3))
    for _ in range(2):
        desk.spawn()
        desk.crash()
    desk.spawn()
    desk.wait(300)
    assert desk.told == []
    assert not desk.story.is_open
    for _ in range(3):
        desk.crash()
        desk.spawn()
    assert desk.kinds() == [Kind.FIRST]
    assert desk.told[0][1].ends == 3


def test_giving_up_is_told_at_that_moment_whatever_the_gap() -> None:
    """Case N06: within the gap and below alert-after it is told at once, and only once with the end of the watchdog."""
    desk = Desk(AlertSettings(telegram_token="x", after=50))
    desk.spawn()
    desk.crash()
    desk.wait(1)
    desk.spawn()
    desk.ended()
    desk.gave_up()
    assert desk.kinds() == [Kind.GAVE_UP]
    desk.tell(facts.Finished("gave up", 12))
    desk.wait(10_000)
    assert desk.kinds() == [Kind.GAVE_UP]
    assert desk.story.is_open


def test_slow_tries_after_giving_up_are_paced() -> None:
    """Giving up again and again, each 15 minutes, is no new news; recovery is."""
    desk = Desk()
    desk.spawn()
    desk.ended()
    desk.gave_up(900.0)
    for _ in range(8):
        desk.wait(900)
        desk.spawn(beats=False)
        desk.ended()
        desk.gave_up(900.0)
    assert set(desk.kinds()) == {Kind.GAVE_UP}
    assert 3 <= len(desk.told) <= 6
    desk.wait(900)
    desk.spawn()
    desk.wait(61)
    assert desk.kinds()[-1] is Kind.OVER


def test_a_second_giving_up_after_a_restart_by_a_person_is_told_at_once() -> None:
    """People heard of restarts since the first one, so the second one is news."""
    desk = Desk()
    desk.spawn()
    desk.ended()
    desk.gave_up(900.0)
    desk.wait(400)
    desk.spawn()
    desk.crash()
    assert desk.kinds() == [Kind.GAVE_UP, Kind.CHANGE]
    desk.wait(5)
    desk.spawn()
    desk.ended()
    desk.gave_up(900.0)
    assert desk.kinds() == [Kind.GAVE_UP, Kind.CHANGE, Kind.GAVE_UP]


def test_a_watchdog_that_ends_for_good_is_told() -> None:
    """Exit code 78 ends all of it: told at once with that reason."""
    desk = Desk()
    desk.spawn()
    desk.ended(code=78)
    desk.tell(facts.Finished("the program says that its settings are wrong", 78))
    [(_, telling)] = desk.told
    assert (telling.kind, telling.what) == (Kind.DOWN, "exit code 78")
    assert "settings are wrong" in telling.then


_OF_LEASE = {
    "lost": lease_facts.LeaseGone("x"),
    "standby": lease_facts.StandbyBegun(),
    "elsewhere": lease_facts.LeaseElsewhere("beta"),
    "taken": lease_facts.LeaseGained("alpha"),
    "doubt": lease_facts.LeaseDoubtful(),
    "sure": lease_facts.LeaseRenewed(),
    "cut-off": lease_facts.LeaseCutOff("x"),
}
_STEP = st.one_of(
    st.sampled_from(
        ["crash", "spawn", "hang", "gave_up", "pause", "resume", "spawn-fault", "asked", *_OF_LEASE]
    ),
    st.floats(min_value=0.1, max_value=2000.0),
)


@given(st.lists(_STEP, max_size=60))
def test_whatever_happens_no_end_is_lost_and_messages_keep_their_distance(steps: list[str | float]) -> None:
    """Fresh ends add up to all ends, changes keep the gap, nobody hears of an end without a beginning."""
    desk = Desk()
    desk.spawn()
    for step in steps:
        match step:
            case float():
                desk.wait(step)
            case "crash":
                desk.crash()
            case "spawn":
                desk.spawn()
            case "hang":
                desk.tell(facts.HangFound(desk.run, Ending(Cause.HANG), 9.0))
                desk.crash(cause=Cause.HANG, code=None, number=9)
            case "gave_up":
                desk.ended()
                desk.gave_up(900.0)
            case "pause":
                desk.tell(facts.PauseBegun(None))
            case "resume":
                desk.tell(facts.PauseEnded(by_itself=False))
            case "spawn-fault":
                desk.tell(facts.SpawnFault("gone", 3))
                desk.restarting()
            case str() if step in _OF_LEASE:
                desk.tell(_OF_LEASE[step])
            case _:
                desk.ended(Cause.ASKED_RESTART, 0)
    desk.tell(facts.PauseEnded(by_itself=False), lease_facts.LeaseRenewed())
    desk.spawn()
    desk.wait(20_000)
    assert not desk.story.is_open
    by_story: dict[datetime, list[tuple[float, Telling]]] = {}
    for at, telling in desk.told:
        by_story.setdefault(telling.began_at, []).append((at, telling))
    for told in by_story.values():
        assert told[-1][1].kind is Kind.OVER
        assert [telling.number for _, telling in told] == list(range(1, len(told) + 1))
        assert sum(telling.fresh for _, telling in told) == told[-1][1].ends
        assert sum(told[-1][1].causes.values()) == told[-1][1].ends
        changes = [(at, telling) for at, telling in told if telling.kind is Kind.CHANGE]
        for (sooner, _), (later, _) in itertools.pairwise(changes):
            assert later - sooner >= 300
