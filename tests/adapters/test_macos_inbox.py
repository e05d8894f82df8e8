"""The wait of the main thread on macOS, with the exact calls of kqueue that are made."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

import mac_world
from next_event import next_event
from waiting import wait_until
from watchdog_cli.adapters.macos.inbox import Inbox
from watchdog_cli.adapters.macos.notices import FileNotice
from watchdog_cli.core.events import Tick


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    mac_world.enter(monkeypatch)
    found = Inbox()
    yield found
    found.close()


def test_events_deadlines_and_threads(inbox: Inbox) -> None:
    """Events keep their order, a deadline ends the wait, and another thread wakes it."""
    inbox.put(Tick())
    assert inbox.take_waiting() == [Tick()]
    until = time.monotonic() + 0.05
    assert inbox.get(until) is None
    assert time.monotonic() >= until - 0.002
    thread = threading.Thread(target=inbox.put, args=(Tick(),))
    thread.start()
    event = next_event(inbox)
    thread.join()
    assert event == Tick()


def test_descriptors_are_added_and_deleted_by_their_filter(inbox: Inbox) -> None:
    """Reading and writing are filters of their own; each is deleted as it was added, and tells no more."""
    read, write = os.pipe()
    told: list[str] = []
    try:
        inbox.register(read, lambda: told.append("read"))
        inbox.register(write, lambda: told.append("write"), writable=True)
        inbox.poll()
        assert told == ["write"]
        inbox.unregister(write)
        os.write(write, b"x")
        inbox.poll()
        assert told == ["write", "read"]
        inbox.unregister(read)
        inbox.unregister(read)
        inbox.poll()
        assert told == ["write", "read"]
        calls = [call for call in inbox._queue.calls if call[0] in (read, write)]
        assert calls == [
            (read, -1, 0x1, 0, 0),
            (write, -2, 0x1, 0, 0),
            (write, -2, 0x2, 0, 0),
            (read, -1, 0x2, 0, 0),
        ]
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize(("code", "status"), [("exit 7", 7 << 8), ("kill -9 $$", 9)])
def test_end_of_a_process_comes_with_its_status(inbox: Inbox, code: str, status: int) -> None:
    """NOTE_EXIT with NOTE_EXITSTATUS is asked once for a process, and brings what wait(2) would give."""
    process = subprocess.Popen(["sh", "-c", f"read x; {code}"], stdin=subprocess.PIPE)
    told: list[int | None] = []
    assert inbox.watch_process(process.pid, told.append)
    assert inbox._queue.calls[-1] == (process.pid, -5, 0x11, 0x84000000, 0)
    process.communicate(b"\n")
    process.returncode = 0
    wait_until(lambda: inbox.poll() or told, "its end")
    inbox.poll()
    # The status is gone with the reaping; what matters is that it is never invented.
    assert told in ([status], [None])


def test_status_of_an_unreaped_child_is_told(inbox: Inbox) -> None:
    """As long as nobody has reaped it, its status is told exactly."""
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "kill -STOP $$; exit 7"], dict(os.environ))
    told: list[int | None] = []
    assert inbox.watch_process(pid, told.append)
    os.kill(pid, signal.SIGCONT)

    def ended() -> object:
        os.kill(pid, signal.SIGCONT)  # it may stop only now
        inbox.poll()
        return told

    wait_until(ended, "its end")
    assert told == [7 << 8]
    assert os.waitpid(pid, 0) == (pid, 7 << 8)


def test_process_that_is_gone_cannot_be_watched(inbox: Inbox) -> None:
    """The kernel refuses to watch who is ending or gone; nobody is told later then."""
    process = subprocess.Popen(["true"])
    process.wait()
    assert not inbox.watch_process(process.pid, lambda _: pytest.fail("told"))
    inbox.poll()


def test_status_of_another_users_process_is_not_asked_twice(inbox: Inbox, monkeypatch) -> None:
    """Where the status is refused, the end alone is asked for."""
    process = subprocess.Popen(["sleep", "600"])
    change = inbox._queue._change

    def refuse(one: mac_world.Kevent) -> None:
        if one.fflags & mac_world.NOTE_EXITSTATUS:
            raise PermissionError("not yours")
        change(one)

    monkeypatch.setattr(inbox._queue, "_change", refuse)
    told: list[int | None] = []
    assert inbox.watch_process(process.pid, told.append)
    process.kill()
    wait_until(lambda: inbox.poll() or told, "its end")
    assert told == [None]
    process.wait()


def test_forgotten_process_is_not_told(inbox: Inbox) -> None:
    """A process that is watched no more ends unnoticed; forgetting twice, or after its end, is nothing."""
    process = subprocess.Popen(["sleep", "600"])
    assert inbox.watch_process(process.pid, lambda _: pytest.fail("told"))
    inbox.forget_process(process.pid)
    inbox.forget_process(process.pid)
    process.kill()
    process.wait()
    inbox.poll()
    assert not inbox._queue._pidfds


def test_timer_calls_once(inbox: Inbox) -> None:
    """A timer is one oneshot event in milliseconds; it calls once and ends the wait."""
    told: list[int] = []
    inbox.call_after(30, lambda: told.append(1))
    assert inbox._queue.calls[-1] == (1, -7, 0x11, 0, 30)
    wait_until(lambda: inbox.get(time.monotonic() + 5) or told, "the timer")
    inbox.poll()
    assert told == [1]


def test_signal_ends_the_wait(inbox: Inbox) -> None:
    """The handler's byte in the pipe ends an endless wait, and what waits is called in the main thread."""
    told: list[str] = []
    inbox.after_wake = lambda: told.append("woken")
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    old = signal.set_wakeup_fd(inbox.wake_fd)
    try:
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGUSR1]).start()
        while not told:
            assert inbox.get(time.monotonic() + 30) is None
    finally:
        signal.set_wakeup_fd(old)
        signal.signal(signal.SIGUSR1, before)
    inbox.call(lambda: told.append("called"))
    inbox.poll()
    assert told[:2] == ["woken", "called"]


def test_full_pipe_of_wakes_is_no_fault(inbox: Inbox) -> None:
    """More wake-ups than the pipe holds are one wake-up."""
    for _ in range(70_000):
        inbox.wake()
    inbox.poll()
    assert inbox.get(time.monotonic()) is None


def test_notice_of_a_file_below_a_link_reaches_the_main_thread(inbox: Inbox, tmp_path) -> None:
    """A heartbeat put in place below a linked folder is noticed, and looked at by the main thread."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    told: list[int] = []
    notice = FileNotice(
        inbox, str(tmp_path / "link" / "heartbeat.json"), lambda: told.append(threading.get_ident())
    )
    try:
        assert notice.ensure() is None
        (tmp_path / "real" / "new").write_text("{}")
        os.replace(tmp_path / "real" / "new", tmp_path / "real" / "heartbeat.json")
        wait_until(lambda: inbox.get(time.monotonic() + 0.2) or told, "a notice", 30)
        assert set(told) == {threading.get_ident()}
    finally:
        notice.close()
