"""What people are told of a lease: one machine tells each thing, and nobody tells of a hand-over that was planned."""

import pytest

from story_desk import Desk
from watchdog_cli.core import facts, lease_facts
from watchdog_cli.core.alerting import AlertSettings
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.record import Cause
from watchdog_cli.core.trouble import is_lease_trouble
from watchdog_cli.sinks.masking import make_mask
from watchdog_cli.sinks.story import ASKED_S
from watchdog_cli.sinks.told_incident import Kind, Telling
from watchdog_cli.sinks.wording import compose

ALPHA, BETA = "alpha (pid 8)", "beta (pid 9)"
PATIENT = AlertSettings(telegram_token="x", after=3)


def lose(desk: Desk, why: str = "it could not be renewed in time") -> None:
    """The program runs and has to end here."""
    desk.tell(lease_facts.LeaseGone(why))
    desk.wait(2)
    desk.ended(Cause.LEASE, 0)
    desk.tell(lease_facts.StandbyBegun())


def gain(desk: Desk, before: str = "") -> None:
    """The program runs here from now on."""
    desk.tell(lease_facts.LeaseGained(before))
    desk.spawn()


def holder(settings: AlertSettings | None = None) -> Desk:
    """One whose program has been well for long."""
    desk = Desk(settings)
    desk.tell(lease_facts.StandbyBegun())
    gain(desk)
    desk.wait(600)
    return desk


def standby(settings: AlertSettings | None = None) -> Desk:
    """One that has seen who holds it."""
    desk = Desk(settings)
    desk.tell(lease_facts.StandbyBegun(), lease_facts.LeaseElsewhere(ALPHA))
    desk.wait(600)
    return desk


def title(telling: Telling) -> str:
    """The first line that people read."""
    return compose(telling, "bot", [], make_mask([], {})).text.splitlines()[0]


def test_without_etcd_the_holder_tells_that_the_program_ended_and_that_it_is_back() -> None:
    """Loudly, whatever `alert-after` says, for no second one will follow; the end once the program is well."""
    desk = holder(PATIENT)
    lose(desk)
    assert desk.told == []
    desk.wait(ASKED_S)
    [(_, first)] = desk.told
    assert (first.kind, first.cause, first.ends) == (Kind.DOWN, "lease-lost", 1)
    assert title(first) == "🚨 bot: DOWN: lost the lease: it could not be renewed in time"
    assert first.then.startswith("standing by")
    desk.tell(lease_facts.LeaseCutOff("no answer"))
    desk.wait(3600)
    assert len(desk.told) == 1, "that it is still so is no news"
    gain(desk)
    desk.wait(61)
    assert desk.kinds() == [Kind.DOWN, Kind.OVER]
    assert title(desk.told[1][1]) == "🟢 bot: healthy again"


def test_a_lease_that_comes_back_at_once_is_one_end_like_any_other() -> None:
    """The program had to end, and runs here again before anybody was told that it does not."""
    desk = holder()
    lose(desk, "the key was removed")
    desk.wait(0.5)
    gain(desk)
    assert desk.kinds() == [Kind.FIRST]
    desk.wait(61)
    assert desk.kinds() == [Kind.FIRST, Kind.OVER]


def test_who_knows_of_a_holder_leaves_the_telling_to_it() -> None:
    """A frozen watchdog that goes on finds the lease with another machine, which has told of it."""
    desk = holder()
    lose(desk, "this machine or its watchdog was frozen for longer than it lasts")
    desk.wait(ASKED_S / 2)
    desk.tell(lease_facts.LeaseElsewhere(BETA))
    desk.wait(10)
    gain(desk)  # handed over as planned
    desk.wait(3600)
    assert desk.told == []
    assert not desk.story.is_open


def test_an_end_that_nobody_saw_is_told_by_who_took_over() -> None:
    """Watchdog and program were killed together; the next watchdog here finds that another machine has it."""
    desk = Desk()
    desk.tell(
        facts.Notice("gap", "ended unseen"), lease_facts.StandbyBegun(), lease_facts.LeaseElsewhere(BETA)
    )
    desk.wait(3600)
    assert desk.told == []
    desk.tell(facts.Notice("gap", "ended unseen"), lease_facts.StandbyBegun())
    desk.wait(ASKED_S)
    assert desk.kinds() == [Kind.FIRST], "nobody has it"


