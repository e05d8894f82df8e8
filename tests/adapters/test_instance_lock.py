"""The lock: one watchdog per name and folder, freed by the kernel, and never by accident."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trees import Strangers
from waiting import wait_until
from watchdog_cli.adapters.instance_lock import HANDED_OVER, InstanceLock, holder
from watchdog_cli.core.errors import AlreadyRunningError, StorageError

HOLDS = """
import sys, time
from watchdog_cli.adapters.instance_lock import InstanceLock
lock = InstanceLock(sys.argv[1])
lock.acquire("tracker")
print("held", flush=True)
time.sleep(600)
"""


def _start_holder(path: Path, others: Strangers) -> subprocess.Popen[bytes]:
    process = others.start([sys.executable, "-c", HOLDS, str(path)])
    wait_until(lambda: holder(str(path)) == process.pid, "the lock of another process")
    return process


def test_second_is_refused_at_once_and_told_who(tmp_path: Path, others: Strangers) -> None:
    """Whoever comes second hears the pid of the first, without waiting."""
    path = tmp_path / "lock"
    process = _start_holder(path, others)
    began = time.monotonic()
    with pytest.raises(
        AlreadyRunningError, match=rf"a watchdog \(pid {process.pid}\) already looks after 'tracker'"
    ):
        InstanceLock(str(path)).acquire("tracker")
    assert time.monotonic() - began < 1


def test_killed_holder_frees_it(tmp_path: Path, others: Strangers) -> None:
    """After kill -9 of the holder the next one gets it at once."""
    path = tmp_path / "lock"
    process = _start_holder(path, others)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert holder(str(path)) is None
    lock = InstanceLock(str(path))
    lock.acquire("tracker")
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


@pytest.mark.parametrize("content", ["1\n", "99999999\n", "garbage", "", "x" * 100_000])
def test_what_stands_in_the_file_decides_nothing(tmp_path: Path, content: str) -> None:
    """A left file with any pid in it, our own included, is no lock."""
    path = tmp_path / "lock"
    path.write_text(content or f"{os.getpid()}")
    assert holder(str(path)) is None
    lock = InstanceLock(str(path))
    lock.acquire("tracker")
    assert not lock.was_handed_over
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_asking_does_not_take(tmp_path: Path, others: Strangers) -> None:
    """Many questions from outside neither block nor free the lock."""
    path = tmp_path / "lock"
    process = _start_holder(path, others)
    assert [holder(str(path)) for _ in range(50)] == [process.pid] * 50
    assert holder(str(tmp_path / "nowhere")) is None


def test_children_do_not_hold_it(tmp_path: Path) -> None:
    """A program that the holder started keeps nothing: when the holder ends, the lock is free."""
    path = tmp_path / "lock"
    code = (
        "import subprocess, sys; from watchdog_cli.adapters.instance_lock import InstanceLock;"
        "lock = InstanceLock(sys.argv[1]); lock.acquire('t');"
        "print(subprocess.Popen(['sleep', '600'], stdout=-3, stderr=-3).pid)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    sleeper = int(done.stdout)
    try:
        assert holder(str(path)) is None
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_lock_goes_through_an_exec(tmp_path: Path, others: Strangers) -> None:
    """A process that replaces its own program keeps the lock all the time, and its children do not get the key."""
    path = tmp_path / "lock"
    after = (
        "import os, subprocess, sys, time; from watchdog_cli.adapters.instance_lock import InstanceLock, HANDED_OVER;"
        "lock = InstanceLock(sys.argv[1]); lock.acquire('t');"
        "word = f'{lock.was_handed_over} {HANDED_OVER in os.environ} {os.get_inheritable(lock.descriptor)}';"
        "open(sys.argv[1] + '-after', 'w').write(word); time.sleep(600)"
    )
    before = (
        "import os, sys, time; from watchdog_cli.adapters.instance_lock import InstanceLock, HANDED_OVER;"
        "lock = InstanceLock(sys.argv[1]); lock.acquire('t');\n"
        "while not os.path.exists(sys.argv[1] + '-go'): time.sleep(0.01)\n"
        "os.set_inheritable(lock.descriptor, True);"
        "os.execve(sys.executable, [sys.executable, '-c', sys.argv[2], sys.argv[1]],"
        " {**os.environ, HANDED_OVER: str(lock.descriptor)})"
    )
    process = others.start([sys.executable, "-c", before, str(path), after])
    wait_until(lambda: holder(str(path)) == process.pid, "the lock")
    (tmp_path / "lock-go").touch()
    seen = set()

    def done() -> bool:
        seen.add(holder(str(path)))
        return (tmp_path / "lock-after").exists() and (tmp_path / "lock-after").read_text() != ""

    wait_until(done, "the next image")
    assert seen == {process.pid}
    assert (tmp_path / "lock-after").read_text() == "True False False"


@pytest.mark.parametrize("handed", ["77", "-1", "x", "0", "99999999999999999999", "\u0663"])
def test_wrong_descriptor_in_the_environment_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed: str
) -> None:
    """An inherited or invented entry that does not lead to this lock is ignored and removed."""
    monkeypatch.setenv(HANDED_OVER, handed)
    lock = InstanceLock(str(tmp_path / "lock"))
    lock.acquire("tracker")
    assert not lock.was_handed_over
    assert HANDED_OVER not in os.environ
    assert holder(str(tmp_path / "lock")) != os.getpid() or lock.descriptor is not None
    lock.release()


@pytest.mark.parametrize("kind", ["folder", "missing parent"])
def test_impossible_places_are_storage_errors(tmp_path: Path, kind: str) -> None:
    """A lock that cannot be made is told with its path."""
    path = tmp_path / ("lock" if kind == "folder" else "nowhere/lock")
    if kind == "folder":
        path.mkdir()
    with pytest.raises(StorageError, match=r"cannot open .*lock"):
        InstanceLock(str(path)).acquire("tracker")


def test_releasing_twice_is_harmless(tmp_path: Path) -> None:
    """After release anybody may take it; a second release is no error."""
    lock = InstanceLock(str(tmp_path / "lock"))
    lock.acquire("tracker")
    lock.release()
    lock.release()
    again = InstanceLock(str(tmp_path / "lock"))
    again.acquire("tracker")
    again.release()
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
