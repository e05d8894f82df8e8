"""What befalls log files: others move and delete them, the disk is full, a rename is cut short."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from log_files import all_bytes, opened, pipe_with, waiting
from waiting import wait_until
from watchdog_cli.adapters import log_gap
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.core.errors import ExitCode, StorageError


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Make the system refuse writes behind ``size``, as a full disk refuses them."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def reach(log: RotatingFile, path: Path, wanted: bytes) -> None:
    """Write until ``wanted`` is found under the name."""

    def found() -> bool:
        log.write(wanted)
        return path.exists() and wanted in path.read_bytes()

    wait_until(found, "the log under its name", 2.0)


@pytest.mark.parametrize("deed", ["delete", "move", "replace", "truncate"])
def test_goes_on_under_its_name(tmp_path: Path, deed: str) -> None:
    """Deleted, moved, replaced or emptied: the next output is found under the name, without a hole."""
    path = tmp_path / "t.log"
    log = opened(path, 100_000, 2)
    log.write(b"first\n" * 100)
    if deed == "delete":
        path.unlink()
    elif deed == "move":
        path.rename(tmp_path / "moved")
    elif deed == "replace":
        (tmp_path / "other").write_bytes(b"edited\n")
        (tmp_path / "other").rename(path)
    else:
        os.truncate(path, 0)
    reach(log, path, b"second\n")
    log.close()
    text = path.read_bytes()
    assert b"\0" not in text
    assert b"first" not in text
    assert text.startswith(b"edited\n") is (deed == "replace")


def test_folder_may_be_deleted(tmp_path: Path) -> None:
    """A deleted log folder comes back with the next output."""
    path = tmp_path / "logs" / "t.log"
    log = opened(path, 1000, 2)
    log.write(b"one\n")
    path.unlink()
    path.parent.rmdir()
    reach(log, path, b"two\n")
    log.close()


def test_lines_of_others_are_not_overwritten(tmp_path: Path) -> None:
    """When somebody appends to the log by hand, our next line stands behind it."""
    path = tmp_path / "t.log"
    log = opened(path, 10_000, 2)
    log.write(b"ours\n")
    with path.open("ab") as file:
        file.write(b"by hand\n")
    wait_until(lambda: log.write(b"again\n") and b"again" in path.read_bytes(), "a second line")
    log.close()
    assert path.read_bytes().startswith(b"ours\nby hand\nagain\n")


def test_full_disk_loses_and_counts_and_goes_on(tmp_path: Path) -> None:
    """While nothing can be written bytes are counted and said once; afterwards a line tells how many are missing."""
    path = tmp_path / "t.log"
    said: list[str] = []
    well: list[str] = []
    log = opened(path, 1 << 20, 2, on_problem=said.append, on_recovered=well.append)
    log.write(b"a" * 999 + b"\n")
    with no_file_larger_than(1500):
        assert not log.write(b"b" * 2000 + b"\n")
        for _ in range(50):
            assert not log.write(b"c" * 9 + b"\n")
    lost = log.gap.total
    wait_until(lambda: log.write(b"back\n"), "room on the disk", 5)
    lost = log.gap.total
    log.close()
    text = path.read_bytes()
    assert b"\n[watchdog] %d bytes of output lost: file too large\nback\n" % lost in text
    assert text.count(b"[watchdog]") == 1
    assert len(text.replace(b"back\n", b"")) < 2000
    assert len(said) == 1
    assert str(path) in said[0]
    assert len(well) == 1
    assert str(lost) in well[0]


@pytest.mark.parametrize("see", [False, True])
def test_full_disk_is_drained_by_splice(tmp_path: Path, see: bool) -> None:
    """On a full disk the pipe is emptied all the same, and each byte is stored or counted, and shown."""
    path = tmp_path / "t.log"
    log = opened(path, 1 << 20, 2)
    source = pipe_with(b"d" * 50_000)
    seen = b""
    with no_file_larger_than(8192):
        taken = 0
        while taken < 50_000:
            count, data = log.splice(source, 1 << 20, lambda: waiting(source), see=see)
            taken += count
            seen += data
    assert len(seen) == (50_000 if see else 0)
    os.close(source)
    assert taken == 50_000
    stored = path.stat().st_size
    assert stored <= 8192
    assert log.gap.total + stored == 50_000
    log.close()


def test_gap_is_noted_at_the_end_at_the_latest(tmp_path: Path) -> None:
    """Bytes lost just before the end are told in the file by closing it."""
    path = tmp_path / "t.log"
    log = opened(path, 1 << 20, 2)
    with no_file_larger_than(0):
        log.write(b"lost\n")
    log.close()
    assert path.read_bytes() == b"[watchdog] 5 bytes of output lost: file too large\n"


def test_a_note_can_be_worded_for_machines(tmp_path: Path) -> None:
    """Who writes JSON lines can have the gap told in JSON."""
    path = tmp_path / "t.log"
    log = opened(
        path, 1 << 20, 2, gap_note=lambda lost, why: b'{"lost":%d,"why":"%s"}\n' % (lost, why.encode())
    )
    with no_file_larger_than(0):
        log.write(b"xyz\n")
    log.close()
    assert path.read_bytes() == b'{"lost":4,"why":"file too large"}\n'


def test_same_trouble_is_not_said_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full, free and full again within a minute is told once."""
    monkeypatch.setattr(log_gap, "RETRY_EVERY_S", 0.0)
    said: list[str] = []
    log = opened(tmp_path / "t.log", 1 << 20, 2, on_problem=said.append)
    for _ in range(20):
        with no_file_larger_than(0):
            log.write(b"no\n")
        log.write(b"yes\n")
    log.close()
    assert len(said) == 1