def test_the_end_of_the_incident_says_that_another_machine_has_it() -> None:
    """It was cut off, told that, and finds later that another machine has taken over."""
    desk = holder()
    lose(desk)
    desk.wait(900)
    desk.tell(lease_facts.LeaseElsewhere(BETA))
    desk.wait(59)
    assert desk.kinds() == [Kind.DOWN]
    desk.wait(2)
    assert desk.kinds() == [Kind.DOWN, Kind.OVER]
    assert title(desk.told[1][1]) == f"🟢 bot: {BETA} holds the lease"


def test_who_takes_over_from_a_machine_that_did_not_hand_over_tells_it() -> None:
    """At once with the start, whatever `alert-after` says; a crash there belongs to the same incident."""
    desk = standby(PATIENT)
    gain(desk, ALPHA)
    [(at, first)] = desk.told
    assert at == desk.now
    assert (first.kind, first.cause) == (Kind.FIRST, "lease-gained")
    assert title(first) == f"🔴 bot: took over from {ALPHA}, which had not handed over"
    desk.wait(10)
    desk.crash()
    desk.spawn()
    desk.wait(400)
    assert desk.kinds() == [Kind.FIRST, Kind.OVER]
    assert desk.told[1][1].causes == {
        f"took over from {ALPHA}, which had not handed over": 1,
        "exit code 1": 1,
    }


def test_a_planned_hand_over_is_told_by_nobody() -> None:
    """The one ends as asked, the other begins."""
    old, new = holder(), standby()
    old.ended(Cause.ASKED_STOP, 0)
    old.tell(facts.Finished("stopped as asked", 0))
    gain(new)
    for desk in (old, new):
        desk.wait(3600)
        assert desk.told == []


def test_a_program_that_is_kept_running_in_doubt_is_told_and_the_end_of_the_doubt() -> None:
    """Its good signs do not end it: as long as etcd does not answer, two may run."""
    desk = holder(PATIENT)
    desk.tell(lease_facts.LeaseDoubtful())
    desk.wait(2)
    [(_, first)] = desk.told
    assert (first.kind, first.cause) == (Kind.FIRST, "lease-doubtful")
    assert "may pass to another machine" in title(first)
    desk.wait(3600)
    desk.tell(lease_facts.LeaseRenewed())
    desk.wait(59)
    assert desk.kinds() == [Kind.FIRST]
    desk.wait(2)
    assert title(desk.told[1][1]) == "🟢 bot: the lease is renewed again; nobody else had it meanwhile"


def test_a_doubt_without_a_sign_of_life_in_sight_ends_all_the_same() -> None:
    """The program was well for so long that nobody told the story of it."""
    desk = Desk()
    desk.tell(lease_facts.LeaseDoubtful())
    desk.wait(600)
    desk.tell(lease_facts.LeaseRenewed())
    desk.wait(61)
    assert desk.kinds() == [Kind.FIRST, Kind.OVER]


def test_a_doubt_that_comes_back_before_its_end_was_told_is_a_change() -> None:
    """People still believe in the first one."""
    desk = holder()
    desk.tell(lease_facts.LeaseDoubtful())
    desk.wait(200)
    desk.tell(lease_facts.LeaseRenewed())
    desk.wait(30)
    desk.tell(lease_facts.LeaseDoubtful())
    desk.wait(400)
    assert desk.kinds() == [Kind.FIRST, Kind.CHANGE]


def test_a_doubt_that_ends_during_a_pause_holds_nothing_up() -> None:
    """The lease went to another machine while somebody worked on this one."""
    desk = holder()
    desk.tell(lease_facts.LeaseDoubtful())
    desk.wait(10)
    desk.tell(facts.PauseBegun(None))
    lose(desk, "somebody else holds it")
    desk.tell(facts.PauseEnded(by_itself=False), lease_facts.StandbyBegun(), lease_facts.LeaseElsewhere(BETA))
    desk.wait(61)
    assert desk.kinds() == [Kind.FIRST, Kind.OVER]


