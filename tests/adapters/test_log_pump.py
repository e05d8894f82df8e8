"""The pump with real children, pipes and files: nothing is lost, nothing waits that must not wait."""

import contextlib
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from waiting import stays_true, wait_until
from watchdog_cli.adapters.log_marks import read_marks
from watchdog_cli.adapters.log_pump import LogPump
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.adapters.terminal import Terminal
from watchdog_cli.core.errors import StorageError


class Bench:
    """A pump in a folder of its own, and the children that print into it."""

    def __init__(self, folder: Path) -> None:
        self.fifo = folder / "state" / "stdout"
        self.log = folder / "logs" / "t.log"
        self.said: list[str] = []
        self.fifo.parent.mkdir(exist_ok=True)
        self.children: list[subprocess.Popen[bytes]] = []
        self.pump: LogPump | None = None

    def start(
        self,
        *,
        size: int = 1 << 20,
        backups: int = 5,
        terminal: Terminal | None = None,
        on_output: Callable[[], None] | None = None,
        child_pid: int | None = None,
    ) -> LogPump:
        log = RotatingFile(str(self.log), size, backups, on_problem=self.said.append)
        self.pump = LogPump(
            str(self.fifo),
            log,
            terminal=terminal,
            on_output=on_output,
            on_problem=self.said.append,
            child_pid=child_pid,
        )
        self.pump.start()
        return self.pump

    def child(self, code: str) -> subprocess.Popen[bytes]:
        assert self.pump is not None
        fd = self.pump.child_fd()
        child = subprocess.Popen(
            [sys.executable, "-uc", code], stdin=subprocess.DEVNULL, stdout=fd, stderr=fd
        )
        os.close(fd)
        self.children.append(child)
        return child

    def run(self, code: str) -> None:
        assert self.child(code).wait() == 0
        assert self.pump is not None
        assert self.pump.drain(10)

    def text(self) -> bytes:
        files = sorted(self.log.parent.glob("t.log.*"), key=lambda entry: -int(entry.name.rpartition(".")[2]))
        found = b""
        for entry in [*files, self.log]:
            with contextlib.suppress(FileNotFoundError):  # just being rotated
                found += entry.read_bytes()
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    yield found
    for child in found.children:
        if child.poll() is None:
            child.kill()
        child.wait()
    if found.pump is not None:
        found.pump.stop(5)


def test_output_is_stored_as_it_is(bench: Bench) -> None:
    """Any bytes from stdout and stderr arrive unchanged and in order."""
    bench.start()
    bench.run(
        "import os; [os.write(1 + number % 2, bytes([number]) + '\\uac00\\u0639'.encode() + b'\\xc1\\xff\\0\\n')"
        " for number in range(256)]"
    )
    expected = b"".join(bytes([number]) + "\uac00\u0639".encode() + b"\xc1\xff\0\n" for number in range(256))
    assert bench.text() == expected


@pytest.mark.parametrize("way", ["splice", "copy", "terminal"])
def test_flood_rotates_without_losing_a_byte(bench: Bench, way: str) -> None:
    """Many megabytes at full speed: each numbered line once, in order, no file above its ceiling."""
    sink = os.open(os.devnull, os.O_WRONLY)
    terminal = Terminal("t.log", stdout=sink, stderr=None) if way == "terminal" else None
    pump = bench.start(size=1 << 20, backups=50, terminal=terminal)
    pump._can_splice = pump._can_splice and way != "copy"
    bench.run(
        "import os\nfor n in range(0, 300000, 1000):\n"
        "    os.write(1, b''.join(b'line %d of the flood\\n' % (n + i) for i in range(1000)))"
    )
    lines = bench.text().splitlines()
    assert lines == [b"line %d of the flood" % number for number in range(300_000)]
    sizes = [entry.stat().st_size for entry in bench.log.parent.iterdir()]
    assert max(sizes) <= 1 << 20
    assert len(sizes) > 6
    if terminal is not None:
        terminal.close(5)
    os.close(sink)


def test_pipe_is_private_and_large(bench: Bench) -> None:
    """The pipe is for the owner only, and holds much while no watchdog is there."""
    pump = bench.start()
    found = bench.fifo.stat()
    assert stat.S_ISFIFO(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    pump.stop(5)
    bench.pump = None
    fd = os.open(bench.fifo, os.O_RDWR | os.O_NONBLOCK)
    assert os.write(fd, b"x" * 60_000) == 60_000
    os.close(fd)


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


def test_childs_output_blocks_like_any_output(bench: Bench) -> None:
    """The child's descriptor waits when the pipe is full, although ours does not."""
    pump = bench.start()
    fd = pump.child_fd()
    assert os.get_blocking(fd)
    os.close(fd)


def test_closing_stdout_or_leaving_it_open_changes_nothing(bench: Bench) -> None:
    """A child that closes its streams, or leaves them to a grandchild, costs nothing and the next one is logged."""
    pump = bench.start()
    bench.run("import os; print('one'); os.close(1); os.close(2)")
    grandchild = "import time; time.sleep(60)"
    bench.run(f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {grandchild!r}]).pid)")
    pid = int(bench.text().splitlines()[1])
    before = resource.getrusage(resource.RUSAGE_SELF)
    assert pump.drain(5)
    bench.run("print('two')")
    os.kill(pid, signal.SIGKILL)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert bench.text().splitlines()[2] == b"two"
    assert after.ru_utime - before.ru_utime < 1.0


