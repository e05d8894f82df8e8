"""How long to wait between a death and the next start."""

from watchdog_cli.core.policy import Policy

SMALLEST_STEP_S = 1.0  # a growing delay that starts at 0 would never grow


def next_delay(policy: Policy, restarts_in_window: int, jitter: float) -> float:
    """Say how many seconds to wait.

    Args:
        restarts_in_window: including the one that is about to happen; 1 for the first.
        jitter: 0 <= jitter < 1, different for each run, so that many programs do not start in step.
    """
    if not policy.backoff:
        return policy.restart_delay_s
    base = max(policy.restart_delay_s, SMALLEST_STEP_S)
    doublings = min(restarts_in_window - 1, 30)  # 2**30 s is beyond every ceiling that can be set
    grown = min(policy.backoff_max_s, base * (1 << doublings))
    return max(policy.restart_delay_s, grown * (1 - jitter / 4))
