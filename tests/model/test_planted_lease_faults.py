"""The model can fail where the lease is concerned, too: as in ``test_planted_faults``."""

from dataclasses import replace

import pytest
from hypothesis.stateful import run_state_machine_as_test

from model.leased import Leased
from model.oracle import BrokenPromiseError
from model.supervision import HUNT
from watchdog_cli.core import ending, leasing
from watchdog_cli.core.lease import OnLost
from watchdog_cli.core.record import Cause

EXPIRE, HELD = leasing.expire, leasing._held


def lease_never_ends(patch):
    """Time does not take the lease away; only news does."""
    patch.setattr(leasing, "expire", lambda sup, _now: (sup, ()))


def lease_ends_unseen(patch):
    """That it is over is noted, and the program lives on."""

    def expire(sup, now):
        if sup.policy.lease is OnLost.KEEP or sup.hold is None or now < sup.hold.stop_at:
            return EXPIRE(sup, now)
        return replace(sup, hold=None), ()

    patch.setattr(leasing, "expire", expire)


def lease_loss_takes_its_time(patch):
    """A stop that has begun is not hurried, whoever may run meanwhile."""
    patch.setattr(leasing, "hurry", lambda sup, _phase, _now, *said: (sup, said))


def lease_end_counted(patch):
    """An end for the lease's sake takes a place in the window."""
    real = ending.after_run

    def after_run(sup, end, now, *said, **named):
        if end.cause is Cause.LEASE:
            sup = replace(sup, window=sup.window.add(now)[0])
        return real(sup, end, now, *said, **named)

    patch.setattr(ending, "after_run", after_run)


def old_renewal_believed(patch):
    """News of a renewal counts, however old it is."""

    def held(sup, event, now):
        late = max(0.0, now + 1.0 - event.hold.stop_at)
        return HELD(sup, replace(event, hold=event.hold.moved(late)), now)

    patch.setattr(leasing, "_held", held)


def start_without_lease(patch):
    """What follows an end follows it without the lease too."""
    real = ending.spawn

    def spawn(sup, *said):
        changed, actions = real(replace(sup, policy=replace(sup.policy, lease=None)), *said)
        return replace(changed, policy=sup.policy), actions

    patch.setattr(ending, "spawn", spawn)


FAULTS = {
    "never ends": (lease_never_ends, "seen differently|without the lease|after the lease|a busy loop"),
    "ends unseen": (lease_ends_unseen, "an end that was begun was forgotten|without the lease"),
    "takes its time": (lease_loss_takes_its_time, "it lives on after the lease"),
    "end counted": (lease_end_counted, "the window counts differently|gave up too early"),
    "old renewal believed": (old_renewal_believed, "seen differently|started"),
    "start without": (start_without_lease, "started without"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_lease_fault_is_found(name, monkeypatch):
    """With this one slip in the core, the random histories break the promise that it concerns."""
    plant, broken = FAULTS[name]
    plant(monkeypatch)
    with pytest.raises(BrokenPromiseError, match=broken):
        run_state_machine_as_test(Leased, settings=HUNT)
