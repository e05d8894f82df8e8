"""What the age of the signs says: at each limit and just before it, with one source and with several."""

import pytest

from watchdog_cli.core import liveness
from watchdog_cli.core.liveness import Liveness, begin, judge
from watchdog_cli.core.policy import AliveWhen, Policy, Source

POLICY = Policy(heartbeat_timeout_s=120.0, start_grace_s=30.0)
BOTH = frozenset({Source.FILE, Source.OUTPUT})
EACH = Policy(heartbeat_timeout_s=120.0, start_grace_s=30.0, sources=BOTH, alive_when=AliveWhen.ALL)
EITHER = Policy(heartbeat_timeout_s=120.0, start_grace_s=30.0, sources=BOTH, alive_when=AliveWhen.ANY)


@pytest.mark.parametrize(
    ("now", "verdict"), [(100.0, "waiting"), (129.999, "waiting"), (130.0, "never"), (1000.0, "never")]
)
def test_grace_is_over_at_its_instant(now, verdict):
    """Before the first sign the child has its grace, not the timeout."""
    assert judge(begin(100.0), now, POLICY) == verdict


@pytest.mark.parametrize(
    ("now", "verdict"), [(105.0, "fresh"), (224.999, "fresh"), (225.0, "stale"), (1e6, "stale")]
)
def test_timeout_is_over_at_its_instant(now, verdict):
    """After a sign the child has the timeout, also when the grace would be shorter."""
    assert judge(begin(100.0).seen(Source.FILE, 105.0), now, POLICY) == verdict


def test_longer_grace_ends_with_the_first_sign():
    """A child that has beaten once is judged by the timeout, though its grace would go on."""
    policy = Policy(heartbeat_timeout_s=5.0, start_grace_s=300.0)
    life = begin(0.0)
    assert judge(life, 299.0, policy) is Liveness.WAITING
    life = life.seen(Source.FILE, 20.0)
    assert judge(life, 24.9, policy) is Liveness.FRESH
    assert judge(life, 25.0, policy) is Liveness.STALE


def test_newest_sign_counts():
    """Each sign moves the limit on."""
    life = begin(0.0).seen(Source.FILE, 10.0).seen(Source.FILE, 100.0)
    assert liveness.silence_deadline(life, POLICY) == 220.0
    assert life.last_sign() == 100.0
    assert len(life.signs) == 1


def test_any_source_keeps_it_alive():
    """With the rule ``any`` one talking source is enough."""
    life = begin(0.0).seen(Source.OUTPUT, 29.0)
    assert judge(life, 148.0, EITHER) is Liveness.FRESH
    life = life.seen(Source.FILE, 148.0)
    assert judge(life, 267.0, EITHER) is Liveness.FRESH
    assert judge(life, 268.0, EITHER) is Liveness.STALE


def test_all_sources_must_talk():
    """With the rule ``all`` the most silent source decides."""
    life = begin(0.0).seen(Source.FILE, 1.0)
    assert not liveness.has_begun(life, EACH)
    life = life.seen(Source.OUTPUT, 2.0)
    assert liveness.has_begun(life, EACH)
    life = life.seen(Source.OUTPUT, 100.0)
    assert judge(life, 120.9, EACH) is Liveness.FRESH
    assert judge(life, 121.0, EACH) is Liveness.STALE


def test_all_sources_one_never_came():
    """With ``all`` the start is over only when each source spoke; one that never did is found at the grace."""
    life = begin(0.0).seen(Source.FILE, 1.0)
    assert judge(life, 29.9, EACH) is Liveness.WAITING
    assert judge(life, 30.0, EACH) is Liveness.NEVER


def test_all_sources_one_fell_silent_while_the_other_is_awaited():
    """A source that spoke and fell silent within a long grace is stale, not one that never spoke."""
    policy = Policy(heartbeat_timeout_s=10.0, start_grace_s=300.0, sources=BOTH, alive_when=AliveWhen.ALL)
    life = begin(0.0).seen(Source.FILE, 1.0)
    assert judge(life, 11.0, policy) is Liveness.STALE


@pytest.mark.parametrize("rule", AliveWhen)
def test_no_named_source_means_that_any_sign_counts(rule):
    """An empty set of sources is no contradiction: whatever comes is a sign."""
    policy = Policy(sources=frozenset(), alive_when=rule)
    assert judge(begin(0.0), 119.0, policy) is Liveness.WAITING
    assert judge(begin(0.0), 120.0, policy) is Liveness.NEVER
    assert judge(begin(0.0).seen(Source.NOTIFY, 5.0), 6.0, policy) is Liveness.FRESH
    assert liveness.counts(Source.NOTIFY, policy)
    assert not liveness.counts(Source.NOTIFY, EACH)


