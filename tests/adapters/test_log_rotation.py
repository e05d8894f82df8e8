"""A rotating file on a real disk: ceilings, line ends, and everything that befalls log files."""

import contextlib
import fcntl
import os
import resource
import stat
import sys
import termios
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from waiting import stays_true, wait_until
from watchdog_cli.adapters import log_gap
from watchdog_cli.adapters.rotating_file import RotatingFile
from watchdog_cli.core.errors import ExitCode, StorageError


def opened(path: Path, size: int, backups: int, **more) -> RotatingFile:
    log = RotatingFile(str(path), size, backups, **more)
    log.open()
    return log


def row(path: Path) -> list[Path]:
    """Return the files of a log, oldest first."""
    older = [entry for entry in path.parent.iterdir() if entry.name.startswith(path.name + ".")]
    older.sort(key=lambda entry: int(entry.name.rpartition(".")[2]), reverse=True)
    return [*older, *([path] if path.exists() else [])]


def all_bytes(path: Path) -> bytes:
    return b"".join(entry.read_bytes() for entry in row(path))


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Make the system refuse writes behind ``size``, as a full disk refuses them."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def pipe_with(data: bytes) -> int:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.write(write, data)
    os.close(write)
    return read


def waiting(source: int) -> int:
    return int.from_bytes(fcntl.ioctl(source, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 300_000])
@pytest.mark.parametrize("piece", [1, 13, 4096])
def test_no_byte_is_lost_and_no_file_passes_its_ceiling(tmp_path: Path, size: int, piece: int) -> None:
    """Whatever the sizes, the files together hold all bytes in order and none is larger than the ceiling."""
    path = tmp_path / "t.log"
    data = b"".join(b"line %d %s\n" % (number, b"x" * (number % 37)) for number in range(min(size, 120)))
    log = opened(path, size, 20_000)
    for start in range(0, len(data), piece):
        assert log.write(data[start : start + piece])
    log.close()
    assert all_bytes(path) == data
    assert max(entry.stat().st_size for entry in row(path)) <= size


def test_files_end_at_line_ends(tmp_path: Path) -> None:
    """Lines that come in pieces stay whole: every file but the present one ends with a line end."""
    path = tmp_path / "t.log"
    log = opened(path, 1000, 100)
    for number in range(2000):
        log.write(b"number %d" % number)
        log.write(b"\n")
    log.close()
    files = row(path)
    assert len(files) > 20
    assert all(entry.read_bytes().endswith(b"\n") for entry in files)
    assert [int(line.split()[1]) for line in all_bytes(path).splitlines()] == list(range(2000))


def test_spliced_bytes_rotate_at_line_ends_too(tmp_path: Path) -> None:
    """Bytes that come by splice, unseen, are cut at line ends as well, and none is lost."""
    path = tmp_path / "t.log"
    log = opened(path, 100_000, 100)
    data = b"".join(b"spliced line number %d\n" % number for number in range(20_000))
    for start in range(0, len(data), 40_000):
        source = pipe_with(data[start : start + 40_000])
        taken = 0
        while taken < len(data[start : start + 40_000]):
            taken += log.splice(source, 1 << 20, partial(waiting, source))[0]
        os.close(source)
    log.close()
    files = row(path)
    assert len(files) >= 4
    assert all_bytes(path) == data
    assert all(entry.read_bytes().endswith(b"\n") and entry.stat().st_size <= 100_000 for entry in files)


@pytest.mark.parametrize("see", [False, True])
def test_spliced_lines_in_pieces_stay_whole(tmp_path: Path, see: bool) -> None:
    """A trickle of half lines by splice: files end at line ends, and who wants to see the bytes gets them all."""
    path = tmp_path / "t.log"
    log = opened(path, 1000, 100)
    read, write = os.pipe()
    os.set_blocking(read, False)
    seen = b""
    for number in range(1000):
        for piece in (b"number %d" % number, b"\n"):
            os.write(write, piece)
            while waiting(read):
                count, data = log.splice(read, 1 << 20, lambda: waiting(read), see=see)
                assert count > 0
                seen += data
        with pytest.raises(BlockingIOError):
            log.splice(read, 1 << 20, lambda: waiting(read), see=see)
    log.close()
    os.close(read)
    os.close(write)
    files = row(path)
    assert len(files) > 10
    assert all(entry.read_bytes().endswith(b"\n") and entry.stat().st_size <= 1000 for entry in files)
    assert all_bytes(path) == b"".join(b"number %d\n" % number for number in range(1000))
    assert seen == (all_bytes(path) if see else b"")


