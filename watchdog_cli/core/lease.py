"""How long one may trust a lease: pure times, all measured from the moment at which a renewal was *sent*.

The service counts its TTL from when it hears of a renewal, which is later than when it was sent. Whoever counts from
the sending, on a clock that also counts suspend, and is done a margin earlier, is done before the service can let
anybody else in. No two clocks are ever compared; only their *rates* must agree, within a part of the margin.

    sent ── renew ── renew ── stop_at ─────────── end_by ── margin ── sent + TTL
             1/3      2/3      program is asked    killed              others may begin
"""

from enum import StrEnum

from watchdog_kit.records import dataclass

RENEWALS = 3  # per TTL. Source: the rule of etcd's own clients
MARGIN_PART = 0.2  # of the TTL: for a late wake-up, the kill itself, and clocks of slightly different rate
LEAST_MARGIN_S = 0.5
MOST_MARGIN_S = 5.0
STOP_PART = 0.25  # of the TTL: the most that the program gets for its end
GUARD_PART = 0.25  # of the margin; the watchdog's own kill comes so much before that of its guard
MOST_ASK_S = 10.0  # with a long TTL: a member that died must not keep a standby from asking the next one
LEAST_TTL_S = 3.0  # below, nothing is left between two renewals and the end


class OnLost(StrEnum):
    """What to do when the service cannot be reached for so long that the lease may pass to others."""

    STOP = "stop"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Hold:
    """Until when the program may run, in seconds of the clock of whoever holds it.

    Args:
        stop_at: without another renewal the program is asked to end now.
        end_by: and nothing of it may live after this.
    """

    stop_at: float
    end_by: float

    def moved(self, by_s: float) -> "Hold":
        """The same instants on another clock."""
        return Hold(self.stop_at + by_s, self.end_by + by_s)


def margin_s(ttl_s: float) -> float:
    """How long before the service may pass the lease on everything must be over."""
    return min(MOST_MARGIN_S, max(LEAST_MARGIN_S, ttl_s * MARGIN_PART))


def hold(sent: float, ttl_s: float, stop_timeout_s: float) -> Hold:
    """What a renewal is worth that was sent at ``sent`` and confirmed with ``ttl_s``.

    Args:
        stop_timeout_s: how long the program may take to end; at most a quarter of the TTL is given.
    """
    end_by = sent + ttl_s - margin_s(ttl_s)
    return Hold(end_by - min(stop_timeout_s, ttl_s * STOP_PART), end_by)


def guard_at(end_by: float, ttl_s: float) -> float:
    """When the guard kills what the watchdog itself should have killed at ``end_by``."""
    return end_by + margin_s(ttl_s) * GUARD_PART


def renew_at(sent: float, ttl_s: float) -> float:
    """When the next renewal is due."""
    return sent + ttl_s / RENEWALS


def retry_s(ttl_s: float) -> float:
    """How soon a renewal that failed is tried again."""
    return ttl_s / (RENEWALS * 5)


def ask_s(ttl_s: float) -> float:
    """How long one question may take: several must fit between two renewals."""
    return min(MOST_ASK_S, ttl_s / (RENEWALS * 2))
