"""How long to wait before the next start."""

import pytest

from watchdog_cli.core.backoff import SMALLEST_STEP_S, next_delay
from watchdog_cli.core.policy import Policy

GROWING = Policy(backoff=True, restart_delay_s=5.0, backoff_max_s=300.0)


@pytest.mark.parametrize("count", [1, 2, 10, 10_000])
@pytest.mark.parametrize("delay", [0.0, 5.0])
def test_without_backoff_the_delay_is_always_the_same(count, delay):
    """However often it died, the delay is the one that was set, without jitter."""
    assert next_delay(Policy(restart_delay_s=delay), count, 0.9) == delay


def test_delay_doubles_up_to_its_ceiling():
    """5, 10, 20, 40, 80, 160, and then no more than the ceiling."""
    found = [next_delay(GROWING, count, 0.0) for count in range(1, 9)]
    assert found == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


@pytest.mark.parametrize("count", [31, 1000, 10**9])
def test_endless_crashes_overflow_nothing(count):
    """After any number of restarts the delay is a plain number at the ceiling."""
    assert next_delay(GROWING, count, 0.0) == 300.0


def test_jitter_shortens_by_less_than_a_quarter():
    """Many programs that died together do not start together, and none waits beyond the ceiling."""
    assert next_delay(GROWING, 3, 0.5) == 20.0 * 0.875
    assert 15.0 < next_delay(GROWING, 3, 0.999) < next_delay(GROWING, 3, 0.0) == 20.0


def test_delay_never_falls_below_the_one_that_was_set():
    """Jitter does not undercut restart-delay, nor does a ceiling below it."""
    assert next_delay(GROWING, 1, 0.999) == 5.0
    small = Policy(backoff=True, restart_delay_s=5.0, backoff_max_s=2.0)
    assert next_delay(small, 4, 0.999) == 5.0


def test_delay_of_zero_grows_too():
    """With backoff and no delay at first, the second crash waits longer than the first."""
    policy = Policy(backoff=True, restart_delay_s=0.0)
    assert next_delay(policy, 1, 0.0) == SMALLEST_STEP_S
    assert next_delay(policy, 2, 0.0) == 2 * SMALLEST_STEP_S
