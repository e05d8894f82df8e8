"""How facts become a history: what was up, what was down, and of what nobody can tell."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from watchdog_cli.core.history import HOLE_S, History, Note, Stretch, tell
from watchdog_cli.core.samples import life_tag
from watchdog_cli.core.timeline import Stamp
from watchdog_cli.core.uptime import Kind, total

UP, DOWN, PLANNED, STANDBY, UNKNOWN = Kind.UP, Kind.DOWN, Kind.PLANNED, Kind.STANDBY, Kind.UNKNOWN


@dataclass
class Journal:
    """A journal in the making; times are seconds of the timeline."""

    life: str = "boot.1.1"
    notes: list[Note] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    seq: int = 0

    def at(self, time: float, fact: str, **more: Any) -> "Journal":
        """Add a fact."""
        self.seq += 1
        self.notes.append(Note(self.seq, Stamp(time), fact, self.life, **more))
        self.times.append(time)
        return self

    def run(self, number: int, start: float) -> "Journal":
        """Add the start of a run."""
        return self.at(start, "spawned", number=number)

    def crash(self, number: int, time: float, code: int = 1) -> "Journal":
        """Add an end by itself, and the decision to start again in 5 s."""
        self.at(time, "ended", number=number, cause="exit", exit_code=code)
        return self.at(time, "restarting", seconds=5.0)

    def asked_end(self, number: int, time: float, took: float, cause: str) -> "Journal":
        """Add an end that somebody asked for."""
        self.at(time, "stopping", number=number)
        return self.at(time + took, "ended", number=number, cause=cause, exit_code=0)

    def lose(self) -> "Journal":
        """Lose facts: the next one does not follow the one before."""
        self.seq += 3
        return self

    def tell(self, now: float, *, lives: bool = True, stretches: tuple[Stretch, ...] = ()) -> History:
        """The history; ``lives``: the watchdog of the last fact still watches."""
        for before, note in zip([None, *self.notes], self.notes, strict=False):
            note.follows = before is not None and note.seq == before.seq + 1
        living = self.notes[-1].life if lives and self.notes else None
        return tell(self.notes, self.times, stretches, now=now, living=living)


def shown(history: History) -> list[tuple[float, float, Kind]]:
    """The spans in short."""
    return [(span.start, span.end, span.kind) for span in history.spans]


def sampled(journal: Journal, number: int, start: float, end: float) -> Stretch:
    """A run that was sampled all the time from ``start`` to ``end``."""
    return Stretch(life_tag(journal.life), number, start, end)


def test_nothing_noted_is_nothing_known() -> None:
    """Without a fact there is no span, no failure and no beginning."""
    history = Journal().tell(100.0)
    assert (history.spans, history.failures, history.begins) == ((), (), None)


def test_running_program_is_up_until_now() -> None:
    """A run that was started and whose watchdog lives is up since then."""
    assert shown(Journal().run(1, 10).tell(100)) == [(10, 100, UP)]


def test_crash_is_down_until_the_next_start() -> None:
    """The delay between an end and the next start is downtime, and the end is a failure with its code."""
    history = Journal().run(1, 0).crash(1, 50, code=3).run(2, 55).tell(100)
    assert shown(history) == [(0, 50, UP), (50, 55, DOWN), (55, 100, UP)]
    assert [(one.at, one.text) for one in history.failures] == [(50, "exit code 3")]
    assert history.starts == (0, 55)


def test_hang_was_down_since_the_last_sign() -> None:
    """A freeze that is found after two minutes counts from the last sign of life, not from when it was found."""
    journal = Journal().run(1, 0)
    journal.at(300, "hang", number=1, seconds=120.0).at(302, "stopping", number=1)
    journal.at(305, "ended", number=1, cause="hang", signal=15).run(2, 310)
    assert shown(journal.tell(400)) == [(0, 180, UP), (180, 310, DOWN), (310, 400, UP)]


def test_hang_from_the_start_does_not_reach_into_the_run_before() -> None:
    """A run that never beat was down since its own start; the run before it stays up."""
    journal = Journal().run(1, 0).crash(1, 100).run(2, 105)
    journal.at(225, "hang", number=2, seconds=500.0).at(226, "ended", number=2, cause="never-beat", signal=9)
    assert shown(journal.tell(230)) == [(0, 100, UP), (100, 230, DOWN)]


@pytest.mark.parametrize("cause", ["asked-stop", "asked-restart"])
def test_what_was_asked_for_is_planned_and_no_failure(cause: str) -> None:
    """From the request on the time is planned, also while the program takes its time to end."""
    journal = Journal().run(1, 0).asked_end(1, 50, 4, cause)
    history = journal.tell(60)
    assert shown(history) == [(0, 50, UP), (50, 60, PLANNED)]
    assert not history.failures
    assert len(history.asked_restarts) == (cause == "asked-restart")


def test_stop_by_hand_lasts_until_the_next_start() -> None:
    """After an orderly stop nothing is unknown, though no watchdog lives: it was stopped on purpose."""
    journal = Journal().run(1, 0).asked_end(1, 50, 1, "asked-stop").at(51, "finished", exit_code=0)
    journal.life = "boot.2.2"
    journal.run(2, 500)
    assert shown(journal.tell(600)) == [(0, 50, UP), (50, 500, PLANNED), (500, 600, UP)]


def test_gave_up_is_down_until_somebody_starts_it() -> None:
    """A watchdog that gave up left the program down, and it stays down after the watchdog has ended."""
    journal = Journal().run(1, 0).at(10, "ended", number=1, cause="exit", exit_code=1)
    journal.at(10, "gave-up", seconds=None).at(10, "finished", exit_code=12)
    history = journal.tell(1000, lives=False)
    assert shown(history) == [(0, 10, UP), (10, 1000, DOWN)]
    assert history.gave_up == (10,)


def test_killed_watchdog_leaves_the_unknown() -> None:
    """A journal that just stops says nothing of what came after its last sign, not even that it was down."""
    assert shown(Journal().run(1, 0).at(40, "notice").tell(500, lives=False)) == [
        (0, 40, UP),
        (40, 500, UNKNOWN),
    ]


def test_samples_bound_the_unknown() -> None:
    """The samples of a run say until when the watchdog was there, long after its last fact."""
    journal = Journal().run(1, 0)
    history = journal.tell(5000, lives=False, stretches=(sampled(journal, 1, 15, 4000),))
    assert shown(history) == [(0, 4000, UP), (4000, 5000, UNKNOWN)]


def test_adopted_program_was_unwatched_in_between() -> None:
    """A program that lived through the death of its watchdog is up again when the next one takes it over."""
    journal = Journal().run(1, 0)
    journal.life = "boot.2.2"
    journal.at(300, "adopted", number=1)
    first = Stretch(life_tag("boot.1.1"), 1, 15, 100)
    second = Stretch(life_tag("boot.2.2"), 1, 315, 395)
    history = journal.tell(400, stretches=(first, second))
    assert shown(history) == [(0, 100, UP), (100, 300, UNKNOWN), (300, 400, UP)]
    assert history.starts == (0,)


def test_program_that_was_gone_when_the_next_watchdog_came() -> None:
    """After a power cut the time is unknown until the new start, whatever the new watchdog says first."""
    journal = Journal().run(1, 0).at(50, "healthy", number=1)
    journal.life = "next.2.2"
    journal.at(900, "notice", detail="gap").run(2, 901)
    assert shown(journal.tell(1000)) == [(0, 50, UP), (50, 901, UNKNOWN), (901, 1000, UP)]


def test_hole_in_the_samples_is_unknown() -> None:
    """A machine that slept, or a frozen watchdog, shows as a hole in the samples of one life."""
    journal = Journal().run(1, 0)
    stretches = (sampled(journal, 1, 15, 100), sampled(journal, 1, 7300, 7400))
    assert shown(journal.tell(7410, stretches=stretches)) == [
        (0, 100, UP),
        (100, 7300, UNKNOWN),
        (7300, 7410, UP),
    ]


def test_late_sample_is_no_hole() -> None:
    """Up to the limit a busy machine may delay a sample; one second more is a hole."""
    journal = Journal().run(1, 0)
    near = (sampled(journal, 1, 15, 100), sampled(journal, 1, 100 + HOLE_S, 200))
    assert shown(journal.tell(210, stretches=near)) == [(0, 210, UP)]
    far = (sampled(journal, 1, 15, 100), sampled(journal, 1, 101 + HOLE_S, 200))
    assert [kind for _, _, kind in shown(journal.tell(210, stretches=far))] == [UP, UNKNOWN, UP]


def test_frozen_watchdog_that_still_holds_its_lock() -> None:
    """When the samples have stopped, the time since then is unknown although the watchdog has not ended."""
    journal = Journal().run(1, 0)
    history = journal.tell(1000, stretches=(sampled(journal, 1, 15, 300),))
    assert shown(history) == [(0, 300, UP), (300, 1000, UNKNOWN)]


def test_own_pause_is_unknown() -> None:
    """What the watchdog says it has slept through is unknown, also without samples."""
    journal = Journal().run(1, 0).at(500, "own-pause", seconds=200.0)
    assert shown(journal.tell(600)) == [(0, 300, UP), (300, 500, UNKNOWN), (500, 600, UP)]


def test_pause_by_a_person_is_planned() -> None:
    """While somebody works on it nothing counts, also not an end; after that it is up again."""
    journal = Journal().run(1, 0).at(50, "paused").at(60, "ended", number=1, cause="exit", exit_code=1)
    journal.at(90, "resumed").run(2, 90)
    history = journal.tell(100)
    assert shown(history) == [(0, 50, UP), (50, 90, PLANNED), (90, 100, UP)]
    assert not history.failures


def test_pause_that_ends_while_nothing_runs() -> None:
    """The moment between the end of a pause and the start that follows it is no outage."""
    journal = Journal().run(1, 0).crash(1, 50).at(52, "paused").at(80, "resumed").run(2, 81)
    kinds = shown(journal.tell(100))
    assert kinds == [(0, 50, UP), (50, 52, DOWN), (52, 81, PLANNED), (81, 100, UP)]


def test_pause_over_a_running_program() -> None:
    """A program that runs through a pause is up when the pause is over, without a new start."""
    journal = Journal().run(1, 0).at(50, "paused").at(80, "resumed")
    assert shown(journal.tell(100)) == [(0, 50, UP), (50, 80, PLANNED), (80, 100, UP)]


def test_watchdog_that_died_while_waiting_to_start() -> None:
    """Until the start was due it was down for certain; after that nobody can tell."""
    journal = Journal().run(1, 0).at(50, "ended", number=1, cause="exit", exit_code=1)
    journal.at(50, "restarting", seconds=30.0)
    assert shown(journal.tell(500, lives=False)) == [(0, 50, UP), (50, 80, DOWN), (80, 500, UNKNOWN)]


def test_finished_work_is_no_failure() -> None:
    """A program that ends with 0 where it is not started again had done its work."""
    journal = Journal().run(1, 0).at(50, "ended", number=1, cause="exit", exit_code=0)
    journal.at(50, "finished", exit_code=0)
    history = journal.tell(100, lives=False)
    assert shown(history) == [(0, 50, UP), (50, 100, PLANNED)]
    assert not history.failures


def test_stop_during_the_delay_keeps_the_failure() -> None:
    """An end with 0 that was to be followed by a start stays a failure when somebody stops it meanwhile."""
    journal = Journal().run(1, 0).crash(1, 50, code=0).at(52, "finished", exit_code=0)
    history = journal.tell(100, lives=False)
    assert shown(history) == [(0, 50, UP), (50, 52, DOWN), (52, 100, PLANNED)]
    assert [one.text for one in history.failures] == ["exit code 0"]


def test_stop_during_the_delay_when_the_decision_was_passed_over() -> None:
    """The reader may pass over the decision to start again: its missing number still parts end and stop."""
    journal = Journal().run(1, 0).crash(1, 50, code=0).at(52, "finished", exit_code=0)
    for list_ in (journal.notes, journal.times):
        del list_[2]
    history = tell(journal.notes, journal.times, (), now=100, living=None)
    assert [one.text for one in history.failures] == ["exit code 0"]


def test_slip_of_the_hand_changes_nothing() -> None:
    """A command that cannot be started at all leaves the history as it was before."""
    journal = Journal().run(1, 0).asked_end(1, 50, 0, "asked-stop").at(50, "finished", exit_code=0)
    journal.life = "boot.2.2"
    journal.at(70, "spawn-failed", number=2, detail="no such file").at(71, "finished", exit_code=13)
    history = journal.tell(100, lives=False)
    assert shown(history) == [(0, 50, UP), (50, 100, PLANNED)]
    assert not history.failures


def test_start_that_fails_later_is_a_failure() -> None:
    """Once the program has lived, each start that fails counts, and it is down meanwhile."""
    journal = Journal().run(1, 0).crash(1, 50).at(55, "spawn-failed", number=2, detail="gone")
    journal.at(55, "restarting", seconds=5.0).run(3, 60)
    history = journal.tell(100)
    assert shown(history) == [(0, 50, UP), (50, 60, DOWN), (60, 100, UP)]
    assert [one.cause for one in history.failures] == ["exit", "spawn"]


def test_lost_facts_are_unknown() -> None:
    """Between two facts of which some in between are missing, the time is unknown."""
    journal = Journal().run(1, 0).lose().run(4, 500)
    assert shown(journal.tell(600)) == [(0, 500, UNKNOWN), (500, 600, UP)]


def test_lost_facts_within_one_run_lose_nothing() -> None:
    """If the next fact speaks of the same run, it cannot have ended in between."""
    journal = Journal().run(1, 0).lose().at(500, "ended", number=1, cause="signal", signal=11)
    history = journal.tell(510)
    assert shown(history) == [(0, 500, UP), (500, 510, DOWN)]
    assert [one.text for one in history.failures] == ["killed by SIGSEGV"]


def test_upgrade_in_place_is_no_gap() -> None:
    """A fresh image of the same watchdog goes on without a hole, and the run goes on too."""
    journal = Journal().run(1, 0).at(100, "notice", detail="upgrade").at(101, "adopted", number=1)
    assert shown(journal.tell(200)) == [(0, 200, UP)]


def test_journal_of_an_old_version() -> None:
    """Notes without the name of a life: a take-over shows that the watchdog before was gone."""
    journal = Journal(life="").run(1, 0).at(30, "healthy", number=1).at(200, "adopted", number=1)
    assert shown(journal.tell(300)) == [(0, 30, UP), (30, 200, UNKNOWN), (200, 300, UP)]


def test_times_that_stand_still_or_run_backwards_break_nothing() -> None:
    """Two facts at one time, or one that seems to lie before another, never make a negative span."""
    journal = Journal().run(1, 100).crash(1, 90).run(2, 90).crash(2, 120).run(3, 110)
    history = journal.tell(130)
    assert all(span.length_s > 0 for span in history.spans)
    assert total(history.spans).known_s == 30


def test_left_behind_processes_keep_it_down() -> None:
    """When the leader is gone the program is down, though helpers of it still live."""
    journal = Journal().run(1, 0).at(50, "left-behind", number=1)
    journal.at(60, "ended", number=1, cause="exit", exit_code=1)
    assert shown(journal.tell(70)) == [(0, 50, UP), (50, 70, DOWN)]


def test_kill_without_asking_is_planned_too() -> None:
    """A stop that kills at once has no asking phase; the time until the end is planned all the same."""
    journal = Journal().run(1, 0).at(50, "killing", number=1)
    journal.at(53, "ended", number=1, cause="asked-stop", signal=9)
    assert shown(journal.tell(60)) == [(0, 50, UP), (50, 60, PLANNED)]


def test_cause_of_a_newer_version_is_shown_as_it_is() -> None:
    """A cause that this version does not know is a failure under its own name."""
    journal = Journal().run(1, 0).at(50, "ended", number=1, cause="eclipse")
    assert [one.text for one in journal.tell(60).failures] == ["eclipse"]


def test_standing_by_is_neither_up_nor_down() -> None:
    """From the start on until the lease is ours; while it was gone the end of the program is no failure."""
    journal = Journal().at(0, "standing-by").at(10, "lease-gained").run(1, 11)
    journal.at(50, "lease-lost").at(50, "stopping", number=1).at(
        52, "ended", number=1, cause="lease", signal=15
    )
    history = journal.at(52, "standing-by").tell(100)
    assert shown(history) == [(0, 11, STANDBY), (11, 50, UP), (50, 100, STANDBY)]
    assert (history.failures, total(history.spans).uptime) == ((), 1.0)


def test_a_start_that_fails_after_the_lease_was_gained_is_down() -> None:
    """It was this machine's turn, and it did not do its work; a crash in the moment of the loss stays a failure."""
    journal = Journal().at(0, "standing-by").at(10, "lease-gained").at(11, "spawn-failed", detail="gone")
    assert shown(journal.tell(20)) == [(0, 11, STANDBY), (11, 20, DOWN)]
    lost = Journal().run(1, 0).at(9, "lease-lost").at(10, "ended", number=1, cause="exit", exit_code=1)
    history = lost.at(10, "standing-by").tell(20)
    assert shown(history) == [(0, 10, UP), (10, 20, STANDBY)]
    assert len(history.failures) == 1


