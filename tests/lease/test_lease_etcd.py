"""What the client promises, asked of a real etcd: fencing, large states, limits, and every kind of refusal."""

import json
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from lease_etcd import EtcdServer, free_ports
from watchdog_cli.adapters import boot_clock, carried, etcd
from watchdog_cli.adapters.carried import BadPackError, Carried
from watchdog_cli.adapters.etcd import Etcd, EtcdRefusedError, EtcdUnreachableError, Login
from watchdog_cli.adapters.etcd_lease import PART, EtcdLease, LeaseGoneError, Saved

LIMIT_S = 20.0


def lease_at(etcd: EtcdServer, *, ttl_s: float = 30.0, login: Login | None = None) -> EtcdLease:
    """A client of its own, as each machine has one."""
    return EtcdLease(Etcd([("127.0.0.1", etcd.port)], login), "t/main", ttl_s, LIMIT_S)


def put(lease: EtcdLease, packed: bytes, writer: str = "me") -> None:
    """Save to the end."""
    lease.save(packed, writer, lambda: None)


def take(lease: EtcdLease) -> Saved | None:
    """Load to the end."""
    return lease.load(lambda: None)


@pytest.mark.timeout(120)
def test_only_one_holds_it_and_a_stale_write_is_refused(etcd: EtcdServer) -> None:
    """The second waits; when the first was robbed, its renewals and writes fail and change nothing."""
    first, second = lease_at(etcd), lease_at(etcd)
    before = boot_clock.now_s()
    sent, ttl_s = first.acquire({"host": "a"})
    assert before <= sent <= boot_clock.now_s()
    assert ttl_s == 30.0
    assert second.acquire({"host": "b"}) is None
    assert second.holder == {"host": "a"}
    put(first, b"old")
    later, _ = first.renew()
    assert later > sent
    grip = first.grip
    etcd.ctl("del", "t/main")
    assert second.acquire({"host": "b"}) is not None
    put(second, b"new")
    with pytest.raises(LeaseGoneError, match="somebody else"):
        put(first, b"stale")
    first.grip = grip
    with pytest.raises(LeaseGoneError):
        first.renew()
    assert take(second).packed == b"new"
    second.release()
    assert first.acquire({"host": "a"}) is not None


@pytest.mark.timeout(120)
def test_who_did_not_hand_over_is_known_to_the_next_holder(etcd: EtcdServer) -> None:
    """Until it is handed over on purpose, whatever else the end was; a lease that was tried in vain hides nobody."""
    first, second, third = (lease_at(etcd) for _ in range(3))
    first.acquire({"host": "a"})
    assert first.before == {}
    first.note()
    first.release()
    second.acquire({"host": "b"})
    second.release()
    third.acquire({"host": "c"})
    assert third.before == {"host": "a"}
    third.note()
    third.hand_over()
    assert etcd.ctl("get", "--prefix", "t/main", "--keys-only").split() == []
    first.acquire({"host": "a"})
    assert first.before == {}
    first.note()
    etcd.ctl("del", "t/main")
    with pytest.raises(LeaseGoneError):
        first.hand_over()
    etcd.ctl("put", "t/main/holder", "no JSON")
    second.acquire({"host": "b"})
    assert second.before == {}


