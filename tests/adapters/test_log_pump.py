"""The pump with real children, pipes and files: nothing is lost, nothing waits that must not wait."""

import os
import resource
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from log_bench import Bench
from waiting import wait_until
from watchdog_cli.adapters.log_marks import read_marks
from watchdog_cli.adapters.log_reader import last_lines
from watchdog_cli.adapters.terminal import Terminal


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
    bench.start(size=1000, backups=5)
    bench.run("for n in range(200): print('line', n)")
    assert last_lines(str(bench.log), 150) == [b"line %d" % number for number in range(50, 200)]


def test_idle_pump_sleeps(bench: Bench) -> None:
    """With nothing to move the pump's thread never wakes."""
    pump = bench.start()
    bench.run("print('x')")
    assert pump._thread is not None
    status = Path(f"/proc/self/task/{pump._thread.native_id}/status")

    def switches() -> list[str]:
        return [line for line in status.read_text().splitlines() if "ctxt_switches" in line]

    def rests() -> bool:
        """It also sleeps for a moment within its work, where it waits for its turn."""
        before, end = switches(), time.monotonic() + 0.5
        wait_until(lambda: switches() != before or time.monotonic() >= end, "half a second")
        return switches() == before

    wait_until(rests, "half a second without a wake-up")


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
