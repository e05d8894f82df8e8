"""The thread that holds the lease: what it tells, and when."""

import contextlib
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lease_etcd import EtcdServer, free_ports
from trees import Nest
from waiting import wait_until
from watchdog_cli.adapters import carried
from watchdog_cli.adapters.etcd import Etcd, EtcdUnreachableError
from watchdog_cli.adapters.etcd_lease import PART, EtcdLease, Saved
from watchdog_cli.core.events import Event, LeaseHeld, LeaseLost
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.lease import OnLost
from watchdog_cli.core.lease_facts import LeaseCutOff, LeaseElsewhere
from watchdog_cli.core.lease_settings import LeaseAddress, LeaseSettings
from watchdog_cli.core.phases import StandingBy
from watchdog_cli.wiring.lease import LeaseKeeper
from watchdog_cli.wiring.places import Places


def keeper_of(
    address: LeaseAddress,
    nest: Nest,
    folder: Path,
    events: list[Event],
    *,
    ttl_s: float = 30.0,
    report: Callable[[Fact], None] = lambda _: None,
    carry: tuple[str, ...] = ("tracked_tokens.json",),
) -> LeaseKeeper:
    """One that carries files of a folder, and stands by."""
    places = Places(str(folder), "main")
    Path(places.state_folder).mkdir(parents=True)
    return LeaseKeeper(
        LeaseSettings(address, ttl_s, OnLost.KEEP, carry, "", "", "", "", ""),
        places,
        stop_timeout_s=1.0,
        child=nest.tree,
        put=events.append,
        report=report,
        phase=StandingBy,
    )


@contextlib.contextmanager
def at_work(keeper: LeaseKeeper) -> Iterator[None]:
    """Let it ask for the lease, and in the end let go."""
    keeper.start()
    try:
        yield
    finally:
        keeper.close(release=True)


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

    events: list[Event] = []
    renewals: list[float] = []
    keeper = keeper_of(address, nest, tmp_path, events)
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
    with at_work(keeper):
        wait_until(lambda: events, "the lease", 60)
        assert isinstance(events[0], LeaseHeld)
        assert len(renewals) >= 3
        assert (tmp_path / "tracked_tokens.json").read_bytes() == content


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
            report=lambda fact: said.append(fact.text),
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