def test_drain_does_not_wait_for_what_comes_later(bench: Bench) -> None:
    """A detached process that prints without end cannot hold up the end of a run, nor the end of the pump."""
    pump = bench.start(size=1 << 20, backups=1)
    bench.child("import os\nwhile True: os.write(1, b'endless\\n' * 1000)")
    wait_until(lambda: len(bench.text()) > 100_000, "the flood")
    begin = time.monotonic()
    assert pump.drain(20)
    pump.stop(20)
    bench.pump = None
    assert time.monotonic() - begin < 10


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
    assert pump.lost_bytes() == 0


def test_on_output_is_told_without_seeing_bytes(bench: Bench) -> None:
    """A sign of life is given for output, with the time of the newest, and is paced in a flood."""
    calls: list[str] = []
    pump = bench.start(on_output=lambda: calls.append(threading.current_thread().name))
    assert pump.last_output is None
    before = time.monotonic()
    bench.run("print('a sign')")
    assert set(calls) == {"log-pump"}
    assert pump.last_output is not None
    assert before <= pump.last_output <= time.monotonic()
    bench.run("for n in range(5000): print(n)")
    assert len(calls) < 100


def test_position_names_the_place_of_the_next_byte(bench: Bench) -> None:
    """The position grows with the output, changes its file with a rotation, and survives a new pump."""
    pump = bench.start(size=2000, backups=2)
    file_id, offset = pump.position()
    assert offset == 0
    bench.run("print('x' * 99)")
    assert pump.position() == (file_id, 100)
    assert pump.log_size() == 100
    bench.run("for n in range(30): print('y' * 99)")
    other, offset = pump.position()
    assert other != file_id
    assert offset == bench.log.stat().st_size
    pump.stop(5)
    bench.pump = None
    assert bench.start(size=2000, backups=2).position() == (other, offset)


def test_emptied_log_is_another_file_for_the_journal(bench: Bench) -> None:
    """After a truncation the position does not claim to continue the old contents."""
    pump = bench.start()
    bench.run("print('x' * 99)")
    before, _ = pump.position()
    os.truncate(bench.log, 0)
    bench.run("print('after')")
    file_id, offset = pump.position()
    assert file_id != before
    assert offset == 6
    marks = list(read_marks(str(bench.fifo.parent / "log-marks")))
    assert marks[0].file_id == file_id
    assert marks[0].offset == 0


def test_last_lines_come_from_the_files(bench: Bench) -> None:
    """The last lines are there for an incident, across a rotation, although nobody kept them in memory."""
    pump = bench.start(size=1000, backups=5)
    bench.run("for n in range(200): print('line', n)")
    assert pump.last_lines(150) == [b"line %d" % number for number in range(50, 200)]


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
    assert pump.lost_bytes() == 3_000_000 - stored
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
    pump.log_size()
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


def test_idle_pump_sleeps(bench: Bench) -> None:
    """With nothing to move the pump's thread never wakes."""
    pump = bench.start()
    bench.run("print('x')")
    assert pump._thread is not None
    status = Path(f"/proc/self/task/{pump._thread.native_id}/status")
    wait_until(lambda: "State:\tS" in status.read_text(), "a sleeping thread")

    def switches() -> list[str]:
        return [line for line in status.read_text().splitlines() if "ctxt_switches" in line]

    before = switches()
    stays_true(lambda: switches() == before, "a thread that sleeps", 0.5)


def test_signals_are_left_to_the_main_thread(bench: Bench) -> None:
    """The pump's thread takes no signal, so that the main thread is woken by each."""
    pump = bench.start()
    bench.run("print('x')")
    assert pump._thread is not None
    status = Path(f"/proc/self/task/{pump._thread.native_id}/status").read_text()
    blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk")).split()[1], 16)
    assert blocked & (1 << (signal.SIGTERM - 1))
    assert blocked & (1 << (signal.SIGCHLD - 1))


def test_stop_gives_everything_back(bench: Bench) -> None:
    """After stop no descriptor and no thread is left, however often."""
    bench.start().stop(5)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        pump = bench.start()
        bench.run("print('x')")
        pump.stop(5)
        bench.pump = None
    assert len(os.listdir("/proc/self/fd")) == before
    assert not [thread for thread in threading.enumerate() if thread.name == "log-pump"]