def test_a_standby_that_is_paused_stopped_or_killed() -> None:
    """A pause and a stop by hand are planned; after a kill nobody knows, and an upgrade ends nothing."""
    paused = (
        Journal().at(0, "standing-by").at(10, "paused").at(20, "resumed", detail="").at(20, "standing-by")
    )
    assert shown(paused.tell(30)) == [(0, 10, STANDBY), (10, 20, PLANNED), (20, 30, STANDBY)]
    stopped = Journal().at(0, "standing-by").at(10, "finished", exit_code=0)
    assert shown(stopped.tell(30, lives=False)) == [(0, 10, STANDBY), (10, 30, PLANNED)]
    killed = Journal().at(0, "standing-by").at(10, "notice")
    assert shown(killed.tell(30, lives=False)) == [(0, 10, STANDBY), (10, 30, UNKNOWN)]
    killed.life = "boot.2.2"
    assert shown(killed.at(20, "standing-by").tell(30)) == [
        (0, 10, STANDBY),
        (10, 20, UNKNOWN),
        (20, 30, STANDBY),
    ]
    upgraded = Journal().at(0, "standing-by").at(10, "notice", detail="upgrade").at(11, "standing-by")
    assert shown(upgraded.tell(30)) == [(0, 30, STANDBY)]
