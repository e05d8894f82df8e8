"""Budgets: never more than 90 % of what a service bears, whatever happens to the tracker in between."""

from pathlib import Path

import pytest

from tracker.sources.budget import Budget


class Clocks:
    """Two clocks to order."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 1_700_000_000.0

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


def budget(path: Path, clocks: Clocks) -> Budget:
    return Budget(str(path / "budget.json"), lambda: clocks.now, lambda: clocks.wall)


def test_ninety_percent_in_any_minute(tmp_path: Path) -> None:
    """In no window of a minute there are more calls than 90 % of the limit, and time brings new ones."""
    clocks = Clocks()
    book = budget(tmp_path, clocks)
    made: list[float] = []
    for _ in range(2000):
        if book.take("dex", 300):
            made.append(clocks.now)
        clocks.pass_s(0.1)
    assert max(sum(1 for at in made if start <= at < start + 60) for start in made) == 270
    assert len(made) > 800


def test_a_restart_loop_does_not_burst(tmp_path: Path) -> None:
    """Started again after each call, the tracker makes as many calls as if it had never ended."""
    clocks = Clocks()
    made = 0
    for _ in range(100):
        made += budget(tmp_path, clocks).take("gecko", 30)
        clocks.pass_s(0.3)
    assert made == 27


def test_a_pause_survives_a_restart(tmp_path: Path) -> None:
    """A service that asked for a pause gets it, also from the tracker's next life."""
    clocks = Clocks()
    budget(tmp_path, clocks).pause("gecko", 30)
    clocks.now = 5.0  # another boot: the steady clock starts anew
    again = budget(tmp_path, clocks)
    assert not again.take("gecko", 30)
    assert again.take("dex", 300)
    clocks.pass_s(29)
    assert not again.take("gecko", 30)
    clocks.pass_s(2)
    assert again.take("gecko", 30)


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_clock_steps_are_harmless(tmp_path: Path, step: float) -> None:
    """A wall clock that was set back or ahead stops nobody for longer than a minute, nor frees a burst."""
    clocks = Clocks()
    book = budget(tmp_path, clocks)
    assert sum(book.take("gecko", 30) for _ in range(40)) == 27
    clocks.wall += step
    assert not book.take("gecko", 30)
    again = budget(tmp_path, clocks)
    if step < 0:
        assert not again.take("gecko", 30)
    clocks.pass_s(60)
    assert again.take("gecko", 30)


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"{",
        b"[]",
        b'{"hosts": {"gecko": 5}}',
        b'{"hosts": {"g": {"calls": [1e999], "pausedUntil": 1e999}}}',
        b'{"hosts": {"g": {"calls": [1%s], "pausedUntil": 0, "pausedFor": 0}}}' % (b"0" * 400),
    ],
)
def test_a_damaged_book_is_an_empty_one(tmp_path: Path, junk: bytes) -> None:
    """Whatever stands in the file, calls are counted from now on."""
    (tmp_path / "budget.json").write_bytes(junk)
    book = budget(tmp_path, Clocks())
    assert sum(book.take("g", 30) for _ in range(40)) == 27