@pytest.mark.timeout(120)
def test_a_state_of_which_nobody_knows_whether_it_arrived_is_put_again(
    etcd: EtcdServer, nest: Nest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer was lost, and the files are as they were before: what lies in etcd must be what lies here."""
    address = LeaseAddress(tls=False, endpoints=(("127.0.0.1", etcd.port),), key="t/keeper")
    tokens = tmp_path / "tracked_tokens.json"
    tokens.write_bytes(b"old")
    events: list[Event] = []
    keeper = keeper_of(address, nest, tmp_path, events)
    real_save = EtcdLease.save
    losses: list[bytes] = []

    def save(self: EtcdLease, packed: bytes, writer: str, between: Callable[[], None]) -> None:
        real_save(self, packed, writer, between)
        if not losses and carried.unpack(packed)["tracked_tokens.json"] == b"new":
            tokens.write_bytes(b"old")
            losses.append(packed)
            raise EtcdUnreachableError("the answer was lost")

    monkeypatch.setattr(EtcdLease, "save", save)
    with at_work(keeper):
        wait_until(lambda: events, "the lease", 60)
        tokens.write_bytes(b"new")
        wait_until(lambda: losses, "the lost answer", 60)
    after = EtcdLease(Etcd(address.endpoints, None), address.key, 30.0, 20.0)
    after.acquire({})
    saved = after.load(lambda: None)
    assert saved is not None
    assert carried.unpack(saved.packed) == {"tracked_tokens.json": b"old"}


@pytest.mark.timeout(120)
def test_a_full_database_is_said_once(nest: Nest, tmp_path: Path) -> None:
    """Renewals work all the while: they do not make it news again, and `status` goes on saying it."""
    (tmp_path / "etcd").mkdir()
    etcd = EtcdServer(tmp_path / "etcd", "--quota-backend-bytes", str(2 << 20))
    address = LeaseAddress(tls=False, endpoints=(("127.0.0.1", etcd.port),), key="t/keeper")
    events: list[Event] = []
    said: list[str] = []
    keeper = keeper_of(address, nest, tmp_path, events, ttl_s=3.0, report=lambda fact: said.append(fact.text))
    keeper.start()
    try:
        wait_until(lambda: events, "the lease", 60)
        for _ in range(5):
            (tmp_path / "tracked_tokens.json").write_bytes(os.urandom(PART))
            wait_until(lambda: said or keeper._carried.signature() == keeper._put_signature, "its way", 60)
        wait_until(lambda: said, "the complaint", 60)
        renewed = len(events)
        wait_until(lambda: len(events) >= renewed + 3, "some renewals", 60)
        assert len(said) == 1
        assert "is full" in said[0]
        assert "is full" in str(keeper.status()["problem"])
    finally:
        keeper.close(release=False)
        etcd.close()


@pytest.mark.timeout(120)
def test_files_in_a_folder_that_came_with_the_lease_move_at_once(
    etcd: EtcdServer, nest: Nest, tmp_path: Path
) -> None:
    """A folder that was not there at the start hides no other, and is watched from when it is: no renewal is near."""
    address = LeaseAddress(tls=False, endpoints=(("127.0.0.1", etcd.port),), key="t/keeper")
    before = EtcdLease(Etcd(address.endpoints, None), address.key, 30.0, 20.0)
    before.acquire({})
    before.save(carried.pack({"new/one": b"1", "missing/two": None}), "another machine", lambda: None)
    before.release()
    events: list[Event] = []
    names = ("new/one", "missing/two", "three")
    keeper = keeper_of(address, nest, tmp_path, events, ttl_s=600.0, carry=names)
    with at_work(keeper):
        wait_until(lambda: events, "the lease", 60)
        for name in ("new/one", "three"):
            (tmp_path / name).write_bytes(b"changed")
            wait_until(lambda: keeper._carried.signature() == keeper._put_signature, f"the way of {name}", 60)


@pytest.mark.timeout(120)
def test_a_state_that_is_refused_as_stale_is_said(etcd: EtcdServer, nest: Nest, tmp_path: Path) -> None:
    """The key went between two renewals, and the program saved: whoever holds it next does not have that."""
    address = LeaseAddress(tls=False, endpoints=(("127.0.0.1", etcd.port),), key="t/keeper")
    events: list[Event] = []
    keeper = keeper_of(address, nest, tmp_path, events, ttl_s=600.0)
    with at_work(keeper):
        wait_until(lambda: events, "the lease", 60)
        etcd.ctl("del", address.key)
        (tmp_path / "tracked_tokens.json").write_bytes(b"late")
        lost = wait_until(lambda: [one for one in events if isinstance(one, LeaseLost)], "the loss", 60)
        assert lost[0].why == "the key was removed; what was saved last came too late and was refused"


@pytest.mark.timeout(120)
def test_a_standby_tells_who_holds_it_and_when_it_is_cut_off(
    etcd: EtcdServer, nest: Nest, tmp_path: Path
) -> None:
    """Each once; and who holds it again when it can see that again, be it the same one as before."""
    address = LeaseAddress(tls=False, endpoints=(("127.0.0.1", etcd.port),), key="t/keeper")
    holder = EtcdLease(Etcd(address.endpoints, None), address.key, 600.0, 20.0)
    holder.acquire({"host": "alpha", "pid": 8})
    told: list[Fact] = []
    keeper = keeper_of(address, nest, tmp_path, [], ttl_s=3.0, report=told.append)

    def those(kind: type[Fact]) -> list[str]:
        return [fact.text for fact in told if isinstance(fact, kind)]

    with at_work(keeper):
        wait_until(lambda: those(LeaseElsewhere), "who holds it", 60)
        etcd.kill()
        wait_until(lambda: those(LeaseCutOff), "that it is cut off", 60)
        turns = keeper._next_at
        wait_until(lambda: keeper._next_at > turns + 1.0, "some more tries", 60)
        etcd.start()
        wait_until(lambda: len(those(LeaseElsewhere)) == 2, "who holds it", 60)
    assert those(LeaseElsewhere) == ["alpha (pid 8) holds the lease"] * 2
    assert len(those(LeaseCutOff)) == 1
    assert "etcd does not answer" in those(LeaseCutOff)[0]
