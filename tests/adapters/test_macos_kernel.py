"""What macOS says of processes: shapes as its headers have them, answers read as it gives them."""

import ctypes
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

import mac_world
from waiting import wait_until
from watchdog_cli.adapters import procfs, system
from watchdog_cli.adapters.macos import kernel, processes
from watchdog_cli.adapters.macos.tree_usage import TreeUsage
from watchdog_cli.adapters.marked import find_marked

CATCHES = (
    "import signal, sys, time; signal.signal(signal.SIGUSR1, print); print('on', flush=True); time.sleep(600)"
)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> mac_world.Library:
    return mac_world.enter(monkeypatch)


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    """A child that catches SIGUSR1, with a mark in its environment."""
    environment = {**os.environ, "MARK": "a=b c", "EMPTY": ""}
    process = subprocess.Popen(
        [sys.executable, "-SEc", CATCHES, "", "عربي"], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def _in_state(pid: int, state: str) -> procfs.Stat | None:
    found = processes.stat(pid)
    return found if found is not None and found.state == state else None


def test_shapes_have_the_sizes_of_the_headers() -> None:
    """The structures have the sizes and places that the headers of macOS give for 64 bits."""
    process = kernel.KernelProcess
    assert ctypes.sizeof(process) == 648
    places = {
        name: getattr(process, name).offset for name in ("status", "pid", "caught", "name", "parent", "group")
    }
    assert places == {"status": 36, "pid": 40, "caught": 236, "name": 243, "parent": 560, "group": 564}
    assert ctypes.sizeof(kernel.TaskInfo) == 96
    assert kernel.TaskInfo.threads.offset == 84


def test_process_is_described_in_the_words_of_linux(library, program) -> None:
    """Parent, group, session, name, threads and memory of a process are those that the system knows."""
    found, truth = processes.stat(program.pid), procfs.stat(program.pid)
    assert found is not None
    assert truth is not None
    for word in ("pid", "name", "parent", "group", "session", "threads"):
        assert getattr(found, word) == getattr(truth, word), word
    assert not found.is_zombie
    assert processes.is_same(program.pid, found.start_ticks)
    assert not processes.is_same(program.pid, found.start_ticks + 1)
    assert processes.resident_bytes(program.pid) > 1_000_000
    assert processes.everybody()[program.pid].start_ticks == found.start_ticks


def test_cpu_time_is_counted_in_ticks_of_the_machine(library) -> None:
    """On Apple's own processors a tick is 125/3 ns; seconds come out as seconds."""
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    before = time.process_time()
    found = processes.stat(os.getpid())
    assert found is not None
    assert before - 0.5 <= processes.cpu_seconds(found.cpu_ticks) <= time.process_time() + 0.5


def test_stopped_and_dead_processes_are_told_apart(library, program) -> None:
    """A stopped process is T and lives; a dead one that nobody reaped is a zombie and is not the same any more."""
    os.kill(program.pid, signal.SIGSTOP)
    found = wait_until(lambda: _in_state(program.pid, "T"), "it stops")
    assert processes.is_same(program.pid, found.start_ticks)
    program.kill()
    dead = wait_until(lambda: _in_state(program.pid, "Z"), "it is dead")
    assert dead.is_zombie
    assert dead.start_ticks == found.start_ticks
    assert not processes.is_same(program.pid, dead.start_ticks)


def test_nobody_is_there_under_a_free_number(library) -> None:
    """The kernel answers with nothing, and without an error, for a number that nobody has."""
    process = subprocess.Popen(["true"])
    process.wait()
    assert processes.stat(process.pid) is None
    assert processes.stat(0) is None
    assert processes.resident_bytes(process.pid) == 0
    assert processes.command_line(process.pid) == []
    assert not processes.catches(process.pid, signal.SIGUSR1)


def test_arguments_and_environment_are_kept_apart(library, program) -> None:
    """Empty arguments, other letters and signs of equality come back as they were given."""
    assert processes.command_line(program.pid) == [sys.executable, "-SEc", CATCHES, "", "عربي"]
    assert processes.environment_value(program.pid, b"MARK") == b"a=b c"
    assert processes.environment_value(program.pid, b"EMPTY") == b""
    assert processes.environment_value(program.pid, b"MAR") is None
    assert processes.environment_has(program.pid, b"MARK=a=b c")
    assert not processes.environment_has(program.pid, b"-SEc")
    library.hidden.add(program.pid)
    assert processes.command_line(program.pid) == []
    assert not processes.environment_has(program.pid, b"MARK=a=b c")


@pytest.mark.parametrize(
    "raw", [b"", b"\1", b"\5\0\0\0/bin/x", b"\xff\xff\xff\xff/bin/x\0\0a\0", b"\1\0\0\0"]
)
def test_cut_arguments_are_no_arguments(library, monkeypatch, raw: bytes) -> None:
    """An answer that was cut, or that counts more than it holds, is taken for none."""
    monkeypatch.setattr(library, "_answer", lambda _: raw)
    found = kernel.arguments(1)
    assert found is None or found[1] == []
    assert processes.environment_value(1, b"a") is None


def test_caught_signals_are_known(library, program) -> None:
    """Only a signal with a handler counts as caught."""
    assert processes.catches(program.pid, signal.SIGUSR1)
    assert not processes.catches(program.pid, signal.SIGUSR2)


def test_growing_table_is_asked_again(library) -> None:
    """A table that outgrows its room is asked again, but not for ever."""
    library.growth = 3
    assert os.getpid() in processes.everybody()
    library.growth = 1000
    assert processes.everybody() == {}


def test_marked_processes_are_found_by_any_system(library, program, monkeypatch) -> None:
    """The search for survivors goes through the seam, so it works with what macOS says."""
    monkeypatch.setattr("watchdog_cli.adapters.marked.processes", processes)
    environment = {**os.environ, "WATCHDOG_STATE": "/a/state", "WATCHDOG_RUN_ID": "r1"}
    process = subprocess.Popen([sys.executable, "-SEc", "import time; time.sleep(600)"], env=environment)
    try:
        found = wait_until(lambda: find_marked("/a/state"), "it is found")
        assert [(one.pid, run) for one, run in found] == [(process.pid, "r1")]
    finally:
        process.kill()
        process.wait()


def test_boot_has_a_name_and_ages_are_never_negative(library) -> None:
    """The session of the boot is the kernel's own; a start in the future is an age of nothing."""
    assert processes.boot_id() == mac_world.BOOT
    assert processes.age_s(processes.ticks_now() + 10**9) == 0.0
    assert 4.0 <= processes.age_s(processes.ticks_now() - 5 * processes.TICKS) < 60.0


def test_usage_of_a_tree_counts_its_helpers(library) -> None:
    """Memory of the leader and of whoever is below it are added; a dead leader has none."""
    code = "import os, time; x = bytearray(30_000_000); os.fork(); print('on', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-SEc", code], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        found = processes.stat(process.pid)
        assert found is not None
        usage = TreeUsage(process.pid, found.start_ticks)
        measured = usage.measure()
        assert measured is not None
        assert measured[0] > processes.resident_bytes(process.pid) + 5_000_000
        assert TreeUsage(process.pid, found.start_ticks + 1).measure() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert usage.measure() is None
    usage.close()


@pytest.mark.parametrize("noun", system.__all__)
def test_seam_chooses_the_side_of_macos(noun: str) -> None:
    """On macOS each noun is its own module where it differs, and that of Linux where it does not; never Windows'."""
    module = system.module_of(noun, "darwin")
    own = {"inboxes", "notices", "processes", "trees", "usages"}
    assert module.startswith("watchdog_cli.adapters.macos.") == (noun in own)
    assert ".windows" not in module


@pytest.mark.parametrize(
    ("noun", "name"),
    [("trees", "ChildTree"), ("inboxes", "Inbox"), ("usages", "TreeUsage"), ("notices", "FileNotice")],
)
def test_both_sides_can_the_same(noun: str, name: str) -> None:
    """Each public method of a class behind the seam exists on Linux and on macOS."""
    linux, mac = (
        getattr(importlib.import_module(system.module_of(noun, one)), name) for one in ("linux", "darwin")
    )
    missing = {word for word in dir(linux) if not word.startswith("_")} - set(dir(mac))
    assert missing <= {"owns_all_children"}, "asked by the guard of a lease alone, which is Linux's so far"
