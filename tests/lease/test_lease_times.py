"""Until when one may trust a lease."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog_cli.core import lease
from watchdog_cli.core.lease_settings import LeaseAddress, parse_address


def test_the_usual_lease_leaves_time_for_the_program_to_end() -> None:
    """15 s: renewed after 5, asked to end at 8.25, dead at 12, and the guard acts before the margin is over."""
    hold = lease.hold(100.0, 15.0, 10.0)
    assert lease.renew_at(100.0, 15.0) == 105.0
    assert (hold.stop_at, hold.end_by) == (108.25, 112.0)
    assert lease.guard_at(hold.end_by, 15.0) == 112.75


@given(st.floats(lease.LEAST_TTL_S, 86400), st.floats(0, 3600))
def test_everything_is_over_before_the_lease_is(ttl_s: float, stop_s: float) -> None:
    """For every TTL: a renewal is due before the end begins, and a margin is left after the guard's kill."""
    hold = lease.hold(0.0, ttl_s, stop_s)
    assert lease.renew_at(0.0, ttl_s) + lease.retry_s(ttl_s) < hold.stop_at <= hold.end_by
    assert lease.guard_at(hold.end_by, ttl_s) <= ttl_s - lease.LEAST_MARGIN_S * 0.7


def test_addresses_are_read_with_and_without_ports() -> None:
    """Several hosts, IPv6, TLS, and a key with slashes."""
    found = parse_address("etcds://a,10.0.0.2:1,[::1]:3/trackers/main/")
    assert found == LeaseAddress(True, (("a", 2379), ("10.0.0.2", 1), ("::1", 3)), "trackers/main")


@pytest.mark.parametrize(
    "text",
    ["", "etcd://", "etcd://a", "etcd://a/", "http://a/k", "etcd:///k", "etcd://a:0/k", "etcd://a:99999/k",
     "etcd://me:pw@a/k", "etcd://a,/k", "etcd://a b/k", "etcd://ä/k", "etcd://a/k\n", "etcd://:2379/k"],
)  # fmt: skip
def test_a_wrong_address_is_refused(text: str) -> None:
    """With a text that says what is right, and never with another error."""
    with pytest.raises(ValueError, match=r"etcd://|WATCHDOG_LEASE_PASSWORD|characters"):
        parse_address(text)
