"""The sd_notify protocol: what the program says counts, what others say does not, and we speak it ourselves."""

import array
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import wait_until
from watchdog_cli.adapters.inbox import Inbox
from watchdog_cli.adapters.notify_socket import NotifyServer, tell_manager
from watchdog_cli.core.events import Beat, Event, HangDeclared
from watchdog_cli.core.policy import Source


class Bench:
    """A server and what it puts into the inbox."""

    def __init__(self, path: Path) -> None:
        self.inbox = Inbox()
        self.server = NotifyServer(self.inbox, str(path), lambda: "the run")
        self.server.begin_run()

    def send(self, message: bytes, *descriptors: int) -> None:
        address = self.server.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            rights = (
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
            )
            sender.sendmsg([message], rights, 0, "\0" + address[1:] if address.startswith("@") else address)

    def events(self) -> list[Event]:
        self.inbox.poll()
        found = []
        while (event := self.inbox.get(time.monotonic() - 1)) is not None:
            found.append(event)
        return found

    def close(self) -> None:
        self.server.close()
        self.inbox.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path / "notify")
    yield found
    found.close()


def _is_beat(events: list[Event]) -> bool:
    return len(events) == 1 and events[0] == Beat(Source.NOTIFY, run_id="the run")


@pytest.mark.parametrize(
    "message",
    [
        b"WATCHDOG=1",
        b"READY=1",
        b"READY=1\nSTATUS=up\nMAINPID=12",
        b"STATUS=x\nWATCHDOG=1\n",
        b"EXTEND_TIMEOUT_USEC=5000000",
        b"junk\n\n=\nWATCHDOG=1\n\xff\xfe",
    ],
)
def test_signs_of_life(bench: Bench, message: bytes) -> None:
    """Ready, a ping, or asking for more time is one sign of life, whatever stands beside it."""
    bench.send(message)
    assert _is_beat(bench.events())


@pytest.mark.parametrize(
    "message", [b"", b"STATUS=busy", b"READY=0", b"WATCHDOG=0", b"XWATCHDOG=1", b"watchdog=1", b"\0" * 50]
)
def test_what_is_no_sign_of_life(bench: Bench, message: bytes) -> None:
    """Words about other things prove no life."""
    bench.send(message)
    assert bench.events() == []


def test_program_may_call_itself_frozen(bench: Bench) -> None:
    """WATCHDOG=trigger asks to be replaced."""
    bench.send(b"WATCHDOG=trigger")
    (event,) = bench.events()
    assert isinstance(event, HangDeclared)
    assert event.run_id == "the run"  # a late word must not end the run after it


def test_status_is_kept_short(bench: Bench) -> None:
    """The newest status text is shown, cut to a line's length, foreign bytes replaced."""
    bench.send(b"STATUS=" + "\u0639".encode() * 1000 + b"\xff")
    bench.events()
    assert bench.server.status_text == "\u0639" * 200
    bench.send(b"STATUS=second\nWATCHDOG=1")
    bench.events()
    assert bench.server.status_text == "second"


def test_many_messages_are_one_sign(bench: Bench) -> None:
    """A program that pings in a loop does not flood the inbox."""
    for _ in range(10):
        bench.send(b"WATCHDOG=1")
    assert len(bench.events()) == 1


def test_words_of_the_run_before_are_thrown_away(bench: Bench) -> None:
    """What waited in the socket when a new run begins is no sign of that run."""
    for _ in range(10):
        bench.send(b"WATCHDOG=1\nSTATUS=old")
    bench.server.begin_run()
    assert bench.events() == []
    assert bench.server.status_text == ""


def test_handed_descriptors_are_closed(bench: Bench) -> None:
    """Descriptors that a program sends along (FDSTORE, BARRIER) are not collected; a barrier is answered by it."""
    before = len(os.listdir("/proc/self/fd"))
    read, write = os.pipe()
    for count in (1, 10, 60):
        bench.send(b"BARRIER=1", *[write] * count)
        bench.events()
    os.close(write)
    assert os.read(read, 1) == b"", "the other end is closed everywhere"
    os.close(read)
    assert len(os.listdir("/proc/self/fd")) == before


