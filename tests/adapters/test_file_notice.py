"""Notices of file changes: each kind of change wakes us, and their lack is told."""

import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import stays_true, wait_until
from watchdog_cli.adapters import libc
from watchdog_cli.adapters.file_notice import InotifyNotice, ObserverNotice
from watchdog_cli.adapters.inbox import Inbox


class Bench:
    """A watched file, and how often we were woken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inbox = Inbox()
        self.woken = 0
        self.notice = InotifyNotice(self.inbox, str(path), self._changed)

    def _changed(self) -> None:
        self.woken += 1

    def turn(self) -> int:
        """Take what the kernel has to tell; return how often we were called since the last turn."""
        before = self.woken
        self.inbox.poll()
        return self.woken - before

    def replace(self, content: str = "{}") -> None:
        fresh = self.path.with_name("fresh.tmp")
        fresh.write_text(content)
        fresh.replace(self.path)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "watched"
    folder.mkdir()
    found = Bench(folder / "heartbeat.json")
    yield found
    found.notice.close()
    found.inbox.close()


def test_each_kind_of_change_wakes(bench: Bench) -> None:
    """Created, replaced, rewritten in place, touched, again and again: each wakes at least once."""
    assert bench.notice.ensure() is None
    for _ in range(3):
        bench.replace()
        assert bench.turn() >= 1, "replaced"
        bench.path.write_text('{"a": 1}')
        assert bench.turn() >= 1, "rewritten"
        os.utime(bench.path)
        assert bench.turn() >= 1, "touched"
        with bench.path.open("r+b", buffering=0) as held:
            held.write(b"x")
            assert bench.turn() >= 1, "written and still held open"
        bench.turn()
    bench.path.unlink()
    bench.turn()
    bench.path.write_text("{}")
    assert bench.turn() >= 1, "made anew"
    os.utime(bench.path)
    assert bench.turn() >= 1, "and watched again"


def test_other_files_do_not_wake(bench: Bench) -> None:
    """A log in the same folder may be written all day."""
    bench.replace()
    assert bench.notice.ensure() is None
    bench.turn()
    other = bench.path.with_name("tracker.log")
    for number in range(20):
        with other.open("a") as file:
            file.write(f"{number}\n")
        other.with_name(f"{number}.tmp").write_text("x")
    assert bench.turn() == 0


def test_many_changes_are_one_call(bench: Bench) -> None:
    """What piled up while we did something else is looked at once."""
    bench.replace()
    assert bench.notice.ensure() is None
    bench.turn()
    for _ in range(100):
        bench.path.write_text("{}")
    assert bench.turn() == 1


def test_replaced_folder_can_be_watched_again(bench: Bench) -> None:
    """When the folder itself is moved away, that wakes once, and ``ensure`` begins anew in the new one."""
    bench.replace()
    assert bench.notice.ensure() is None
    bench.turn()
    folder = bench.path.parent
    folder.rename(folder.with_name("old"))
    assert bench.turn() >= 1
    assert bench.notice.ensure() is not None, "nothing there to watch"
    folder.mkdir()
    assert bench.notice.ensure() is None
    bench.replace()
    assert bench.turn() >= 1


def test_missing_folder_is_told(tmp_path: Path) -> None:
    """A folder that does not exist cannot be watched; the reason is returned and no descriptor is lost."""
    bench = Bench(tmp_path / "nowhere" / "heartbeat.json")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        assert bench.notice.ensure() == "no such file or directory"
    assert len(os.listdir("/proc/self/fd")) == before
    bench.inbox.close()


def test_kernel_limits_are_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many watchers of this user, or too many watches: the reason is returned, and later it may work."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [libc.inotify_open()]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 1, hard))
        while True:
            try:
                taken.append(libc.inotify_open())
            except OSError:
                break
        assert bench.notice.ensure() == "too many open files"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)

    def refuse(descriptor: int, path: str, mask: int) -> int:
        raise OSError(28, "No space left on device", path)

    with monkeypatch.context() as patch:
        patch.setattr(libc, "inotify_add", refuse)
        assert bench.notice.ensure() == "no space left on device"
    assert bench.notice.ensure() is None
    bench.replace()
    assert bench.turn() >= 1


def test_queue_that_ran_over_is_a_reason_to_look(bench: Bench) -> None:
    """When the kernel dropped notices it says so, and we look."""
    bench.replace()
    assert bench.notice.ensure() is None
    bench.turn()
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    other = bench.path.with_name("other")
    for _ in range(limit // 2 + 10):  # alternating, or equal neighbours are merged
        for path in (other, other.with_name("another")):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
    calls = 0
    for _ in range(1000):
        calls += bench.turn()
    assert calls >= 1


def test_names_of_any_bytes(tmp_path: Path) -> None:
    """A heartbeat with a name that is no UTF-8 is watched like any other."""
    bench = Bench(tmp_path / "h\udcffb \u0639")
    assert bench.notice.ensure() is None
    bench.replace()
    assert bench.turn() >= 1
    bench.notice.close()
    bench.inbox.close()


def test_closing_twice_is_harmless(bench: Bench) -> None:
    """After closing nothing wakes, and closing again is no error."""
    assert bench.notice.ensure() is None
    bench.notice.close()
    bench.notice.close()
    bench.replace()
    assert bench.turn() == 0


def test_library_observer_tells_of_each_change(tmp_path: Path) -> None:
    """Where there is no inotify of our own, the library wakes for a replaced and a touched file, not for others."""
    path = tmp_path / "heartbeat.json"
    wakes: list[float] = []
    notice = ObserverNotice(str(path), lambda: wakes.append(time.monotonic()))
    assert notice.ensure() is None
    try:
        fresh = tmp_path / "fresh.tmp"
        fresh.write_text("{}")
        fresh.replace(path)
        wait_until(lambda: wakes, "a wake-up for the replaced file")
        stays_true(lambda: True, "the rest", 0.1)
        count = len(wakes)
        os.utime(path)
        wait_until(lambda: len(wakes) > count, "a wake-up for the touched file")
        stays_true(lambda: True, "the rest", 0.1)
        count = len(wakes)
        (tmp_path / "other").write_text("x")
        stays_true(lambda: len(wakes) == count, "silence for another file", 0.3)
        assert notice.ensure() is None
    finally:
        notice.close()


def test_library_observer_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A folder that cannot be watched is told, not raised."""
    notice = ObserverNotice(str(tmp_path / "nowhere" / "x"), lambda: None)
    assert notice.ensure()
    notice.close()


def test_library_that_does_not_come_back_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread of the library that the system never wakes is left behind: the end of the watchdog waits a moment."""
    from watchdog.observers.api import EventEmitter

    comes_back = threading.Event()
    monkeypatch.setattr(EventEmitter, "join", lambda _: comes_back.wait(60))
    notice = ObserverNotice(str(tmp_path / "heartbeat.json"), lambda: None)
    assert notice.ensure() is None
    ended = threading.Thread(target=notice.close, daemon=True)
    ended.start()
    ended.join(30)
    assert not ended.is_alive()
    assert not comes_back.is_set()
    comes_back.set()
