"""Backups: spaced in time, verifiable by their names, and never pushed out by an emptied list."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tracker.backups import Backup, name_of, parse_name, shrunken, superfluous

START = datetime(2026, 1, 1, tzinfo=UTC)


def backup(sequence: int, at: datetime, tokens: int = 100, removed: int = 0) -> Backup:
    parsed = parse_name(name_of(sequence, at, tokens, removed, f"{sequence:016x}"))
    assert parsed is not None
    return parsed


def keep(kept: list[Backup], new: Backup, most: int = 10) -> list[Backup]:
    gone = set(superfluous([*kept, new], most))
    return [b for b in [*kept, new] if b.name not in gone]


def test_names_tell_everything() -> None:
    """A name is read back as it was written; other names are not ours."""
    parsed = parse_name("tracked_tokens.000042.20261125T032800Z.t12.r5.0123456789abcdef.json")
    assert parsed == Backup(
        "tracked_tokens.000042.20261125T032800Z.t12.r5.0123456789abcdef.json",
        42,
        datetime(2026, 11, 25, 3, 28, tzinfo=UTC),
        12,
        5,
        "0123456789abcdef",
    )
    for name in (
        "tracked_tokens.json",
        "x" + parsed.name,
        parsed.name.replace("1125", "1399"),
        parsed.name + "~",
    ):
        assert parse_name(name) is None


def test_ten_copies_reach_back_days() -> None:
    """Saving each 30 s for six days leaves 10 copies: the 3 newest, 3 of earlier hours, 4 of earlier days."""
    kept: list[Backup] = []
    at = START
    for sequence in range(6 * 24 * 120):
        at = START + timedelta(seconds=30 * sequence)
        kept = keep(kept, backup(sequence, at))
        assert len(kept) <= 10
    ages = sorted((at - b.at).total_seconds() for b in kept)
    assert len(kept) == 10
    assert ages[:3] == [0, 30, 60]
    assert all(60 < age <= 4 * 3600 for age in ages[3:6])
    assert all(age > 4 * 3600 for age in ages[6:])
    assert ages[-1] > 3.9 * 86400
    assert all(older - newer > 1800 for newer, older in pairwise(ages[3:]))


def test_the_first_minutes_fill_all_slots() -> None:
    """As long as there are no older hours and days, the slots hold the newest copies."""
    kept: list[Backup] = []
    for sequence in range(40):
        kept = keep(kept, backup(sequence, START + timedelta(seconds=30 * sequence)))
    assert [b.sequence for b in kept] == list(range(30, 40))


def test_an_emptied_list_pushes_out_nothing_good() -> None:
    """However often an empty or suddenly small list is saved, at least seven good copies stay."""
    kept: list[Backup] = []
    for sequence in range(20):
        kept = keep(kept, backup(sequence, START + timedelta(seconds=30 * sequence)))
    for sequence in range(20, 2000):
        small = backup(sequence, START + timedelta(seconds=30 * sequence), tokens=sequence % 2 * 49)
        kept = keep(kept, small)
    assert sum(1 for b in kept if b.tokens == 100) == 7
    assert [b.sequence for b in kept if b.tokens != 100] == [1997, 1998, 1999]


def test_removals_on_purpose_are_no_shrinking() -> None:
    """A list that got small by as many noted removals is as good as any."""
    big, small = backup(1, START, tokens=100, removed=3), backup(2, START, tokens=10, removed=93)
    assert shrunken([big, small]) == set()
    assert shrunken([big, backup(2, START, tokens=10, removed=92)]) == {backup(2, START, 10, 92).name}
    assert shrunken([big, backup(2, START, tokens=0, removed=103)]) == {backup(2, START, 0, 103).name}
    assert shrunken([big, small, backup(3, START, tokens=12, removed=93)]) == set()


def test_the_clock_may_step() -> None:
    """The sequence gives the order: a clock that jumped ahead and back loses no newest copy."""
    kept: list[Backup] = []
    for sequence in range(100):
        jump = timedelta(days=400 if 30 <= sequence < 35 else 0)
        kept = keep(kept, backup(sequence, START + timedelta(seconds=30 * sequence) + jump))
    assert {97, 98, 99} <= {b.sequence for b in kept}
    assert len(kept) == 10


@pytest.mark.parametrize("most", [1, 2, 3, 5, 25])
def test_any_number_of_backups(most: int) -> None:
    """The number of copies is what was asked for, and the newest good one is always among them."""
    kept: list[Backup] = []
    for sequence in range(300):
        new = backup(sequence, START + timedelta(minutes=13 * sequence), tokens=0 if sequence > 290 else 50)
        kept = keep(kept, new, most)
        assert len(kept) <= most
    assert len(kept) == most
    assert any(b.tokens == 50 for b in kept)
