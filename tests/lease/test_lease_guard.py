"""The guard: it kills at the written instant and not before, everybody of the program, and nobody else."""

import os
import signal
import subprocess
import sys
import sysconfig
import uuid
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

import watchdog_cli
import watchdog_kit
from waiting import stays_true, wait_until
from watchdog_cli.adapters import boot_clock, procfs
from watchdog_cli.adapters.guard import Guard, kill_same, read_end

TREE = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], env={})
print("ready", flush=True)
time.sleep(300)
"""


@pytest.fixture
def state(tmp_path: Path) -> str:
    """A state folder that nobody else has."""
    folder = tmp_path / uuid.uuid4().hex
    folder.mkdir()
    return str(folder)


@pytest.fixture
def tree(state: str) -> Iterator[list[procfs.Stat]]:
    """A program with a helper in a session of its own and one without any mark."""
    leader = subprocess.Popen(
        [sys.executable, "-c", TREE],
        stdout=subprocess.PIPE,
        env={**os.environ, "WATCHDOG_STATE": state, "WATCHDOG_RUN_ID": "a"},
        start_new_session=True,
    )
    assert leader.stdout is not None
    assert leader.stdout.readline() == b"ready\n"
    everyone = procfs.everybody()
    members = [everyone[leader.pid], *(everyone[pid] for pid in procfs.descendants({leader.pid}, everyone))]
    assert len(members) == 3
    yield members
    for one in members:
        if procfs.is_same(one.pid, one.start_ticks):
            os.kill(one.pid, signal.SIGKILL)
    leader.wait()
    leader.stdout.close()


@pytest.fixture
def guard(state: str) -> Iterator[Guard]:
    """Not begun."""
    made = Guard(f"{state}/guard", state, takes_all_children=False)
    yield made
    made.close()


def living(tree: list[procfs.Stat]) -> int:
    """How many of the tree live."""
    return sum(procfs.is_same(one.pid, one.start_ticks) for one in tree)


@pytest.mark.timeout(120)
def test_the_whole_tree_dies_at_the_instant_and_nobody_else(guard: Guard, tree: list[procfs.Stat]) -> None:
    """Also those who left its session or its environment; a stranger beside it lives on."""
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    try:
        guard.begin(boot_clock.now_s() + 3600)
        stays_true(lambda: living(tree) == 3, "the tree lives", 0.3)
        guard.extend(boot_clock.now_s() + 3600)
        assert guard.lives
        guard.close()
        guard.begin(boot_clock.now_s() + 0.5)
        wait_until(lambda: living(tree) == 0, "the end of the tree", 30)
        assert stranger.poll() is None
        assert guard.lives, "it stays, for what may be started still"
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.timeout(120)
def test_an_instant_that_moved_on_is_honoured(guard: Guard, tree: list[procfs.Stat]) -> None:
    """The guard sleeps until the first instant and finds another one written."""
    guard.begin(boot_clock.now_s() + 0.5)
    guard.extend(boot_clock.now_s() + 3600)
    stays_true(lambda: living(tree) == 3, "the tree lives", 1.5)


@pytest.mark.timeout(120)
def test_a_guard_that_is_frozen_acts_when_it_goes_on(guard: Guard, tree: list[procfs.Stat]) -> None:
    """As after a suspend of the whole machine."""
    guard.begin(boot_clock.now_s() + 0.3)
    os.kill(guard.pid, signal.SIGSTOP)
    stays_true(lambda: living(tree) == 3, "the tree lives", 0.6)
    os.kill(guard.pid, signal.SIGCONT)
    wait_until(lambda: living(tree) == 0, "the end of the tree", 30)


@pytest.mark.timeout(120)
def test_an_old_guard_is_ended_by_its_identity_only(guard: Guard) -> None:
    """A number that was given to somebody else is left alone."""
    guard.begin(boot_clock.now_s() + 3600)
    found = procfs.stat(guard.pid)
    assert found is not None
    kill_same(guard.pid, found.start_ticks + 1)
    assert guard.lives
    kill_same(guard.pid, found.start_ticks)
    wait_until(lambda: not guard.lives, "its end", 30)


def test_a_half_written_instant_is_none(tmp_path: Path) -> None:
    """Only two equal copies count."""
    path = tmp_path / "guard"
    path.write_bytes(b"%023.6f\n" % 12.5 * 2)
    descriptor = os.open(path, os.O_RDWR)
    try:
        assert read_end(descriptor) == 12.5
        os.pwrite(descriptor, b"9", 3)
        assert read_end(descriptor) is None
        os.ftruncate(descriptor, 30)
        assert read_end(descriptor) is None
    finally:
        os.close(descriptor)


ELSEWHERE = """
import sys
sys.path += sys.argv[1:3]
from watchdog_cli.adapters import boot_clock
from watchdog_cli.adapters.guard import Guard
guard = Guard(sys.argv[3] + "/guard", sys.argv[3], takes_all_children=False)
guard.begin(boot_clock.now_s() + 3600)
print(guard.lives)
guard.close()
"""


@pytest.mark.timeout(120)
def test_a_guard_runs_the_packages_of_its_watchdog(state: str, tmp_path: Path) -> None:
    """Also where the Python does not find them by itself, as in a single file; no other package hides a library."""
    venv.create(tmp_path / "bare", with_pip=False)
    home = tmp_path / "unpacked"
    home.mkdir()
    for package in (watchdog_cli, watchdog_kit):
        assert package.__file__ is not None
        folder = Path(package.__file__).parent
        (home / folder.name).symlink_to(folder)
    (home / "select.py").write_text("raise SystemExit('hidden')")
    done = subprocess.run(
        [tmp_path / "bare" / "bin" / "python", "-c", ELSEWHERE, home, sysconfig.get_path("purelib"), state],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
