"""Files on Windows: renames against readers, locks, rights."""

import os
import subprocess
import sys
import threading

import pytest

from waiting import wait_until
from watchdog_cli.adapters import sharing
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.adapters.system import locks, processes
from watchdog_kit.atomic_file import write_atomic

SAVES = 100
READ = """
import sys
print("reading", flush=True)
while True:
    try:
        with open(sys.argv[1], "rb") as file:
            file.read()
    except PermissionError:
        continue  # the moment of the rename itself
"""


def test_saves_win_against_a_reader_that_opens_the_target_again_and_again(tmp_path):
    """W07: none of the saves is lost, and no temporary file is left."""
    path = tmp_path / "tokens.json"
    path.write_bytes(b"0")
    reader = subprocess.Popen([sys.executable, "-c", READ, str(path)], stdout=subprocess.PIPE)
    assert reader.stdout.readline().strip() == b"reading"
    try:
        for number in range(1, SAVES + 1):
            write_atomic(path, str(number).encode(), durable=False)
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.communicate()
    assert path.read_bytes() == str(SAVES).encode()
    assert os.listdir(tmp_path) == ["tokens.json"]


def test_a_target_that_stays_open_is_an_error_soon_and_leaves_nothing(tmp_path):
    """W07: the patience is bounded; the old content and no temporary file remain."""
    path = tmp_path / "held.json"
    path.write_bytes(b"old")
    with path.open("rb"), pytest.raises(PermissionError):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["held.json"]


def test_our_own_readers_do_not_hinder_a_rotation(tmp_path):
    """A log that `tail-log -f` holds open is renamed all the same."""
    log = RotatingFile(str(tmp_path / "t.log"), 1000, 3)
    log.open()
    log.write(b"first\n" * 150)
    problems = []
    log.gap._on_problem = problems.append
    descriptor = sharing.to_read(log.path)
    try:
        log.write(b"second\n" * 150)
    finally:
        os.close(descriptor)
    log.close()
    assert problems == []
    names = sorted(os.listdir(tmp_path))
    assert names[:2] == ["t.log", "t.log.1"]
    everything = b"".join((tmp_path / name).read_bytes() for name in reversed(names))
    assert everything.count(b"first\n") + everything.count(b"second\n") == 300


def test_a_rotation_waits_for_a_foreign_reader(tmp_path):
    """Somebody holds the log open without sharing for a moment: nothing is lost, the rotation comes later."""
    log = RotatingFile(str(tmp_path / "t.log"), 1000, 3)
    log.open()
    log.write(b"first\n" * 150)
    held = open(log.path, "rb")
    timer = threading.Timer(0.5, held.close)
    timer.start()
    log.write(b"second\n" * 150)
    timer.join()
    log.close()
    names = sorted(os.listdir(tmp_path))
    everything = b"".join((tmp_path / name).read_bytes() for name in reversed(names))
    assert everything.count(b"first\n") == 150
    assert everything.count(b"second\n") == 150
    assert "t.log.1" in names


HOLD = """
import sys
from watchdog_cli.adapters.system import locks
lock = locks.InstanceLock(sys.argv[1]); lock.acquire("x"); print("held", flush=True); sys.stdin.read()
"""


def test_the_lock_names_its_holder_and_goes_with_it(tmp_path):
    """Another process sees who holds it, and that nobody does after a kill."""
    path = str(tmp_path / "lock")
    assert locks.holder(path) is None
    holding = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holding.stdout.readline().strip() == b"held"
    try:
        assert locks.holder(path) == holding.pid
        assert locks.holder(path) == holding.pid
    finally:
        holding.kill()
        holding.communicate()
    wait_until(lambda: locks.holder(path) is None, "the end of the lock", 30)


def test_a_process_is_known_by_the_time_of_its_making():
    """The same process has the same ticks each time; an ended one is nobody, though its number is still held."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    first = processes.stat(child.pid)
    assert first is not None
    assert processes.is_same(child.pid, first.start_ticks)
    assert not processes.is_same(child.pid, first.start_ticks + 1)
    assert processes.everybody()[child.pid].parent == os.getpid()
    assert 0 <= processes.age_s(first.start_ticks) < 60
    assert processes.resident_bytes(child.pid) > 100_000
    child.communicate(b"\n")
    assert processes.stat(child.pid) is None
    assert processes.boot_id() == processes.boot_id() != ""
