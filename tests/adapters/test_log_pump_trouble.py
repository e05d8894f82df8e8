"""The pump when things go wrong: it is killed, its pipe is gone, the disk is full or hangs."""

import os
import resource
import stat
import subprocess
import sys
import threading
import time

import pytest

from log_bench import Bench
from waiting import wait_until
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.core.errors import StorageError


@pytest.mark.parametrize("thing", ["file", "link", "foreign"])
def test_what_is_no_pipe_is_replaced(bench: Bench, thing: str) -> None:
    """Something else under the pipe's name is replaced by a pipe."""
    if thing == "file":
        bench.fifo.write_text("garbage")
    elif thing == "link":
        bench.fifo.symlink_to("/nowhere/at/all")
    else:
        os.mkfifo(bench.fifo, 0o666)
    bench.start()
    bench.run("print('through')")
    assert stat.S_ISFIFO(bench.fifo.lstat().st_mode)
    assert bench.text() == b"through\n"


def test_impossible_pipe_is_a_clear_error(bench: Bench) -> None:
    """A folder in the place of the pipe is named in one line."""
    bench.fifo.mkdir()
    with pytest.raises(StorageError, match="cannot make the pipe"):
        bench.start()


def test_output_survives_the_pump(bench: Bench) -> None:
    """What a child prints while no pump is there waits, and the next pump stores it."""
    bench.start()
    ready = bench.fifo.parent / "go"
    child = bench.child(
        "import os, time\nprint('before')\n"
        f"while not os.path.exists({str(ready)!r}): time.sleep(0.01)\n"
        "print('meanwhile ' * 2000)\n"
        f"open({str(ready) + '2'!r}, 'w').close()\ntime.sleep(60)"
    )
    wait_until(lambda: bench.text() == b"before\n", "the first line")
    assert bench.pump is not None
    bench.pump.stop(5)
    bench.pump = None
    ready.touch()
    wait_until((bench.fifo.parent / "go2").exists, "output without a pump")
    assert child.poll() is None
    bench.start()
    wait_until(lambda: bench.text() == b"before\n" + b"meanwhile " * 2000 + b"\n", "the output that waited")


@pytest.mark.parametrize("shown", [False, True])
def test_killed_pumps_lose_and_double_nothing(bench: Bench, shown: bool) -> None:
    """Pumps killed at any moment, one after the other, with and without a terminal: each line once, in order."""
    pump_code = (
        "import os, signal\n"
        "from watchdog_cli.adapters.log_pump import LogPump\n"
        "from watchdog_cli.adapters.rotating_file import RotatingFile\n"
        "from watchdog_cli.adapters.terminal import Terminal\n"
        f"log = RotatingFile({str(bench.log)!r}, 20_000, 400)\n"
        f"terminal = Terminal('t.log') if {shown} else None\n"
        f"pump = LogPump({str(bench.fifo)!r}, log, terminal=terminal, on_output=None, on_problem=print)\n"
        "pump.start()\n"
        "signal.pause()\n"
    )
    os.mkfifo(bench.fifo, 0o600)
    fd = os.open(bench.fifo, os.O_RDWR)
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, time\nfor n in range(1 << 30):\n    os.write(1, b'line %d\\n' % n)\n    time.sleep(0.0005)",
        ],
        stdout=fd,
    )
    os.close(fd)
    bench.children.append(writer)
    size = 0
    for kill in range(8):
        pump = subprocess.Popen([sys.executable, "-c", pump_code], stdout=subprocess.DEVNULL)
        bench.children.append(pump)
        wanted = size + 3000 + 777 * kill
        wait_until(
            lambda wanted=wanted: bench.log.parent.exists() and len(bench.text()) > wanted, "more lines"
        )
        pump.kill()
        pump.wait()
        size = len(bench.text())
    writer.kill()
    bench.start(size=20_000, backups=400)
    assert bench.pump is not None
    assert bench.pump.drain(10)
    lines = bench.text().splitlines()
    assert len(lines) > 3000
    assert lines == [b"line %d" % number for number in range(len(lines))]


def test_deleted_pipe_is_found_through_the_child(bench: Bench) -> None:
    """If the state folder was emptied, an adopted child's pipe is taken from the child itself."""
    bench.start()
    child = bench.child("import time\nwhile True:\n    print('tick')\n    time.sleep(0.01)")
    wait_until(bench.log.exists, "the log")
    assert bench.pump is not None
    bench.pump.stop(5)
    bench.fifo.unlink()
    size = bench.log.stat().st_size
    pump = bench.start(child_pid=child.pid)
    wait_until(lambda: bench.log.stat().st_size > size + 20, "more output of the adopted child")
    bench.run("print('a new child')")
    assert b"a new child\n" in bench.text()
    assert pump._log.gap.total == 0


def test_full_disk_never_stops_the_child(bench: Bench) -> None:
    """With no room the child prints on; the loss is counted, said once, and noted when there is room again."""
    pump = bench.start(size=1 << 24)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    child = bench.child("import os\nfor n in range(300): os.write(1, b'z' * 9999 + b'\\n')")
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        assert child.wait(20) == 0
        assert pump.drain(10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    stored = bench.log.stat().st_size
    assert stored <= 500_000
    assert pump._log.gap.total == 3_000_000 - stored
    assert len(bench.said) == 1

    def back() -> bool:
        bench.run("print('back')")
        return b"back\n" in bench.text()

    wait_until(back, "the log's return")
    assert b"\n[watchdog] " in bench.text()
    assert b" bytes of output lost: file too large\n" in bench.text()


def test_hanging_disk_holds_up_nobody_else(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a write hangs, drain and stop come back in their time and say so."""
    release = threading.Event()
    real = RotatingFile.splice

    def hanging(self: RotatingFile, *arguments, **more) -> tuple[int, bytes]:
        release.wait(30)
        return real(self, *arguments, **more)

    monkeypatch.setattr(RotatingFile, "splice", hanging)
    pump = bench.start()
    bench.child("print('stuck')").wait()
    begin = time.monotonic()
    assert not pump.drain(0.2)
    pump.position()
    thread = pump._thread
    pump.stop(0.2)
    assert time.monotonic() - begin < 5
    release.set()
    assert thread is not None
    thread.join(10)
    assert bench.text() == b"stuck\n"
    pump._thread = thread
    pump.stop(5)
    bench.pump = None
