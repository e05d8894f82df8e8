"""Following a log by its name while it is rotated, emptied, deleted and made again."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchdog_cli.adapters.log_follower import Follower
from watchdog_cli.adapters.log_reader import open_row
from watchdog_cli.adapters.rotating_file import RotatingFile


class Bench:
    """A log that is written and followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self.follower: Follower | None = None

    def follow(self) -> None:
        self.follower = Follower(str(self.path), open_row(str(self.path)), self.notes.append)

    def more(self) -> bytes:
        assert self.follower is not None
        return b"".join(piece.data for piece in self.follower.more())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path / "t.log")
    yield found
    if found.follower is not None:
        found.follower.close()


@pytest.mark.parametrize("every", [1, 7, 60])
def test_each_line_once_and_in_order_across_rotations(bench: Bench, every: int) -> None:
    """However often one looks, numbered lines come once and in order, also when several rotations lie between."""
    log = RotatingFile(str(bench.path), 300, 5)
    log.open()
    bench.follow()
    seen = b""
    for number in range(1000):
        log.write(b"number %d\n" % number)
        if number % every == 0:
            seen += bench.more()
    seen += bench.more()
    log.close()
    assert [int(line.split()[1]) for line in seen.splitlines()] == list(range(1000))
    assert bench.notes == []
    assert log.generation > 20


def test_what_was_shown_before_is_not_repeated(bench: Bench) -> None:
    """Following begins at the end of what was there when the files were opened."""
    bench.path.write_bytes(b"old\npart")
    bench.path.with_name("t.log.1").write_bytes(b"older\n")
    bench.follow()
    assert bench.more() == b""
    with bench.path.open("ab") as file:
        file.write(b"ial\n")
    assert bench.more() == b"ial\n"
    assert bench.more() == b""


def test_log_that_does_not_exist_yet(bench: Bench) -> None:
    """A log that comes later is shown from its beginning, with what was rotated away meanwhile."""
    bench.follow()
    assert bench.more() == b""
    log = RotatingFile(str(bench.path), 100, 5)
    log.open()
    for number in range(20):
        log.write(b"number %d\n" % number)
    log.close()
    assert [int(line.split()[1]) for line in bench.more().splitlines()] == list(range(20))


def test_emptied_log_goes_on_from_its_beginning(bench: Bench) -> None:
    """After a truncation the new lines are shown, and that it happened is said."""
    bench.path.write_bytes(b"a long first line\n")
    bench.follow()
    os.truncate(bench.path, 0)
    bench.path.write_bytes(b"new\n")
    assert bench.more() == b"new\n"
    assert bench.notes == ["the log was emptied"]


def test_deleted_log_is_awaited_and_old_files_are_not_shown(bench: Bench) -> None:
    """When the log is deleted and comes back, only what is new is shown, although older files lie beside it."""
    bench.path.write_bytes(b"shown\n")
    bench.path.with_name("t.log.1").write_bytes(b"old\n")
    bench.path.with_name("t.log.2").write_bytes(b"older\n")
    bench.follow()
    bench.path.unlink()
    assert bench.more() == b""
    bench.path.write_bytes(b"back\n")
    assert bench.more() == b"back\n"
    assert bench.notes == []


def test_last_words_before_a_rotation_are_shown(bench: Bench) -> None:
    """What was written between the last look and the rotation comes before the new file."""
    bench.path.write_bytes(b"one\n")
    bench.follow()
    with bench.path.open("ab") as file:
        file.write(b"two\n")
    os.replace(bench.path, f"{bench.path}.1")
    bench.path.write_bytes(b"three\n")
    assert bench.more() == b"two\nthree\n"


def test_moved_log_is_finished_before_the_new_one(bench: Bench) -> None:
    """A log moved away by hand is read to its end, then the new one."""
    bench.path.write_bytes(b"one\n")
    bench.follow()
    os.replace(bench.path, f"{bench.path}.bak")
    with open(f"{bench.path}.bak", "ab") as file:
        file.write(b"two\n")
    bench.path.write_bytes(b"three\n")
    assert bench.more() == b"two\nthree\n"


def test_says_when_lines_were_rotated_away_unseen(bench: Bench) -> None:
    """When more was written between two looks than is kept, that is said instead of passed over."""
    log = RotatingFile(str(bench.path), 100, 2)
    log.open()
    log.write(b"first\n")
    bench.follow()
    for number in range(500):
        log.write(b"number %d\n" % number)
    seen = bench.more()
    log.close()
    assert seen.endswith(b"number 499\n")
    assert len(bench.notes) == 1
    assert "missing" in bench.notes[0]


def test_no_file_is_held_for_ever(bench: Bench) -> None:
    """Over many rotations the follower holds a handful of files, and none after its end."""
    log = RotatingFile(str(bench.path), 100, 3)
    log.open()
    before = len(os.listdir("/proc/self/fd"))
    bench.follow()
    for number in range(500):
        log.write(b"number %d\n" % number)
        bench.more()
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert bench.follower is not None
    bench.follower.close()
    assert len(os.listdir("/proc/self/fd")) == before
    log.close()
