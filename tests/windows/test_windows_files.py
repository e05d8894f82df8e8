"""Files on Windows: renames against readers, locks, rights."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from ctypes import wintypes
from pathlib import Path

import pytest

from waiting import wait_until
from watchdog_cli.adapters import sharing
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.adapters.signals import Signals
from watchdog_cli.adapters.system import controls, inboxes, locks, processes
from watchdog_cli.adapters.windows import api, control, rights
from watchdog_cli.core.events import StopAsked
from watchdog_kit.atomic_file import Steps, write_atomic

pytestmark = pytest.mark.timeout(180)  # each start of a process takes its time under Wine
READERS = """
import os, sys

def touch(path):
    os.close(os.open(path, os.O_RDONLY | os.O_BINARY))

def read(path):
    with open(path, "rb") as file:
        file.read()

look = {"opens": touch, "reads": read}[sys.argv[1]]
print("begins", flush=True)
while True:
    try:
        look(sys.argv[2])
    except PermissionError:
        continue  # the moment of the rename itself
"""


class Counted(Steps):
    """Counts how often a save had to wait."""

    def __init__(self) -> None:
        self.pauses = 0

    def pause(self, seconds: float) -> None:
        self.pauses += 1
        super().pause(seconds)


@pytest.mark.parametrize(("reader", "saves"), [("opens", 1000), ("reads", 20)])
def test_W07_saves_win_against_a_reader_that_opens_the_target_again_and_again(tmp_path, reader, saves):
    """None of the saves is lost, no temporary file is left, and the reader was in the way; one that reads holds on."""
    path = tmp_path / "tokens.json"
    path.write_bytes(b"0")
    steps = Counted()
    reading = subprocess.Popen([sys.executable, "-c", READERS, reader, str(path)], stdout=subprocess.PIPE)
    assert reading.stdout.readline().strip() == b"begins"
    try:
        for number in range(1, saves + 1):
            write_atomic(path, str(number).encode(), durable=False, steps=steps)
        assert reading.poll() is None
    finally:
        reading.kill()
        reading.communicate()
    assert path.read_bytes() == str(saves).encode()
    assert os.listdir(tmp_path) == ["tokens.json"]
    assert steps.pauses > saves / 20


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
    held = Path(log.path).open("rb")  # noqa: SIM115 - closed by the timer
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


def rights_of(get, thing) -> str:
    """Who may do what with it, as the system tells it."""
    room = ctypes.create_string_buffer(4096)
    needed, text = wintypes.DWORD(), ctypes.c_wchar_p()
    assert get(thing, 4, room, len(room), ctypes.byref(needed))
    convert = api.advapi32.ConvertSecurityDescriptorToStringSecurityDescriptorW
    assert convert(room, 1, 4, ctypes.byref(text), None)
    return text.value


def test_the_control_pipe_is_for_its_user_administrators_and_the_system(tmp_path):
    """The kernel keeps the list that we gave; nobody else stands in it, and the right ones get an answer."""
    inbox = inboxes.Inbox()
    server = controls.ControlServer(inbox, str(tmp_path), lambda ask, _request, _client: {"heard": ask})
    server.open()
    try:
        name = (tmp_path / "control").read_text().strip()
        pipe = control._connect(name, 5.0)
        api.advapi32.GetKernelObjectSecurity.argtypes = [wintypes.HANDLE, *[ctypes.c_void_p] * 4]
        said = rights_of(api.advapi32.GetKernelObjectSecurity, pipe)
        api.close(pipe)
        assert said.startswith("D:P")
        assert sorted(part.split(";")[-1] for part in said.split("(")[1:]) == sorted(
            ["SY)", "BA)", f"{rights.own_sid()})"]
        )
        answers = []
        asking = threading.Thread(
            target=lambda: answers.extend(controls.ask(str(tmp_path), {"ask": "x"}, limit_s=30))
        )
        asking.start()
        wait_until(lambda: inbox.get(time.monotonic() + 0.05) or not asking.is_alive(), "an answer", 30)
        asking.join()
        assert answers == [{"v": 1, "heard": "x"}]
    finally:
        server.close()
        inbox.close()
    with pytest.raises(controls.NoAnswerError):
        list(controls.ask(str(tmp_path), {"ask": "x"}, limit_s=1))


def test_a_state_folder_is_closed_to_everybody_else(tmp_path):
    """The entry for everybody, which a new folder has here, is gone."""
    api.advapi32.GetFileSecurityW.argtypes = [wintypes.LPCWSTR, wintypes.DWORD, *[ctypes.c_void_p] * 3]
    folder = tmp_path / "state"
    folder.mkdir()
    assert ";WD)" in rights_of(api.advapi32.GetFileSecurityW, str(folder))
    rights.make_private(str(folder))
    after = rights_of(api.advapi32.GetFileSecurityW, str(folder))
    assert ";WD)" not in after
    assert rights.own_sid() in after


def test_a_signal_ends_a_wait_at_once():
    """Ctrl-C and Ctrl-Break come in a thread of the system's: the main thread wakes, though it sleeps in no slices."""
    inbox = inboxes.Inbox()
    with Signals(inbox, is_init=False):
        timer = threading.Timer(0.5, lambda: signal.raise_signal(signal.SIGBREAK))
        begun = time.monotonic()
        timer.start()
        event = None
        while event is None and time.monotonic() < begun + 50:
            event = inbox.get(begun + 60)
        took = time.monotonic() - begun
        timer.join()
    inbox.close()
    assert isinstance(event, StopAsked)
    assert took < 30


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