@pytest.mark.timeout(120)
def test_a_save_that_arrives_late_does_not_undo_a_newer_one(
    etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answered it in time, it was saved anew and more since: then etcd gets the first one, and refuses it."""
    lease = lease_at(etcd)
    assert lease.acquire({"host": "a"}) is not None
    put(lease, b"old")
    call, late = lease._call, []

    def cut(path: str, request: dict[str, object]) -> dict[str, object]:
        if any("request_put" in step for step in request.get("success", ())):  # type: ignore[attr-defined]
            late.append((path, request))
            raise EtcdUnreachableError("no answer in time")
        return call(path, request)

    monkeypatch.setattr(lease, "_call", cut)
    with pytest.raises(EtcdUnreachableError):
        put(lease, b"newer")
    monkeypatch.setattr(lease, "_call", call)
    put(lease, b"newest")
    assert len(late) == 1
    assert not call(*late[0]).get("succeeded")
    assert take(lease).packed == b"newest"


@pytest.mark.timeout(120)
def test_a_large_state_goes_in_parts_and_leaves_nothing_old(etcd: EtcdServer) -> None:
    """Bytes come back as they went; a save that is cut short leaves the one before, and its parts go with the next."""
    lease = lease_at(etcd)
    lease.acquire({})
    assert take(lease) is None
    large = os.urandom(3 * PART + 7)
    put(lease, large, "w")
    found = take(lease)
    assert (found.writer, found.packed) == ("w", large)
    calls = []
    assert lease.load(lambda: calls.append("renew")) == found
    assert len(calls) == 4, "there is time to renew before each part"

    def cut() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lease.save(os.urandom(2 * PART), "w", cut)
    assert take(lease).packed == large
    put(lease, b"", "w")
    assert take(lease).packed == b""
    assert len(etcd.ctl("get", "--prefix", "t/main/part/", "--keys-only").split()) == 1
    etcd.ctl("put", "t/main/state", json.dumps({"writer": "w", "parts": ["t/main/part/x"], "sha256": "0"}))
    with pytest.raises(Exception, match="damaged"):
        take(lease)


@pytest.mark.timeout(120)
def test_a_full_database_is_said_and_the_old_state_stays(tmp_path: Path) -> None:
    """The quota is reached: renewals go on, since they write nothing."""
    etcd = EtcdServer(tmp_path, "--quota-backend-bytes", str(4 << 20))
    try:
        lease = lease_at(etcd)
        lease.acquire({})
        put(lease, b"good")
        saves = 0
        refused = None
        while refused is None and saves < 20:
            last = take(lease).packed
            try:
                put(lease, os.urandom(PART))
            except EtcdRefusedError as error:
                refused = error
            saves += 1
        assert refused is not None
        assert refused.is_full
        assert take(lease).packed == last
        lease.renew()
    finally:
        etcd.close()


@pytest.mark.timeout(120)
def test_users_and_passwords_count(etcd: EtcdServer) -> None:
    """A wrong password and a missing one are refused with a text; with the right one everything works."""
    etcd.ctl("user", "add", "root:sesame")
    etcd.ctl("user", "grant-role", "root", "root")
    etcd.ctl("auth", "enable")
    right = lease_at(etcd, login=Login(user="root", password="sesame"))
    assert right.acquire({}) is not None
    right.renew()
    right._client._token = "made-up.1"
    right.renew()
    for login in (Login(user="root", password="open"), Login()):
        with pytest.raises(EtcdRefusedError, match=r"authentication failed|user name is empty"):
            lease_at(etcd, login=login).acquire({})


@pytest.mark.timeout(120)
def test_a_dead_and_a_silent_endpoint_are_passed_over(etcd: EtcdServer) -> None:
    """And without any that answers, the limit holds."""
    silent = socket.create_server(("127.0.0.1", 0))
    dead = free_ports(1)[0]
    bad = [("127.0.0.1", dead), ("127.0.0.1", silent.getsockname()[1])]
    try:
        client = Etcd([*bad, ("127.0.0.1", etcd.port)])
        for _ in range(2):
            assert "header" in client.call("/v3/kv/range", {"key": "YQ=="}, 6.0)
        began = time.monotonic()
        with pytest.raises(EtcdUnreachableError, match="no answer in time"):
            Etcd(bad).call("/v3/kv/range", {"key": "YQ=="}, 1.0)
        assert time.monotonic() - began < 15.0
    finally:
        silent.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\xff\xfe{}!",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (9 << 20),
    ],
    ids=["list", "bytes", "deep", "short", "ssh", "nothing", "huge"],
)
def test_any_other_server_is_no_etcd(answer: bytes) -> None:
    """Whatever it says, it is one named error, and soon."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    connection.sendall(answer)
                except OSError:  # it had heard enough
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(EtcdUnreachableError):
            Etcd([server.getsockname()]).call("/v3/kv/range", {}, 10.0)
        thread.join()


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12", 12),
        ("-7", -7),
        (30, 30),
        (None, 0),
        ("", 0),
        ("--7", 0),
        ("\u00b2", 0),
        (1 << 63, 0),
        ("9" * 30, 0),
    ],
)
def test_numbers_of_an_answer(value: object, number: int) -> None:
    """They come as text; what is no number of 64 bits counts as left out, and is no error of ours."""
    assert etcd.number(value) == number


def test_files_come_out_as_they_went_in_and_old_ones_are_kept(tmp_path: Path) -> None:
    """Also with bytes that are no text, and files that are gone; only what is missing is put beside newer ones."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    names = ("a.json", "é.txt", "sub/gone")
    (here / "a.json").write_bytes(bytes(range(256)) * 3)
    source = Carried(str(here), names, str(here / "aside"))
    before = source.signature()
    packed = carried.pack(source.read())
    assert packed == carried.pack(source.read())
    target = Carried(str(there), names, str(there / "aside"))
    (there / "a.json").write_text("older")
    (there / "é.txt").write_text("not in the pack")
    assert target.restore(carried.unpack(packed), only_missing=True) == []
    assert sorted(target.restore(carried.unpack(packed), only_missing=False)) == ["a.json", "é.txt"]
    assert (there / "a.json").read_bytes() == (here / "a.json").read_bytes()
    assert not (there / "é.txt").exists()
    assert (there / "aside/a.json").read_text() == "older"
    assert (there / "aside/é.txt").read_text() == "not in the pack"
    (here / "é.txt").write_text("new")
    assert source.signature() != before
    for damaged in (b"", packed[:-3], b"x" + packed, packed[:20] + b"\0" + packed[21:]):
        with pytest.raises(BadPackError):
            carried.unpack(damaged)


def test_two_names_never_share_a_place_aside(tmp_path: Path) -> None:
    """`a/b` and `a_b` are two files, and so are what they replace."""
    (tmp_path / "a").mkdir()
    for name in ("a/b", "a_b", "a%2Fb"):
        (tmp_path / name).write_text(f"old {name}")
    target = Carried(str(tmp_path), ("a/b", "a_b", "a%2Fb"), str(tmp_path / "aside"))
    target.restore({"a/b": b"1", "a_b": b"2", "a%2Fb": b"3"}, only_missing=False)
    kept = sorted(path.read_text() for path in (tmp_path / "aside").iterdir())
    assert kept == ["old a%2Fb", "old a/b", "old a_b"]
