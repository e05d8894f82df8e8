"""``watchdog status --watch``: a screen at a terminal, plain lines elsewhere."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

import pytest

from rig import BIN
from waiting import wait_until

ALTERNATE, NORMAL = b"\x1b[?1049h", b"\x1b[?1049l"


def take_terminal():
    """Make the terminal on descriptor 0 the one whose Ctrl-C reaches us."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Screen:
    """A terminal in which the command runs."""

    def __init__(self, rig, rows=36, columns=110, words=()):
        self.master, ours = pty.openpty()
        self.resize(rows, columns, tell=False)
        self.before = termios.tcgetattr(ours)
        self.process = subprocess.Popen(
            [str(BIN / "watchdog"), "status", "--watch", *words],
            cwd=rig.folder,
            env=rig.environment(TERM="xterm-256color", LANG="C.UTF-8"),
            stdin=ours,
            stdout=ours,
            stderr=ours,
            start_new_session=True,
            preexec_fn=take_terminal,  # noqa: PLW1509 - these tests have no threads
        )
        self.slave = ours
        self.out = b""

    def resize(self, rows, columns, *, tell=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            os.kill(self.process.pid, signal.SIGWINCH)

    def read(self):
        """All that was drawn so far."""
        while select.select([self.master], [], [], 0)[0]:
            part = os.read(self.master, 65536)
            if not part:
                break
            self.out += part
        return self.out

    def frame(self):
        """The newest complete picture, without what steers the terminal."""
        text = re.sub(rb"\x1b\[[0-9;]*m", b"", self.read())
        frames = text.split("╭".encode())
        whole = [one for one in frames if "╰".encode() in one and "╯".encode() in one]
        return ("╭".encode() + whole[-1]).decode("utf-8", "replace") if whole else ""

    def lines(self):
        """Its lines, without what follows the last border."""
        text = self.frame().replace("\r", "")
        return text[: text.rfind("╯") + 1].split("\n") if text else []

    def end(self, how):
        """End it in some way, and return its exit code."""
        how()
        wait_until(lambda: (self.read(), self.process.poll())[1] is not None, "its end", 10)
        self.read()
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def screen(healthy):
    """A terminal that watches the healthy program."""
    made = Screen(healthy)
    yield made
    made.close()


def test_the_screen_shows_how_it_is_and_what_it_says(healthy, screen):
    """Health, the bar that runs towards the deadline, charts, events and the log stand on one screen."""
    wait_until(lambda: "it works" in screen.frame() and "% CPU now" in screen.frame(), "the second look")
    picture = screen.frame()
    for words in (
        "tracker: running, healthy",
        "heartbeat",
        "s left",
        "MB now",
        "% CPU now",
        "started, run 1",
    ):
        assert words in picture, words
    assert "█" in picture
    healthy.order("print and something new")
    wait_until(lambda: "and something new" in screen.frame(), "the new line")
    os.kill(healthy.child(), signal.SIGKILL)
    wait_until(lambda: "ended: killed by SIGKILL" in screen.frame(), "the end")
    wait_until(lambda: "started, run 2" in screen.frame(), "the next run")


def test_the_screen_fits_whatever_the_window_is(screen):
    """It fills the window, and follows when that gets another size, down to a few lines."""
    wait_until(lambda: "it works" in screen.frame(), "the log")
    assert (len(screen.lines()), max(map(len, screen.lines()))) == (36, 110)
    for rows, columns in ((20, 70), (50, 140), (8, 40), (3, 20)):
        screen.resize(rows, columns)
        wait_until(
            lambda rows=rows, columns=columns: (
                (len(screen.lines()), len(screen.lines()[0])) == (rows, columns)
            ),
            f"a screen of {rows} lines and {columns} columns",
        )


@pytest.mark.parametrize(("way", "code"), [("q", 0), ("interrupt", 0), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_the_terminal_is_given_back(screen, way, code):
    """However it ends, the screen from before comes back, the cursor too, and keys work as they did."""
    wait_until(lambda: "it works" in screen.frame(), "the log")

    def how():
        if way == "q":
            os.write(screen.master, b"q")
        elif way == "interrupt":
            os.write(screen.master, b"\x03")
        else:
            os.kill(screen.process.pid, getattr(signal, way))

    assert screen.end(how) == code
    assert screen.out.count(ALTERNATE) == screen.out.count(NORMAL) == 1
    left = screen.out[: screen.out.index(NORMAL)]
    assert b"works" not in left[left.rindex(b"\x1b[2J") :], (
        "what a grown window would show afterwards is wiped"
    )
    assert screen.out.rstrip().endswith((b"\x1b[?25h", NORMAL))
    assert termios.tcgetattr(screen.slave) == screen.before
    assert b"Traceback" not in screen.out


def test_it_outlives_the_watchdog(healthy, screen):
    """When the watchdog ends the screen says so, and stays."""
    wait_until(lambda: "it works" in screen.frame(), "the log")
    healthy.stop()
    wait_until(lambda: "tracker: stopped" in screen.frame(), "the word")
    assert screen.process.poll() is None


def test_all_of_them_on_one_screen(healthy):
    """--all --watch shows each watchdog of the user."""
    screen = Screen(healthy, words=("--all",))
    try:
        wait_until(lambda: "tracker: running, healthy" in screen.frame(), "the watchdog")
        assert screen.end(lambda: os.write(screen.master, b"q")) == 0
    finally:
        screen.close()


def test_a_list_elsewhere_tells_apart_who_has_the_same_name(healthy, tmp_path):
    """One of two that are both called tracker stops while the other has stopped before: that is a change too."""
    other = tmp_path / "other"
    other.mkdir()
    healthy.run("--no-heartbeat", "-C", str(other), "--", "sleep", "600")
    wait_until(lambda: healthy.cli("check", "-C", str(other)).returncode == 0, "the other one")
    assert healthy.cli("stop", "-C", str(other)).returncode == 0
    with (
        open(tmp_path / "seen", "w+b", buffering=0) as file,
        subprocess.Popen(
            [str(BIN / "watchdog"), "status", "--watch", "--all"],
            env=healthy.environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
        ) as process,
    ):
        try:
            seen = tmp_path / "seen"
            wait_until(lambda: f"tracker: stopped  {other}\n" in seen.read_text(), "the one at rest")
            wait_until(
                lambda: f"tracker: running, healthy  {healthy.folder}\n" in seen.read_text(), "the other"
            )
            healthy.stop()
            wait_until(lambda: f"tracker: stopped  {healthy.folder}\n" in seen.read_text(), "its end")
        finally:
            process.kill()


def test_elsewhere_there_are_plain_lines(healthy):
    """Into a pipe goes a line for each change and each event, without colours, as soon as it happens."""
    process = subprocess.Popen(
        [str(BIN / "watchdog"), "status", "--watch"],
        cwd=healthy.folder,
        env=healthy.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    out = b""

    def text():
        nonlocal out
        while select.select([process.stdout], [], [], 0)[0]:
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                break
            out += part
        return out.decode()

    try:
        wait_until(lambda: "tracker: running, healthy\n" in text(), "the first line")
        os.kill(healthy.child(), signal.SIGKILL)
        wait_until(lambda: "ended: killed by SIGKILL" in text(), "the end")
        wait_until(lambda: "started, run 2" in text(), "the next run")
        assert "\x1b" not in text()
        assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in text().splitlines())
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None, "its end")
        assert process.returncode == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        process.stdout.close()


def test_an_unread_pipe_ends_it(healthy):
    """When nobody reads any more it ends, without a word on stderr."""
    read, write = os.pipe()
    process = subprocess.Popen(
        [str(BIN / "watchdog"), "status", "--watch"],
        cwd=healthy.folder,
        env=healthy.environment(),
        stdin=subprocess.DEVNULL,
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    assert os.read(read, 10)
    os.close(read)
    healthy.cli("restart")
    wait_until(lambda: process.poll() is not None, "its end", 15)
    assert process.returncode == 141
    assert process.stderr.read() == b""
    process.stderr.close()
