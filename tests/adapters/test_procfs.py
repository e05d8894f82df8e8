"""What /proc says, read right whatever processes call themselves."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from trees import Strangers, lives, python
from waiting import wait_until
from watchdog_cli.adapters import procfs


def _named(others: Strangers, tmp_path: Path, name: bytes) -> int:
    code = (
        f"import pathlib, sys, time; open('/proc/self/comm', 'wb').write({name!r});"
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    )
    process = others.start(python(code, str(tmp_path / "up")))
    wait_until((tmp_path / "up").exists, "its name")
    return process.pid


@pytest.mark.parametrize(
    "name", [b"a b", b") R 1 2 (", b"((((", b"))))", b"x\ny)", b"\xff\xfe", "\u0639\u0631".encode()]
)
def test_names_do_not_shift_the_fields(others: Strangers, tmp_path: Path, name: bytes) -> None:
    """Brackets, spaces, line ends and foreign bytes in a name leave parent, group and session right."""
    pid = _named(others, tmp_path, name)
    found = procfs.stat(pid)
    assert found is not None
    assert found.name == name.decode("utf-8", "replace")
    assert (found.pid, found.parent) == (pid, os.getpid())
    assert found.state in "SR"
    assert (found.group, found.session) == (os.getpgid(pid), os.getsid(pid))
    assert found.threads == 1


def test_same_facts_as_a_helper_library(others: Strangers) -> None:
    """Start, CPU time and memory agree with what psutil reads."""
    code = (
        "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ntime.sleep(600)"
    )
    process = others.start(python(code))
    theirs = psutil.Process(process.pid)
    wait_until(lambda: sum(theirs.cpu_times()[:2]) >= 0.3, "some CPU time")
    found = procfs.stat(process.pid)
    assert found is not None
    assert procfs.cpu_seconds(found.cpu_ticks) == pytest.approx(sum(theirs.cpu_times()[:2]), abs=0.05)
    assert procfs.resident_bytes(process.pid) == pytest.approx(theirs.memory_info().rss, rel=0.2)
    assert procfs.age_s(found.start_ticks) == pytest.approx(time.time() - theirs.create_time(), abs=1.0)
    assert procfs.command_line(process.pid) == theirs.cmdline()
    assert procfs.ticks_now() >= found.start_ticks


def test_zombie_is_seen_as_such(others: Strangers) -> None:
    """A dead process that nobody has reaped is found, and is not alive."""
    process = others.start(["true"])
    found = wait_until(lambda: _zombie(process.pid), "a zombie")
    assert not procfs.is_same(process.pid, found.start_ticks)
    assert not lives(process.pid)
    assert procfs.command_line(process.pid) == []
    assert procfs.resident_bytes(process.pid) == 0
    process.wait()
    assert procfs.stat(process.pid) is None


def _zombie(pid: int) -> procfs.Stat | None:
    found = procfs.stat(pid)
    return found if found is not None and found.is_zombie else None


def test_gone_process_gives_nothing() -> None:
    """Of a pid that nobody has there is no fact and no error."""
    nobody = (1 << 22) + 1
    assert procfs.stat(nobody) is None
    assert not procfs.is_same(nobody, 0)
    assert not procfs.environment_has(nobody, b"A=b")
    assert procfs.environment_value(nobody, b"A") is None
    assert procfs.command_line(nobody) == []
    assert procfs.resident_bytes(nobody) == 0
    assert not procfs.catches(nobody, signal.SIGTERM)


def test_environment_is_matched_as_a_whole(others: Strangers) -> None:
    """Only a whole entry counts: no part of a name, no part of a value, nothing that merely holds it."""
    environment = {
        "XWATCHDOG_RUN_ID": "r",
        "A": "WATCHDOG_RUN_ID=r",
        "WATCHDOG_RUN_ID": "r2",
        "E": "",
        "Q": "a=b",
    }
    process = others.start(python("import time; time.sleep(600)"), env=environment)
    wait_until(lambda: procfs.environment_value(process.pid, b"Q"), "its environment")
    assert not procfs.environment_has(process.pid, b"WATCHDOG_RUN_ID=r")
    assert procfs.environment_has(process.pid, b"WATCHDOG_RUN_ID=r2")
    assert procfs.environment_value(process.pid, b"WATCHDOG_RUN_ID") == b"r2"
    assert procfs.environment_value(process.pid, b"Q") == b"a=b"
    assert procfs.environment_value(process.pid, b"E") == b""
    assert procfs.environment_value(process.pid, b"MISSING") is None


def test_caught_signals(others: Strangers, tmp_path: Path) -> None:
    """A handler counts; the default and ignoring do not."""
    code = (
        "import pathlib, signal, sys, time; signal.signal(signal.SIGUSR1, lambda *_: None);"
        "signal.signal(signal.SIGUSR2, signal.SIG_IGN); pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    )
    process = others.start(python(code, str(tmp_path / "up")))
    wait_until((tmp_path / "up").exists, "its handlers")
    assert procfs.catches(process.pid, signal.SIGUSR1)
    assert not procfs.catches(process.pid, signal.SIGUSR2)
    assert not procfs.catches(process.pid, signal.SIGTERM)
    assert not procfs.catches(process.pid, signal.SIGRTMAX)


def test_descendants_of_several_roots() -> None:
    """Whoever lies below any root is found once; the roots themselves only if they lie below another."""

    def one(pid: int, parent: int) -> procfs.Stat:
        return procfs.Stat(pid, "x", "S", parent, 0, 0, 0, 0)

    everyone = {pid: one(pid, parent) for pid, parent in ((2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 7))}
    assert procfs.descendants({2}, everyone) == {3, 4}
    assert procfs.descendants({2, 3, 5}, everyone) == {3, 4, 6}
    assert procfs.descendants({7}, everyone) == {7}, "a process that is its own parent ends the search"
    assert procfs.descendants({99}, everyone) == set()


def test_everybody_holds_us_and_our_child(others: Strangers) -> None:
    """The list of all processes has the living ones by pid."""
    process = others.start(python("import time; time.sleep(600)"))
    everyone = procfs.everybody()
    assert everyone[os.getpid()].pid == os.getpid()
    assert everyone[process.pid].parent == os.getpid()


def test_boot_has_a_name_and_an_age() -> None:
    """The boot id is stable text and the uptime agrees with the clock that counts from boot."""
    assert len(procfs.boot_id()) == 36
    assert procfs.boot_id() == procfs.boot_id()
    assert procfs.uptime_s() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=1.0)


def test_huge_command_lines_are_read_up_to_a_limit(others: Strangers) -> None:
    """Arguments of many kilobytes are read whole, and foreign bytes survive."""
    words = ["x" * 100_000, "\udcff\u0639", ""]
    process = others.start([sys.executable, "-SEc", "import time; time.sleep(600)", *words])
    shown = wait_until(lambda: _arguments(process.pid, 3), "its arguments")
    assert shown == words


def _arguments(pid: int, count: int) -> list[str] | None:
    found = procfs.command_line(pid)
    return found[-count:] if len(found) > count else None