def test_line_without_end_is_cut_at_the_ceiling(tmp_path: Path) -> None:
    """An endless line fills file after file and never passes the ceiling."""
    path = tmp_path / "t.log"
    log = opened(path, 5000, 3)
    for _ in range(30):
        log.write(b"y" * 1000)
    log.close()
    assert [entry.stat().st_size for entry in row(path)] == [5000, 5000, 5000, 5000]


def test_total_never_passes_the_limit(tmp_path: Path) -> None:
    """At no moment do all files together hold more than size x (backups + 1)."""
    path = tmp_path / "t.log"
    log = opened(path, 4096, 5)
    highest = 0
    for number in range(4000):
        log.write(b"some line of output %d\n" % number)
        if number % 7 == 0:
            highest = max(highest, sum(entry.stat().st_size for entry in tmp_path.iterdir()))
    log.close()
    assert 4096 * 4 < highest <= 4096 * 6


def test_no_backups_means_only_the_present_file(tmp_path: Path) -> None:
    """With backups 0 the file starts over and nothing lies beside it."""
    path = tmp_path / "t.log"
    log = opened(path, 500, 0)
    for number in range(200):
        log.write(b"line %d\n" % number)
    log.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.log"]
    lines = path.read_bytes().splitlines()
    assert lines[-1] == b"line 199"
    assert lines == [b"line %d" % number for number in range(200 - len(lines), 200)]


def test_leftovers_of_a_larger_setting_go(tmp_path: Path) -> None:
    """Higher numbers of an earlier setting are removed; a dated name of another tool stays."""
    path = tmp_path / "t.log"
    for number in range(1, 9):
        (tmp_path / f"t.log.{number}").write_text("old\n")
    (tmp_path / "t.log.20261125").write_text("not ours\n")
    opened(path, 1000, 2).close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "t.log",
        "t.log.1",
        "t.log.2",
        "t.log.20261125",
    ]


def test_larger_files_of_an_earlier_setting_are_shortened(tmp_path: Path) -> None:
    """A file above the new ceiling keeps its newest whole lines."""
    path = tmp_path / "t.log"
    lines = [b"old line %d\n" % number for number in range(1000)]
    path.write_bytes(b"".join(lines))
    (tmp_path / "t.log.1").write_bytes(b"z" * 5000 + b"\nend\n")
    log = opened(path, 2000, 2)
    log.write(b"new\n")
    log.close()
    assert path.read_bytes() == b"new\n"
    kept = (tmp_path / "t.log.1").read_bytes()
    assert kept.endswith(b"old line 998\nold line 999\n")
    assert 1900 < len(kept) <= 2000
    assert kept.startswith(b"old line ")
    assert (tmp_path / "t.log.2").read_bytes() == b"end\n"
    assert sum(entry.stat().st_size for entry in tmp_path.iterdir()) <= 6000


def test_appends_to_what_is_there(tmp_path: Path) -> None:
    """A log of an earlier life is continued, also after a partial last line."""
    path = tmp_path / "t.log"
    path.write_bytes(b"before\npart")
    log = opened(path, 1000, 1)
    log.write(b"ial\nafter\n")
    log.close()
    assert path.read_bytes() == b"before\npartial\nafter\n"


def test_rights_are_for_the_owner_only(tmp_path: Path) -> None:
    """New files are 0600 and new folders 0700; a folder that exists keeps its mode."""
    existing = tmp_path / "there"
    existing.mkdir(mode=0o755)
    log = opened(existing / "new" / "deep" / "t.log", 10, 2)
    for _ in range(5):
        log.write(b"0123456\n")
    log.close()
    assert stat.S_IMODE(existing.stat().st_mode) == 0o755
    assert stat.S_IMODE((existing / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE((existing / "new" / "deep").stat().st_mode) == 0o700
    modes = {stat.S_IMODE(entry.stat().st_mode) for entry in (existing / "new" / "deep").iterdir()}
    assert modes == {0o600}


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


def test_nothing_is_written_while_nothing_happens(tmp_path: Path) -> None:
    """An open log that gets no output is not touched."""
    path = tmp_path / "t.log"
    log = opened(path, 1000, 1)
    log.write(b"x\n")
    seen = path.stat().st_mtime_ns
    stays_true(lambda: path.stat().st_mtime_ns == seen, "an untouched file", 0.3)
    log.close()
