"""The screen behind pipes and pseudo terminals that are slow, stopped, full or gone."""

import os
import re
import resource
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import wait_until
from watchdog_cli.adapters.terminal import HELD, HELD_OWN, Terminal


class Screen:
    """A pipe in the place of a screen; read only when a test says so."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self.text = b""

    def take(self) -> bytes:
        while select.select([self.read], [], [], 0)[0] and (piece := os.read(self.read, 1 << 16)):
            self.text += piece
        return self.text

    def close(self) -> None:
        for fd in (self.read, self.write):
            try:
                os.close(fd)
            except OSError:
                continue


@pytest.fixture
def screen() -> Iterator[Screen]:
    found = Screen()
    yield found
    found.close()


def shown(screen: Screen, wanted: bytes) -> bytes:
    wait_until(lambda: wanted in screen.take(), f"{wanted!r} on the screen")
    return screen.text


def both(screen: Screen) -> Terminal:
    return Terminal("logs/t.log", stdout=screen.write, stderr=screen.write)


def test_order_is_kept_and_lines_are_not_torn(screen: Screen) -> None:
    """Our lines stand between whole lines of the child, in the order in which they were said."""
    terminal = both(screen)
    terminal.child(b"one\n")
    terminal.say("[watchdog] said")
    terminal.child(b"two, ")
    terminal.say("[watchdog] within a line")
    terminal.child(b"three\n")
    terminal.child(b"four")
    terminal.say("[watchdog] before its end")
    terminal.child(b"\n")
    terminal.child(b"five\n")
    terminal.close(5)
    assert screen.take().splitlines() == [
        b"one",
        b"[watchdog] said",
        b"two, ",
        b"[watchdog] within a line",
        b"three",
        b"four",
        b"[watchdog] before its end",
        b"five",
    ]


def test_two_places_get_what_belongs_there(screen: Screen) -> None:
    """With stdout and stderr apart, the child's bytes go to the one, unchanged, and our lines to the other."""
    other = Screen()
    terminal = Terminal("logs/t.log", stdout=screen.write, stderr=other.write)
    terminal.child(b"\xff\x00 half")
    terminal.say("عربي")
    terminal.child(b" line\n")
    terminal.close(5)
    assert screen.take() == b"\xff\x00 half line\n"
    assert other.take() == "عربي\n".encode()
    other.close()


def test_stuck_screen_makes_nobody_wait_and_says_what_is_missing(screen: Screen) -> None:
    """A pager that does not read: calls return at once, memory is bounded, whole lines are left out and counted."""
    terminal = both(screen)
    begin = time.monotonic()
    for number in range(100_000):
        terminal.child(b"line %d of the child\n" % number)
    terminal.say("[watchdog] meanwhile")
    assert time.monotonic() - begin < 10
    assert terminal._out is not None
    assert terminal._out._held <= HELD + HELD_OWN
    text = shown(screen, b"not shown here")
    assert b"[watchdog] meanwhile\n" in text
    terminal.child(b"afterwards\n")
    shown(screen, b"afterwards\n")
    terminal.close(5)
    lines = screen.text.splitlines()
    numbers = [int(line.split()[1]) for line in lines if line.startswith(b"line ")]
    assert numbers == list(range(len(numbers)))
    note = next(line for line in lines if b"not shown here" in line)
    assert note == b"[watchdog] %d lines not shown here; see logs/t.log" % (100_000 - len(numbers))