def test_other_users_may_not_speak(tmp_path: Path) -> None:
    """A sign from another user is no sign; root and our own user may speak."""
    code = """
import os, socket, sys, time
os.chmod(sys.argv[1], 0o777)
os.chmod(os.path.dirname(sys.argv[1]), 0o777)
if os.fork() == 0:
    if os.getuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65533)
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"WATCHDOG=1", sys.argv[1])
    os._exit(0)
os.wait()
"""
    if os.getuid() != 0:
        code = "import sys"  # nobody else can be played without being root; root itself is tested below
    folder = Path("/dev/shm") / f"notify-{os.getpid()}"
    folder.mkdir(mode=0o700)
    bench = Bench(folder / "notify")
    try:
        subprocess.run([sys.executable, "-c", code, bench.server.address], check=True)
        assert bench.events() == []
        bench.send(b"WATCHDOG=1")
        assert _is_beat(bench.events())
    finally:
        bench.close()
        folder.rmdir()


def test_socket_is_private_and_removed(tmp_path: Path) -> None:
    """It is 0600, replaces a left one, and is gone after closing."""
    path = tmp_path / "notify"
    path.write_text("left by somebody")
    bench = Bench(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_ISSOCK(path.stat().st_mode)
    bench.close()
    assert not path.exists()


def test_deep_folder_gets_a_name_that_a_successor_finds(tmp_path: Path) -> None:
    """Where the path is too long the name has no path, and the next watchdog listens at the very same one."""
    path = tmp_path / ("x" * 120) / "notify"
    path.parent.mkdir()
    first = Bench(path)
    address = first.server.address
    assert address.startswith("@")
    first.send(b"WATCHDOG=1")
    assert _is_beat(first.events())
    first.close()
    second = Bench(path)
    assert second.server.address == address
    second.close()
    (tmp_path / ("x" * 121)).mkdir()
    other = Bench(tmp_path / ("x" * 121) / "notify")
    assert other.server.address != address
    other.close()


def test_taken_name_is_no_end(tmp_path: Path) -> None:
    """If somebody sits on the name without a path, another one is used."""
    path = tmp_path / ("y" * 120) / "notify"
    path.parent.mkdir()
    first = Bench(path)
    second = Bench(path)
    assert second.server.address != first.server.address
    second.send(b"WATCHDOG=1")
    assert _is_beat(second.events())
    assert first.events() == []
    first.close()
    second.close()


def test_we_tell_a_manager_above_us(tmp_path: Path) -> None:
    """Path and abstract addresses both work; without a manager, or with a deaf one, nothing happens."""
    for address in (str(tmp_path / "manager"), f"@manager-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind("\0" + address[1:] if address.startswith("@") else address)
            manager.settimeout(10)
            assert tell_manager("READY=1", "STATUS=\u0639 up", environ={"NOTIFY_SOCKET": address})
            assert manager.recv(1000) == "READY=1\nSTATUS=\u0639 up".encode()
    for address in (
        "",
        "relative",
        "vsock:2:1",
        str(tmp_path / "nobody"),
        "@nobody-here",
        "/" + "x" * 500,
        "/a\0b",
    ):
        assert not tell_manager("READY=1", environ={"NOTIFY_SOCKET": address})
    assert not tell_manager("READY=1", environ={})


def test_full_manager_does_not_hold_us(tmp_path: Path) -> None:
    """A manager that reads nothing fills its queue; telling it never waits."""
    address = str(tmp_path / "manager")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        began = time.monotonic()
        told = [tell_manager("x" * 1000, environ={"NOTIFY_SOCKET": address}) for _ in range(600)]
        assert time.monotonic() - began < 5
        assert told[0]
        assert not told[-1]


def test_signs_wake_the_main_thread(bench: Bench) -> None:
    """A sign ends the wait of the main thread."""
    bench.send(b"WATCHDOG=1")
    assert wait_until(lambda: bench.inbox.get(time.monotonic() + 1), "the event") is not None
