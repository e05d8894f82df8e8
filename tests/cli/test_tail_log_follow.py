"""``watchdog tail-log --follow``: each line once, across rotations, and a quiet end."""

import select
import signal
import time

from tail_folder import Folder, Tty
from waiting import wait_until
from watchdog_cli.adapters.rotating_file import RotatingFile


def test_follow_shows_each_line_once_across_rotations(folder: Folder) -> None:
    """Followed from before the log exists: numbered lines across more than 20 rotations, each once and in order."""
    with open(folder.path / "seen", "wb") as seen:
        child = folder.start("-f", stdout=seen.fileno())
    assert child.stderr is not None
    assert b"waiting for logs/tracker.log" in child.stderr.readline()
    log = RotatingFile(str(folder.log), 2000, 5)
    log.open()
    pace = time.monotonic()
    for number in range(3000):
        log.write(b"number %d\n" % number)
        while time.monotonic() < pace + number / 1500:
            select.select([], [], [], 0.001)
    log.close()
    assert log.generation > 20
    wait_until(lambda: b"number 2999\n" in (folder.path / "seen").read_bytes(), "the last line")
    lines = (folder.path / "seen").read_bytes().splitlines()
    assert lines == [b"number %d" % number for number in range(3000)]
    assert child.poll() is None


def test_follow_begins_with_the_last_lines_and_can_filter(folder: Folder) -> None:
    """-n counts for the beginning, --grep for all."""
    folder.log.write_bytes(b"a1\nb1\na2\nb2\n")
    with open(folder.path / "seen", "wb") as seen:
        folder.start("-f", "-n", "1", "--grep", "a", stdout=seen.fileno())
    wait_until(lambda: (folder.path / "seen").read_bytes() == b"a2\n", "the beginning")
    with folder.log.open("ab") as file:
        file.write(b"b3\na")
        file.flush()
        file.write(b"3\nc\n")
    wait_until(lambda: (folder.path / "seen").read_bytes() == b"a2\na3\n", "the filtered line")


def test_follow_on_a_screen_draws_new_runs_and_open_lines(folder: Folder, tty: Tty) -> None:
    """A line without end is shown after a moment, and a new run is drawn where it begins."""
    folder.log.write_bytes(b"one\n")
    folder.journal(folder.spawned(1, 0, "2026-11-25T03:00:00.000Z"))
    folder.start("-f", stdout=tty.slave)
    wait_until(lambda: tty.take().endswith(b"one\n"), "the first line")
    with folder.log.open("ab") as file:
        file.write(b"question? ")
        file.flush()
        wait_until(lambda: tty.take().endswith(b"one\nquestion? "), "the open line")
        file.write("answer 상\n".encode())
        file.flush()
    wait_until(lambda: tty.take().decode().endswith("one\nquestion? answer 상\n"), "the rest of it")
    folder.journal(
        folder.spawned(1, 0, "2026-11-25T03:00:00.000Z"),
        {"fact": "ended", "text": "ended: exit code 1, after 3s"},
        folder.spawned(2, folder.log.stat().st_size, "2026-11-25T03:01:00.000Z"),
    )
    with folder.log.open("ab") as file:
        file.write(b"two\n")
    wait_until(lambda: tty.take().endswith(b"two\n"), "the line of the new run")
    assert tty.take().decode() == (
        "--- run 1 started 2026-11-25 03:00:00 ---\none\nquestion? answer 상\n"
        "--- run 2 started 2026-11-25 03:01:00 (the one before: exit code 1) ---\ntwo\n"
    )


def test_follow_does_not_draw_the_run_in_whose_middle_it_begins(folder: Folder, tty: Tty) -> None:
    """The last lines of a run that began long before are followed without a line for its beginning."""
    folder.log.write_bytes(b"one\ntwo\n")
    folder.journal(folder.spawned(1, 0))
    folder.start("-f", "-n", "1", stdout=tty.slave)
    wait_until(lambda: tty.take() == b"two\n", "the last line")
    with folder.log.open("ab") as file:
        file.write(b"three\n")
    wait_until(lambda: tty.take().endswith(b"three\n"), "the next line")
    assert tty.take() == b"two\nthree\n"


def test_interrupt_ends_quietly(folder: Folder) -> None:
    """Ctrl-C is the way to leave: no traceback, no message, 130."""
    folder.log.write_bytes(b"x\n")
    child = folder.start("-f")
    assert child.stdout is not None
    assert child.stdout.readline() == b"x\n"
    child.send_signal(signal.SIGINT)
    _, problems = child.communicate(timeout=20)
    assert child.returncode == 130
    assert problems == b""


def test_closed_pipe_ends_quietly(folder: Folder) -> None:
    """``| head``: no traceback, and no waiting for a next line that nobody reads."""
    folder.log.write_bytes(b"line\n" * 500_000)
    child = folder.start("-n", "500000")
    assert child.stdout is not None
    assert child.stdout.readline() == b"line\n"
    child.stdout.close()
    assert child.wait(20) == 141
    assert child.stderr is not None
    assert child.stderr.read() == b""
    child.stderr.close()
    quiet = folder.start("-f", "-n", "1")
    assert quiet.stdout is not None
    assert quiet.stdout.readline() == b"line\n"
    quiet.stdout.close()
    assert quiet.wait(20) == 141
    assert quiet.stderr is not None
    assert quiet.stderr.read() == b""
    quiet.stderr.close()
