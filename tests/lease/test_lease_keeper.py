"""The thread that holds the lease: what it tells, and when."""

import os
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lease_etcd import EtcdServer, free_ports
from trees import Nest
from waiting import wait_until
from watchdog_cli.adapters import carried
from watchdog_cli.adapters.etcd import Etcd
from watchdog_cli.adapters.etcd_lease import PART, EtcdLease, Saved
from watchdog_cli.core.events import Event, LeaseHeld
from watchdog_cli.core.lease import OnLost
from watchdog_cli.core.lease_settings import LeaseAddress, LeaseSettings
from watchdog_cli.core.phases import StandingBy
from watchdog_cli.wiring.lease import LeaseKeeper
from watchdog_cli.wiring.places import Places


@pytest.mark.timeout(120)
def test_nothing_may_begin_before_the_files_are_here(
    etcd: EtcdServer, nest: Nest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large state takes longer than the lease lasts: it is renewed meanwhile, and told only when all is in place."""
    address = LeaseAddress(tls=False, endpoints=(("127.0.0.1", etcd.port),), key="t/keeper")
    before = EtcdLease(Etcd(address.endpoints, None), address.key, 30.0, 20.0)
    before.acquire({})
    content = os.urandom(2 * PART)
    before.save(carried.pack({"tracked_tokens.json": content}), "another machine", lambda: None)
    before.release()

    places = Places(str(tmp_path), "main")
    Path(places.state_folder).mkdir(parents=True)
    events: list[Event] = []
    renewals: list[float] = []
    keeper = LeaseKeeper(
        LeaseSettings(address, 30.0, OnLost.KEEP, ("tracked_tokens.json",), "", "", "", "", ""),
        places,
        stop_timeout_s=1.0,
        child=nest.tree,
        put=events.append,
        say=lambda _: None,
        phase=StandingBy,
    )
    real_load, real_renew = EtcdLease.load, EtcdLease.renew

    def slow_load(self: EtcdLease, between: Callable[[], None]) -> Saved | None:
        def late() -> None:
            keeper._next_at = 0.0  # as if so much time had passed
            between()
            assert not events, "the program may not begin yet"
            assert not (tmp_path / "tracked_tokens.json").exists()

        return real_load(self, late)

    def renew(self: EtcdLease) -> tuple[float, float]:
        found = real_renew(self)
        renewals.append(found[0])
        return found

    monkeypatch.setattr(EtcdLease, "load", slow_load)
    monkeypatch.setattr(EtcdLease, "renew", renew)
    keeper.start()
    try:
        wait_until(lambda: events, "the lease", 60)
        assert isinstance(events[0], LeaseHeld)
        assert len(renewals) >= 3
        assert (tmp_path / "tracked_tokens.json").read_bytes() == content
    finally:
        keeper.close(release=True)


@pytest.mark.timeout(120)
def test_each_trouble_is_said_once_though_the_members_take_turns(nest: Nest, tmp_path: Path) -> None:
    """One member is dead, another answers with nonsense: two lines, however long it lasts; `status` has the newest."""
    places = Places(str(tmp_path), "main")
    Path(places.state_folder).mkdir(parents=True)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        bad = (("127.0.0.1", free_ports(1)[0]), ("127.0.0.1", server.server_address[1]))
        said: list[str] = []
        keeper = LeaseKeeper(
            LeaseSettings(LeaseAddress(False, bad, "t/k"), 30.0, OnLost.STOP, (), "", "", "", "", ""),
            places,
            stop_timeout_s=1.0,
            child=nest.tree,
            put=lambda _: None,
            say=said.append,
            phase=StandingBy,
        )
        shown: list[str] = []

        def turns() -> int:
            problem = str(keeper.status()["problem"])
            if problem and (not shown or shown[-1] != problem):
                shown.append(problem)
            return len(shown)

        keeper.start()
        try:
            wait_until(lambda: turns() >= 5, "members that take turns", 60)
        finally:
            keeper.close(release=True)
            server.shutdown()
    assert len(set(shown)) == 2
    assert sorted(said) == sorted(f"lease: {problem}" for problem in set(shown))
