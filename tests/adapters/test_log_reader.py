"""Reading logs from their ends: any bytes, any lengths, across files that are being rotated."""

import os
import random
from pathlib import Path

import pytest

from watchdog_cli.adapters import log_reader
from watchdog_cli.adapters.log_reader import (
    LINE_LIMIT,
    close_row,
    last_lines,
    lines_backwards,
    lines_forward,
    open_row,
    pieces_forward,
    tail_start,
)


def write_row(path: Path, files: list[bytes]) -> None:
    """Write a log and its rotated files, newest first."""
    for number, data in enumerate(files):
        (path if number == 0 else path.with_name(f"{path.name}.{number}")).write_bytes(data)


def split_keeping_ends(data: bytes) -> list[bytes]:
    return [line + b"\n" for line in data.split(b"\n")[:-1]] + (
        [data.split(b"\n")[-1]] if data.split(b"\n")[-1] else []
    )


CONTENTS = [
    [b""],
    [b"\n"],
    [b"one"],
    [b"one\n"],
    [b"\n\n\n"],
    [b"one\n\ntwo"],
    [b"newest\n", b"older\nold\n", b"oldest"],
    [b"", b"only in the rotated one\n"],
    [b"x" * 70_000 + b"\n" + b"y" * 3],
    [b"\n".join(b"%d" % number for number in range(50_000))],
    ["상태 😀 عربي\n".encode() * 5000 + b"\xc1\xff\0\n"],
]


@pytest.mark.parametrize("files", CONTENTS)
@pytest.mark.parametrize("block", [1, 2, 7, 64 * 1024])
def test_forwards_and_backwards_see_the_same_lines(
    tmp_path: Path, files: list[bytes], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the block size, both directions give each line of each file once, with its true place."""
    if block < 10:
        files = [data[:3000] for data in files]
    monkeypatch.setattr(log_reader, "BLOCK", block)
    path = tmp_path / "t.log"
    write_row(path, files)
    expected = [line for data in reversed(files) for line in split_keeping_ends(data)]
    row = open_row(str(path))
    top = (len(row) - 1, 0)
    forward = list(lines_forward(row, top))
    backward = list(lines_backwards(row))
    close_row(row)
    assert [(line.end - line.start, line.data[:50]) for line in forward] == [
        (len(line), line[:50]) for line in expected
    ]
    assert [line[:3] for line in reversed(backward)] == [line[:3] for line in forward]
    assert [line.data for line in reversed(backward)] == [line.data for line in forward]


@pytest.mark.parametrize("files", CONTENTS)
@pytest.mark.parametrize("block", [1, 3, 64 * 1024])
def test_last_lines_begin_at_the_right_place(
    tmp_path: Path, files: list[bytes], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place of the last n lines is that of a plain split, for every n."""
    if block < 10:
        files = [data[:400] for data in files]
    monkeypatch.setattr(log_reader, "BLOCK", block)
    path = tmp_path / "t.log"
    write_row(path, files)
    lines = [line for data in reversed(files) for line in split_keeping_ends(data)]
    row = open_row(str(path))
    for count in {0, 1, 2, 3, len(lines) // 2, len(lines) - 1, len(lines), len(lines) + 5}:
        if count < 0:
            continue
        shown = b"".join(pieces_forward(row, tail_start(row, count)))
        assert shown == b"".join(lines[len(lines) - min(count, len(lines)) :])
    close_row(row)


def test_floor_is_respected(tmp_path: Path) -> None:
    """Nothing before the floor is counted or shown, within a file and across files."""
    path = tmp_path / "t.log"
    write_row(path, [b"5\n6\n", b"1\n2\n3\n4\n"])
    row = open_row(str(path))
    floor = (1, 4)
    assert [line.data for line in lines_backwards(row, floor)] == [b"6\n", b"5\n", b"4\n", b"3\n"]
    assert tail_start(row, 100, floor) == floor
    assert tail_start(row, 3, floor) == (1, 6)
    assert tail_start(row, 1, floor) == (0, 2)
    close_row(row)


def test_huge_line_costs_little_memory(tmp_path: Path) -> None:
    """Of a line of many megabytes only its two ends are held, and how much is missing is known."""
    path = tmp_path / "t.log"
    path.write_bytes(b"before\n" + b"<" + b"m" * 30_000_000 + b">\nafter\n")
    row = open_row(str(path))
    for lines in (list(lines_backwards(row))[::-1], list(lines_forward(row, (0, 0)))):
        assert [line.data for line in (lines[0], lines[2])] == [b"before\n", b"after\n"]
        assert len(lines[1].data) == LINE_LIMIT
        assert lines[1].data.startswith(b"<m")
        assert lines[1].data.endswith(b"m>\n")
        assert lines[1].left_out == 30_000_003 - LINE_LIMIT
    close_row(row)


def test_last_lines_of_every_kind(tmp_path: Path) -> None:
    """Last lines come oldest first, without their ends, from as many files as it takes; a missing log has none."""
    path = tmp_path / "t.log"
    write_row(path, [b"c\r\nd", b"a\nb\n"])
    assert last_lines(str(path), 3) == [b"b", b"c", b"d"]
    assert last_lines(str(path), 99) == [b"a", b"b", b"c", b"d"]
    assert last_lines(str(path), 0) == []
    assert last_lines(str(tmp_path / "none"), 5) == []
    (tmp_path / "folder").mkdir()
    assert last_lines(str(tmp_path / "folder"), 5) == []


def test_rotation_while_the_row_is_opened_shows_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that gets the next number between two openings is not taken for another one."""
    path = tmp_path / "t.log"
    write_row(path, [b"3\n", b"2\n", b"1\n"])
    real = log_reader.LogFile
    opened = 0

    def opening(name: str) -> log_reader.LogFile:
        nonlocal opened
        opened += 1
        if opened == 2:
            for number in (2, 1):
                os.replace(f"{path}.{number}", f"{path}.{number + 1}")
            os.replace(path, f"{path}.1")
            path.write_bytes(b"4\n")
        return real(name)

    monkeypatch.setattr(log_reader, "LogFile", opening)
    row = open_row(str(path))
    assert b"".join(pieces_forward(row, (len(row) - 1, 0))) == b"1\n2\n3\n"
    close_row(row)


def test_missing_present_file_does_not_hide_the_rotated_ones(tmp_path: Path) -> None:
    """When only rotated files are left they are still read."""
    path = tmp_path / "t.log"
    (tmp_path / "t.log.1").write_bytes(b"left\n")
    assert last_lines(str(path), 5) == [b"left"]


def test_random_contents_agree_with_a_plain_split(tmp_path: Path) -> None:
    """Random lines of random lengths, around the size of a block, are cut as a plain split cuts them."""
    chance = random.Random(7)
    path = tmp_path / "t.log"
    for _ in range(30):
        data = b"".join(
            b"%d" % number * chance.choice([0, 1, 5, 1000, 13_000]) + b"\n"
            for number in range(chance.randrange(40))
        ) + b"z" * chance.randrange(2)
        path.write_bytes(data)
        row = open_row(str(path))
        backward = [line.data for line in lines_backwards(row)][::-1]
        close_row(row)
        assert backward == split_keeping_ends(data)