def test_place_of_the_log_taken_by_a_folder_later(tmp_path: Path) -> None:
    """A folder that takes the log's name while running costs output, never an error, and ends with the folder."""
    path = tmp_path / "t.log"
    said: list[str] = []
    log = opened(path, 1000, 2, on_problem=said.append)
    path.unlink()
    path.mkdir()
    wait_until(lambda: not log.write(b"x\n"), "the loss")
    assert len(said) == 1
    assert "is a directory" in said[0]
    path.rmdir()
    wait_until(lambda: log.write(b"y\n"), "the file's return")
    log.close()
    assert path.read_bytes().endswith(b"y\n")


def test_refused_rotation_starts_over(tmp_path: Path) -> None:
    """When the backup's name cannot be had, the ceiling still holds and it is said."""
    path = tmp_path / "t.log"
    said: list[str] = []
    (tmp_path / "t.log.1").mkdir()
    log = opened(path, 1000, 1, on_problem=said.append)
    for number in range(300):
        log.write(b"line %d\n" % number)
        assert path.stat().st_size <= 1000
    log.close()
    assert path.read_bytes().endswith(b"line 299\n")
    assert len(said) == 1
    assert "cannot rotate" in said[0]


@pytest.mark.parametrize("thing", ["folder", "fifo", "file as parent"])
def test_unwritable_at_start_is_an_error_that_helps(tmp_path: Path, thing: str) -> None:
    """At start an impossible log is one clear error with its code, at once."""
    path = tmp_path / "t.log"
    if thing == "folder":
        path.mkdir()
    elif thing == "fifo":
        os.mkfifo(path)
    else:
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "t.log"
    with pytest.raises(
        StorageError, match=r"cannot write .*t\.log: .*; pick another place with --log-dir"
    ) as caught:
        RotatingFile(str(path), 1000, 1).open()
    assert caught.value.exit_code == ExitCode.STORAGE


def test_crash_between_any_two_renames_keeps_every_byte(tmp_path: Path) -> None:
    """Killed at any step of a rotation, the next life finds all lines once."""
    lines = [b"kept line %d\n" % number for number in range(400)]
    for step in range(12):
        folder = tmp_path / str(step)
        path = folder / "t.log"
        child = os.fork()
        if child == 0:
            left = step

            def dying(source: str, target: str, real=os.replace) -> None:
                nonlocal left
                if left == 0:
                    os._exit(9)
                left -= 1
                real(source, target)

            os.replace = dying
            log = opened(path, 700, 100)
            for line in lines[:200]:
                log.write(line)
            os._exit(0)
        os.waitpid(child, 0)
        before = all_bytes(path)
        log = opened(path, 700, 100)
        for line in lines[200:]:
            log.write(line)
        log.close()
        assert all_bytes(path) == before + b"".join(lines[200:])
        assert before == b"".join(lines[: before.count(b"\n")])