def test_mixed_clocks_are_our_own_fault_and_said():
    """A sign from the future means that two clocks were mixed."""
    with pytest.raises(ValueError, match="future"):
        judge(begin(0.0).seen(Source.FILE, 10.0), 9.0, POLICY)


PROGRESS = Policy(
    heartbeat_timeout_s=120.0, start_grace_s=1200.0, progress_key="lastCycle", progress_timeout_s=600.0
)


@pytest.mark.parametrize(("now", "verdict"), [(699.0, "fresh"), (700.0, "stuck")])
def test_standing_still_is_found_at_its_limit(now, verdict):
    """A value that does not change for the progress timeout means that the child beats without working."""
    life = begin(0.0).seen(Source.FILE, 100.0).progressed("7", 100.0)
    for at in range(160, int(now), 60):
        life = life.seen(Source.FILE, at).progressed("7", at)
    assert judge(life, now, PROGRESS) == verdict


def test_change_of_progress_moves_its_limit_on():
    """Any new value is progress, smaller ones too."""
    life = (
        begin(0.0).seen(Source.FILE, 0.0).progressed("9", 0.0).progressed("10", 500.0).progressed("9", 550.0)
    )
    assert liveness.progress_deadline(life, PROGRESS) == 1150.0


def test_beat_without_the_value_is_no_progress_and_no_setback():
    """A beat whose file lacks the value keeps the old one."""
    life = begin(0.0).progressed("7", 10.0).progressed(None, 20.0)
    assert life.progress == "7"
    assert life.progress_at == 10.0


def test_progress_is_not_asked_for_before_the_first_sign():
    """A start that takes longer than the progress timeout is no standstill: its clock starts with the first sign."""
    life = begin(0.0)
    assert judge(life, 1199.0, PROGRESS) is Liveness.WAITING
    life = life.seen(Source.FILE, 1100.0).progressed(None, 1100.0)
    assert judge(life, 1101.0, PROGRESS) is Liveness.FRESH
    assert liveness.progress_deadline(life, PROGRESS) == 1700.0


def test_progress_is_ignored_when_nobody_asked():
    """Without a progress key the value in the file means nothing."""
    life = begin(0.0).progressed("7", 0.0)
    assert liveness.progress_deadline(life, POLICY) is None
    assert judge(life.seen(Source.FILE, 9000.0), 9001.0, POLICY) is Liveness.FRESH


def test_slices_follow_the_limit_that_counts():
    """A short grace must not cost wake-ups for the rest of the run, nor a short timeout during a long grace."""
    short_grace = Policy(heartbeat_timeout_s=120.0, start_grace_s=4.0)
    assert liveness.slice_s(begin(0.0), short_grace) == 1.0
    assert liveness.slice_s(begin(0.0).seen(Source.FILE, 1.0), short_grace) == 30.0
    long_grace = Policy(heartbeat_timeout_s=4.0, start_grace_s=400.0)
    assert liveness.slice_s(begin(0.0), long_grace) == 100.0
    assert liveness.slice_s(begin(0.0).seen(Source.FILE, 1.0), long_grace) == 1.0


def test_slices_follow_the_progress_limit_too():
    """A progress timeout below the heartbeat timeout is judged as exactly."""
    policy = Policy(heartbeat_timeout_s=120.0, progress_key="x", progress_timeout_s=8.0)
    life = begin(0.0).seen(Source.FILE, 1.0).progressed("1", 1.0)
    assert liveness.slice_s(life, policy) == 2.0


@pytest.mark.parametrize(("now", "late"), [(0.0, 0.0), (30.0, 0.0), (31.0, 1.0), (300.0, 270.0)])
def test_lateness_is_what_goes_beyond_a_slice(now, late):
    """An event within its slice proves nothing; beyond it, the rest was certainly slept through."""
    life = begin(0.0).seen(Source.FILE, 0.0)
    assert liveness.late_by(life, now, POLICY) == late


@pytest.mark.parametrize(
    ("timeout", "late", "pause"),
    [(120.0, 15.0, False), (120.0, 15.1, True), (1.0, 0.5, False), (1.0, 0.51, True)],
)
def test_only_much_lateness_is_called_a_pause(timeout, late, pause):
    """Half a slice, and never less than what a busy machine does to a ready process."""
    policy = Policy(heartbeat_timeout_s=timeout)
    assert liveness.is_pause(late, begin(0.0).seen(Source.FILE, 0.0), policy) is pause


def test_moved_life_has_all_its_limits_later():
    """Time in which nobody was awake moves each limit on, and nothing else."""
    life = begin(0.0).seen(Source.FILE, 10.0).progressed("7", 20.0)
    later = life.moved(3.0)
    assert liveness.silence_deadline(later, PROGRESS) == liveness.silence_deadline(life, PROGRESS) + 3.0
    assert liveness.progress_deadline(later, PROGRESS) == 623.0
    assert liveness.grace_deadline(later, PROGRESS) == 1203.0
    assert later.since == life.since
