"""A rotating file on a real disk: ceilings and line ends."""

import os
import stat
from functools import partial
from pathlib import Path

import pytest

from log_files import all_bytes, opened, pipe_with, row, waiting
from waiting import stays_true


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


def test_nothing_is_written_while_nothing_happens(tmp_path: Path) -> None:
    """An open log that gets no output is not touched."""
    path = tmp_path / "t.log"
    log = opened(path, 1000, 1)
    log.write(b"x\n")
    seen = path.stat().st_mtime_ns
    stays_true(lambda: path.stat().st_mtime_ns == seen, "an untouched file", 0.3)
    log.close()