def test_a_crash_in_doubt_is_healed_by_health_and_not_by_etcd() -> None:
    """The doubt is over while the program lies still."""
    desk = holder()
    desk.tell(lease_facts.LeaseDoubtful())
    desk.wait(2)
    desk.crash()
    desk.tell(lease_facts.LeaseRenewed())
    desk.wait(120)
    assert desk.kinds() == [Kind.FIRST]
    desk.spawn()
    desk.wait(61)
    assert desk.kinds()[-1] is Kind.OVER


def test_that_two_may_have_run_is_told() -> None:
    """Kept running in doubt, it finds that another machine had taken over."""
    desk = holder()
    desk.tell(lease_facts.LeaseDoubtful())
    desk.wait(400)
    lose(desk, "somebody else holds it")
    desk.tell(lease_facts.LeaseElsewhere(BETA))
    desk.wait(61)
    assert desk.kinds() == [Kind.FIRST, Kind.OVER]
    assert "lost the lease: somebody else holds it" in desk.told[1][1].causes


def test_a_standby_that_is_cut_off_waits_until_it_is_no_passing_trouble() -> None:
    """The holder tells at once that etcd is gone; perhaps there is none any more, so this one speaks later."""
    desk = standby(PATIENT)
    desk.tell(lease_facts.LeaseCutOff("no answer"))
    desk.wait(200)
    desk.tell(lease_facts.LeaseElsewhere(ALPHA))
    desk.wait(3600)
    assert desk.told == []
    desk.tell(lease_facts.LeaseCutOff("no answer"))
    desk.wait(301)
    [(_, first)] = desk.told
    assert (first.kind, first.cause) == (Kind.FIRST, "lease-cut-off")
    assert "perhaps the program runs nowhere" in title(first)
    desk.tell(lease_facts.LeaseElsewhere(ALPHA))
    desk.wait(61)
    assert title(desk.told[1][1]) == f"🟢 bot: {ALPHA} holds the lease"


def test_flapping_is_paced() -> None:
    """Etcd that goes and comes all night is a handful of messages, and the last one is true."""
    desk = holder()
    for _ in range(200):
        lose(desk)
        desk.wait(20)
        gain(desk)
        desk.wait(30)
    desk.wait(100)
    assert desk.kinds()[-1] is Kind.OVER
    assert len(desk.told) <= 14
    assert desk.told[-1][1].ends == 200


def test_nothing_is_told_during_a_pause() -> None:
    """Somebody works on it."""
    desk = holder()
    desk.tell(facts.PauseBegun(None))
    lose(desk)
    gain(desk, ALPHA)
    desk.tell(lease_facts.LeaseDoubtful(), lease_facts.LeaseCutOff("no answer"))
    desk.tell(facts.PauseEnded(by_itself=False))
    desk.wait(3600)
    assert desk.told == []


def test_a_watchdog_that_ends_in_the_middle_tells_what_it_knows() -> None:
    """It lost the lease and ends with a code, before it could know who has it."""
    desk = holder()
    desk.tell(lease_facts.LeaseGone("the key was removed"))
    desk.tell(facts.Finished("the settings are wrong", 78))
    assert desk.kinds() == [Kind.DOWN]


def test_no_folder_of_an_incident_is_named_where_there_is_none() -> None:
    """It was no fault of the program; when it was is said, for the message may come late."""
    desk = standby()
    gain(desk, ALPHA)
    text = compose(desk.told[0][1], "bot", ["an old line"], make_mask([], {})).text
    assert "watchdog incidents" not in text
    assert "2026-11-25 03:10:00 UTC." in text


@pytest.mark.parametrize(
    ("fact", "is_one"),
    [
        (lease_facts.LeaseGone("x"), True),
        (lease_facts.LeaseDoubtful(), True),
        (lease_facts.LeaseCutOff("x"), True),
        (lease_facts.LeaseGained(ALPHA), True),
        (lease_facts.LeaseGained(), False),
        (lease_facts.LeaseRenewed(), False),
        (lease_facts.LeaseElsewhere(BETA), False),
        (lease_facts.StandbyBegun(), False),
    ],
)
def test_what_begins_the_telling(fact: Fact, is_one: bool) -> None:
    """A machine that only stands by, or takes over as planned, need not load what tells."""
    assert is_lease_trouble(fact) == is_one
