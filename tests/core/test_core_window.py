"""How many restarts are allowed: at the edge, one past it, and after it."""

import pytest

from watchdog_cli.core.intensity import UNLIMITED_MEMORY, Window


def filled(window: Window, *times: float) -> Window:
    """The window after restarts at these instants, all of which must be allowed."""
    for at in times:
        window, allowed = window.add(at)
        assert allowed
    return window


def test_as_many_restarts_as_the_cap_are_allowed_and_the_next_is_not():
    """Ten restarts in five minutes are fine; the eleventh is refused."""
    window = filled(Window(10, 300.0), *range(10))
    _, allowed = window.add(10.0)
    assert not allowed
    assert window.count(10.0) == 10


def test_refused_restart_is_not_remembered():
    """A refusal takes no place in the window, so it does not put off the next chance."""
    window = filled(Window(1, 300.0), 0.0)
    for at in (1.0, 200.0, 299.0):
        window, allowed = window.add(at)
        assert not allowed
    assert window.times == (0.0,)
    assert window.add(300.0)[1]


@pytest.mark.parametrize(("now", "allowed"), [(299.999, False), (300.0, True), (300.001, True)])
def test_restart_is_forgotten_exactly_one_span_later(now, allowed):
    """A restart counts for less than the span; at the span it is forgotten."""
    window = filled(Window(2, 300.0), 0.0, 100.0)
    assert window.add(now)[1] is allowed
    assert window.count(now) == (1 if allowed else 2)


def test_window_slides():
    """Each restart is forgotten at its own time, not all of them at once."""
    window = filled(Window(3, 10.0), 0.0, 4.0, 8.0)
    assert not window.add(9.0)[1]
    window = filled(window, 10.0)
    assert window.times == (4.0, 8.0, 10.0)
    assert not window.add(13.0)[1]
    assert window.add(14.0)[1]


def test_restarts_spread_wide_never_reach_the_cap():
    """Crashes that are far enough apart go on for ever."""
    window = filled(Window(3, 20.0), *(10.0 * n for n in range(200)))
    assert len(window.times) == 2


def test_restarts_at_one_instant_all_count():
    """With delay 0 the clock may not move between two restarts."""
    window = filled(Window(3, 300.0), 5.0, 5.0, 5.0)
    assert not window.add(5.0)[1]


def test_cap_of_zero_allows_nothing():
    """With max-restarts 0 the first restart is refused."""
    window, allowed = Window(0, 300.0).add(1.0)
    assert not allowed
    assert window.count(1.0) == 0


def test_no_cap_allows_everything_and_remembers_a_bounded_number():
    """Unlimited restarts must not fill the memory."""
    window = filled(Window(None, 1e9), *range(3 * UNLIMITED_MEMORY))
    assert len(window.times) == UNLIMITED_MEMORY
    assert window.times[-1] == 3 * UNLIMITED_MEMORY - 1


def test_cleared_window_counts_from_nothing():
    """After a person asked for a start, what was before does not count."""
    window = filled(Window(2, 300.0), 0.0, 1.0).cleared()
    assert window.count(1.0) == 0
    assert not filled(window, 2.0, 3.0).add(4.0)[1]


def test_window_carried_over_counts_on():
    """The restarts of an earlier supervisor of the same child still count."""
    window = Window(3, 300.0, (0.0, 200.0))
    assert window.count(299.0) == 2
    assert window.count(300.0) == 1
    assert not filled(window, 250.0).add(260.0)[1]