def test_line_is_shown_whole_or_not_at_all(screen: Screen) -> None:
    """When the queue is full within a line, the rest of that line is not shown as if it were one."""
    terminal = both(screen)
    for _ in range(2 * HELD // 1000):
        terminal.child(b"a" * 999 + b"\n")
    terminal.child(b"cut off ")
    wait_until(lambda: b"not shown here" in screen.take(), "the note")
    terminal.child(b"and its end\nwhole\n")
    terminal.close(5)
    lines = screen.take().splitlines()
    assert lines[-1] == b"whole"
    assert {line for line in lines if not line.startswith(b"[watchdog]")} == {b"a" * 999, b"whole"}


def test_own_lines_are_bounded_too(screen: Screen) -> None:
    """Even our own lines do not fill the memory behind a stuck screen."""
    terminal = both(screen)
    for _ in range(20_000):
        terminal.say("w" * 100)
    assert terminal._out is not None
    assert terminal._out._held <= HELD + HELD_OWN
    shown(screen, b"not shown here")
    terminal.close(5)


def test_single_bytes_cost_no_more_memory_than_lines(screen: Screen) -> None:
    """A child that prints dot by dot behind a stuck screen fills no memory with tiny pieces."""
    terminal = both(screen)
    for _ in range(200_000):
        terminal.child(b".")
    assert terminal._out is not None
    assert len(terminal._out._parts) < 1000
    wait_until(lambda: len(screen.take()) == 200_000, "all dots")
    terminal.close(5)


def test_close_waits_for_the_rest_but_not_for_ever(screen: Screen) -> None:
    """What is still waiting is shown before the end; a stuck screen is left after the limit."""
    terminal = both(screen)
    terminal.child(b"x" * 200_000 + b"\n")
    begin = time.monotonic()
    terminal.close(0.2)
    assert 0.1 < time.monotonic() - begin < 5
    wait_until(lambda: len(screen.take()) == 200_001, "the rest")


def test_stopped_terminal_is_only_a_stopped_terminal() -> None:
    """Ctrl-S on a real terminal line: nobody waits, and Ctrl-Q brings what was held."""
    master, slave = os.openpty()
    termios.tcflow(slave, termios.TCOOFF)
    terminal = Terminal("logs/t.log", stdout=slave, stderr=slave)
    begin = time.monotonic()
    for number in range(5000):
        terminal.child(b"held %d\n" % number)
    assert time.monotonic() - begin < 5
    assert not select.select([master], [], [], 0.1)[0]
    termios.tcflow(slave, termios.TCOON)
    text = b""
    while b"held 4999" not in text:
        assert select.select([master], [], [], 10)[0]
        text += os.read(master, 1 << 16)
    terminal.close(5)
    assert [int(number) for number in re.findall(rb"held (\d+)", text)] == list(range(5000))
    os.close(master)
    os.close(slave)


def test_closed_pipe_is_the_end_of_showing(screen: Screen) -> None:
    """When the reader is gone nothing fails, and the pump is told that nobody looks any more."""
    terminal = both(screen)
    assert terminal.wants_child
    os.close(screen.read)
    terminal.child(b"into the void\n")
    wait_until(lambda: not terminal.wants_child, "the closed pipe to be noticed")
    terminal.child(b"again\n")
    terminal.say("again")
    terminal.close(5)
    assert not [thread for thread in threading.enumerate() if thread.name == "terminal"]


def test_streams_that_are_not_there(screen: Screen) -> None:
    """Closed descriptors and absent streams show nothing and fail nowhere."""
    os.close(screen.read)
    os.close(screen.write)
    for terminal in (both(screen), Terminal("t", stdout=None, stderr=None)):
        assert not terminal.wants_child
        terminal.child(b"x\n")
        terminal.say("x")
        terminal.close(1)


def test_quiet_shows_our_lines_only(screen: Screen) -> None:
    """Without the child's output our own lines are still shown."""
    terminal = Terminal("t", stdout=screen.write, stderr=screen.write, show_child=False)
    assert not terminal.wants_child
    terminal.child(b"hidden\n")
    terminal.say("seen")
    terminal.close(5)
    assert screen.take() == b"seen\n"


def test_full_disk_behind_stdout_is_survived(tmp_path: Path) -> None:
    """``> file`` on a full disk: lines are left out and counted, and showing goes on when there is room."""
    path = tmp_path / "out"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    terminal = Terminal("logs/t.log", stdout=fd, stderr=None)
    stream = terminal._out
    assert stream is not None
    terminal.child(b"first\n")
    wait_until(lambda: path.read_bytes() == b"first\n", "the first line")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, before[1]))
    try:
        for number in range(10):
            terminal.child(b"no room %d\n" % number)
            wait_until(lambda: stream._stuck and not stream._parts and not stream._noting, "a vain try")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    terminal.child(b"room again\n")
    terminal.close(5)
    os.close(fd)
    assert path.read_bytes() == b"first\n[watchdog] 10 lines not shown here; see logs/t.log\nroom again\n"


def test_terminal_that_another_program_made_nonblocking(screen: Screen) -> None:
    """A shared terminal in non-blocking mode loses nothing."""
    os.set_blocking(screen.write, False)
    terminal = both(screen)
    terminal.child(b"x" * 200_000 + b"\n")
    wait_until(lambda: len(screen.take()) == 200_001, "all of it")
    terminal.close(5)


def test_no_thread_before_something_is_shown(screen: Screen) -> None:
    """A terminal that shows nothing costs no thread."""
    terminal = both(screen)
    assert not [thread for thread in threading.enumerate() if thread.name == "terminal"]
    terminal.say("now")
    assert [thread for thread in threading.enumerate() if thread.name == "terminal"]
    terminal.close(5)
    assert screen.take() == b"now\n"


def test_background_output_does_not_stop_the_process() -> None:
    """In the background of a terminal with ``stty tostop`` writing does not stop the whole watchdog."""
    master, slave = os.openpty()
    mode = termios.tcgetattr(slave)
    mode[3] |= termios.TOSTOP
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    code = (
        "import os\n"
        "from watchdog_cli.adapters.terminal import Terminal\n"
        "if os.fork():\n"
        "    os.wait()\n"
        "    os._exit(0)\n"
        "os.setpgid(0, 0)\n"
        "terminal = Terminal('t')\n"
        "terminal.child(b'from behind\\n')\n"
        "terminal.close(10)\n"
        "os._exit(0)\n"
    )
    leader = (
        f"import fcntl, os, sys, termios\nos.setsid()\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\nexec({code!r})\n"
    )
    child = subprocess.Popen([sys.executable, "-c", leader], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        assert child.wait(20) == 0
        assert select.select([master], [], [], 10)[0]
        assert os.read(master, 1000) == b"from behind\r\n"
    finally:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        os.close(master)
