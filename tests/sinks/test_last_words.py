"""The last lines of one run: of that run, in order, bounded."""

from pathlib import Path

from watchdog_cli.adapters.last_words import LINE_LIMIT, TEXT_LIMIT, last_words, words_between
from watchdog_cli.adapters.log_reader import inode_of


def log_of(folder: Path, *parts: bytes) -> Path:
    """A log of rotated parts, oldest first."""
    path = folder / "bot.log"
    for number, part in enumerate(reversed(parts)):
        name = path if number == 0 else Path(f"{path}.{number}")
        name.write_bytes(part)
    return path


def place(path: Path, offset: int) -> tuple[str, int]:
    return f"{inode_of(path.stat())}:birth", offset


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, last))


def test_the_last_lines_across_rotated_files(tmp_path: Path) -> None:
    """Two hundred lines in order, though the newest file holds fewer."""
    path = log_of(tmp_path, lines(0, 500), lines(500, 550))
    assert last_words(str(path), None) == [f"line {number}" for number in range(350, 550)]
    assert last_words(str(path), None, count=3) == ["line 547", "line 548", "line 549"]


def test_what_the_next_run_prints_is_not_among_them(tmp_path: Path) -> None:
    """The next run has begun, and has even rotated the log: its lines are left out."""
    path = log_of(tmp_path, lines(0, 10), lines(10, 20))
    old = Path(f"{path}.1")
    assert last_words(str(path), place(old, len(lines(0, 7))), count=3) == ["line 4", "line 5", "line 6"]
    assert last_words(str(path), place(path, len(lines(10, 12))), count=3) == ["line 9", "line 10", "line 11"]


def test_what_the_run_before_printed_is_not_among_them(tmp_path: Path) -> None:
    """A run that printed two lines has two last lines; one that printed nothing has none."""
    path = log_of(tmp_path, lines(0, 10))
    start = place(path, len(lines(0, 8)))
    assert last_words(str(path), None, start=start) == ["line 8", "line 9"]
    assert last_words(str(path), start, start=start) == []
    rotated = log_of(tmp_path, lines(0, 5), lines(5, 9))
    start = place(Path(f"{rotated}.1"), len(lines(0, 4)))
    assert last_words(str(rotated), None, start=start) == [f"line {number}" for number in range(4, 9)]


def test_places_that_are_gone_are_no_limits(tmp_path: Path) -> None:
    """The file of a place was deleted: everything that is there counts."""
    path = log_of(tmp_path, lines(0, 3))
    gone = ("1:2:x", 5)
    assert last_words(str(path), gone, start=gone) == ["line 0", "line 1", "line 2"]
    assert words_between(str(path), gone, gone) == []
    assert last_words(str(tmp_path / "none"), None) == []


def test_any_bytes_are_bounded_and_harmless(tmp_path: Path) -> None:
    """Garbage, escapes and endless lines: text without power over a terminal, cut in line and in all."""
    path = log_of(tmp_path, b"\x1b]0;title\x07\x1b[31mred\x1b[0m\xff\n" + b"x" * 1_000_000 + b"\n")
    first, long = last_words(str(path), None)
    assert first == "red\N{REPLACEMENT CHARACTER}"
    assert len(long) < LINE_LIMIT + 20
    path = log_of(tmp_path, (b"y" * 3900 + b"\n") * 300)
    found = last_words(str(path), None)
    assert sum(len(line) + 1 for line in found) <= TEXT_LIMIT
    assert len(found) >= 50


def test_the_words_between_two_places(tmp_path: Path) -> None:
    """Exactly that piece, also across a rotation."""
    path = log_of(tmp_path, lines(0, 5), lines(5, 9))
    old = Path(f"{path}.1")
    start, end = place(old, len(lines(0, 3))), place(path, len(lines(5, 7)))
    assert words_between(str(path), start, end)[:4] == ["line 3", "line 4", "line 5", "line 6"]
    assert words_between(str(path), end, end) == []
