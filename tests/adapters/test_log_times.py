"""Where a time and a run lie in the log: marks, the times in the lines, and the journal."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watchdog_cli.adapters import log_marks
from watchdog_cli.adapters.log_marks import LogMarks, Mark, file_id_of, read_marks
from watchdog_cli.adapters.log_reader import close_row, inode_of, open_row, pieces_forward
from watchdog_cli.adapters.log_runs import RunFinder
from watchdog_cli.adapters.log_since import find_by_stamps, find_since, stamp_of
from watchdog_cli.adapters.rotating_file import RotatingFile

BEGIN = datetime(2026, 11, 25, 3, 0, tzinfo=UTC).timestamp()


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> "Hands":
    return Hands(monkeypatch)


class Hands:
    """Sets both clocks of the marks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(log_marks.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(log_marks.time, "time", lambda: BEGIN - 1000.0 + self.now)


def printing(log: RotatingFile, marks: LogMarks, data: bytes) -> None:
    before = log.offset
    log.write(data)
    marks.note(before)


def marked(tmp_path: Path, size: int = 1 << 20) -> tuple[RotatingFile, LogMarks, str]:
    log = RotatingFile(str(tmp_path / "t.log"), size, 3)
    log.open()
    path = str(tmp_path / "log-marks")
    marks = LogMarks(path, log)
    marks.note(0)
    return log, marks, path


def test_marks_are_made_with_output_only_and_not_too_often(tmp_path: Path, steady: Hands) -> None:
    """A minute apart for little output, ten seconds for much, none for silence."""
    log, marks, path = marked(tmp_path)
    for _ in range(300):
        steady.now += 1
        printing(log, marks, b"x\n")
    assert [mark.at - BEGIN for mark in reversed(list(read_marks(path)))] == [0, 60, 120, 180, 240, 300]
    steady.now += 5000
    printing(log, marks, b"after silence\n")
    for _ in range(60):
        steady.now += 1
        printing(log, marks, b"y" * 2000 + b"\n")
    times = [mark.at - BEGIN for mark in reversed(list(read_marks(path)))]
    assert times[6] == 5300
    assert times[7:] == [5310, 5320, 5330, 5340, 5350, 5360]
    log.close()
    marks.close()


def test_mark_says_where_the_file_ended_before_its_bytes(tmp_path: Path, steady: Hands) -> None:
    """What stands before a mark's offset is older than its time, what stands behind it is not."""
    log, marks, path = marked(tmp_path)
    printing(log, marks, b"at once\n")
    steady.now += 100
    printing(log, marks, b"later\n")
    newest = next(iter(read_marks(path)))
    assert newest == Mark(BEGIN + 100, marks.file_id, 8)


def test_same_inode_twice_is_told_apart(tmp_path: Path, steady: Hands) -> None:
    """A file that got the inode of a deleted one has another identity."""
    log, marks, path = marked(tmp_path)
    printing(log, marks, b"one\n")
    first = marks.file_id
    os.truncate(log.path, 0)
    printing(log, marks, b"two\n")
    assert marks.file_id != first
    assert marks.file_id.rpartition(":")[0] == first.rpartition(":")[0]
    assert file_id_of(path, log.inode) == marks.file_id


def test_identity_survives_the_watchdog(tmp_path: Path, steady: Hands) -> None:
    """The next watchdog gives an existing log the identity that it had."""
    log, marks, path = marked(tmp_path)
    printing(log, marks, b"one\n")
    log.close()
    marks.close()
    again = RotatingFile(log.path, 1 << 20, 3)
    again.open()
    more = LogMarks(path, again)
    more.note(again.offset)
    assert more.file_id == marks.file_id
    again.close()
    more.close()


def test_marks_that_cannot_be_written_hurt_nobody(tmp_path: Path) -> None:
    """Without marks the log is written all the same, and still has an identity."""
    (tmp_path / "log-marks").mkdir()
    log, marks, path = marked(tmp_path)
    printing(log, marks, b"x\n")
    assert marks.file_id.startswith(log.inode)
    assert list(read_marks(path)) == []


def test_garbage_among_the_marks_is_passed_over(tmp_path: Path) -> None:
    """Damaged lines are no marks."""
    path = tmp_path / "log-marks"
    path.write_bytes(b"\xff\xfe\n12 a:b 5\nx y z\n1 2\n13.5 a:b:c 7")
    assert list(read_marks(str(path))) == [Mark(13.5, "a:b:c", 7), Mark(12.0, "a:b", 5)]


def shown_since(log: RotatingFile, path: str, when: float) -> tuple[bytes, bool, float | None, bool]:
    row = open_row(log.path)
    found = find_since(row, read_marks(path), when)
    text = b"".join(pieces_forward(row, found.place))
    close_row(row)
    return text, found.nothing, found.known_at, found.exact


def test_since_shows_all_that_was_printed_after_the_time(tmp_path: Path, steady: Hands) -> None:
    """Nothing younger is left out; what is older by less than a minute may be shown, and from when is known."""
    log, marks, path = marked(tmp_path)
    for number in range(600):
        printing(log, marks, b"second %d\n" % number)
        steady.now += 1
    for back in (1, 59, 61, 299, 599):
        text, nothing, known_at, exact = shown_since(log, path, BEGIN + 600 - back)
        first = int(text.split()[1])
        assert not nothing
        assert not exact
        assert 600 - back - 60 <= first <= 600 - back
        assert text.endswith(b"second 599\n")
        assert known_at is not None
        assert known_at - BEGIN <= first


def test_since_goes_across_rotated_files(tmp_path: Path, steady: Hands) -> None:
    """A time that lies in a rotated file begins there."""
    log, marks, path = marked(tmp_path, size=4000)
    for number in range(1000):
        printing(log, marks, b"second %d\n" % number)
        steady.now += 1
    text, nothing, _, _ = shown_since(log, path, BEGIN + 500)
    assert not nothing
    assert 440 <= int(text.split()[1]) <= 500
    assert text.endswith(b"second 999\n")


def test_since_with_silence(tmp_path: Path) -> None:
    """When the file was last changed before the time, nothing was printed since."""
    path = tmp_path / "t.log"
    path.write_bytes(b"old\n")
    os.utime(path, (BEGIN, BEGIN))
    row = open_row(str(path))
    assert find_since(row, iter(()), BEGIN + 1).nothing
    assert not find_since(row, iter(()), BEGIN - 1).nothing
    close_row(row)


def test_since_without_marks_begins_with_the_files_changed_since(tmp_path: Path) -> None:
    """Without any mark whole files are shown, and that no time is known is part of the answer."""
    path = tmp_path / "t.log"
    for number, name in enumerate(["t.log", "t.log.1", "t.log.2"]):
        (tmp_path / name).write_bytes(b"%d\n" % number)
        os.utime(tmp_path / name, (BEGIN - number * 100, BEGIN - number * 100))
    row = open_row(str(path))
    found = find_since(row, iter(()), BEGIN - 150)
    assert found.place == (1, 0)
    assert found.known_at is None
    close_row(row)


def test_since_a_time_before_the_log_began_is_exact(tmp_path: Path, steady: Hands) -> None:
    """When the first file was begun after the time, all of it is younger."""
    log, marks, path = marked(tmp_path)
    printing(log, marks, b"x\n")
    text, nothing, known_at, exact = shown_since(log, path, BEGIN - 5)
    assert (text, nothing, known_at, exact) == (b"x\n", False, None, True)


def test_since_is_exact_when_the_lines_say_their_times(tmp_path: Path, steady: Hands) -> None:
    """Times at the beginning of the lines are used, with the lines that belong to them."""
    log, marks, path = marked(tmp_path)
    for number in range(300):
        stamp = datetime.fromtimestamp(BEGIN + number, UTC).strftime("%Y-%m-%d %H:%M:%S")
        printing(log, marks, f"{stamp},123 INFO second {number}\n  its second line\n".encode())
        steady.now += 1
    text, _, _, exact = shown_since(log, path, BEGIN + 200)
    assert exact
    assert text.splitlines()[0].endswith(b"second 200")
    text, nothing, _, _ = shown_since(log, path, BEGIN + 299.5)
    assert text == b""
    assert not nothing


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"2026-11-25T03:00:00Z x", BEGIN),
        (b"[2026-11-25 03:00:00.250] x", BEGIN + 0.25),
        (b"2026-11-25 05:00:00,5+02:00 x", BEGIN + 0.5),
        (b"2026-11-25 03:00:00 UTC x", BEGIN),
        (b"2026-13-25 03:00:00 x", None),
        (b"0001-01-01T00:00:00Z x", -62135596800.0),
        (b"at 2026-11-25 03:00:00", None),
        (b"\xff\xff", None),
        (b"", None),
    ],
)
def test_times_that_lines_begin_with(line: bytes, expected: float | None) -> None:
    """The usual forms are read, what is none is none."""
    assert stamp_of(line, UTC) == expected


def test_our_own_reports_are_cut_by_their_times(tmp_path: Path) -> None:
    """The watchdog's log is cut exactly where the time lies."""
    path = tmp_path / "t.watchdog.log"
    times = [datetime.fromtimestamp(BEGIN + number, UTC) for number in range(100)]
    lines = [f"{at:%Y-%m-%dT%H:%M:%S}.000Z INFO reported\n" for at in times]
    path.write_text("".join(lines))
    row = open_row(str(path))
    assert b"".join(pieces_forward(row, find_by_stamps(row, BEGIN + 90))).decode() == "".join(lines[90:])
    assert find_by_stamps(row, BEGIN + 1000) == (0, row[0].size)
    close_row(row)


# --- runs ------------------------------------------------------------------------------------------------------


def journal(path: Path, records: list[dict[str, object]]) -> None:
    path.write_text(
        "".join(json.dumps({"v": 1, "seq": number, **record}) + "\n" for number, record in enumerate(records))
    )


def spawned(number: int, file_id: str, offset: int) -> dict[str, object]:
    return {
        "at": f"2026-11-25T03:{number:02}:00.000Z",
        "fact": "spawned",
        "run": f"r{number}",
        "number": number,
        "log": {"file_id": file_id, "offset": offset},
    }


def ended(number: int) -> dict[str, object]:
    return {"fact": "ended", "number": number, "text": f"ended: killed by SIGKILL, after {number}s"}


def test_runs_are_found_with_how_the_one_before_ended(tmp_path: Path) -> None:
    """From a place on, the runs that began there come oldest first, with the reason of each restart."""
    log = tmp_path / "t.log"
    log.write_bytes(b"x" * 100)
    inode = inode_of(log.stat())
    journal(
        tmp_path / "j",
        [
            {"fact": "ended", "text": 7},
            spawned(1, f"{inode}:aa", 10),
            ended(1),
            {"fact": "restarting"},
            spawned(2, f"{inode}:aa", 40),
            spawned(3, f"{inode}:aa", 70),
        ],
    )
    with (tmp_path / "j").open("ab") as file:
        file.write(b'\xff{"fact": "spawned"\n[1, "spawned"]\n{"fact": "spawned", "log": 5}\n{"fact":"spa')
    row = open_row(str(log))
    finder = RunFinder(str(tmp_path / "j"), str(tmp_path / "none"))
    runs = finder.since(row, (0, 40))
    assert [(run.number, run.offset, run.before) for run in runs] == [
        (2, 40, "killed by SIGKILL"),
        (3, 70, ""),
    ]
    assert [run.number for run in finder.since(row, (0, 0))] == [1, 2, 3]
    assert finder.last() == runs[-1]
    assert [run.number for run in finder.newest(runs[0].at)] == [3]
    close_row(row)


def test_runs_of_a_file_that_is_gone_are_not_drawn_in_another(tmp_path: Path) -> None:
    """A place in a file whose inode now belongs to another one is no place."""
    log = tmp_path / "t.log"
    log.write_bytes(b"x" * 100)
    inode = inode_of(log.stat())
    (tmp_path / "marks").write_text(f"1.0 {inode}:old 0\n2.0 {inode}:new 0\n")
    journal(tmp_path / "j", [spawned(1, f"{inode}:old", 10), spawned(2, f"{inode}:new", 20)])
    row = open_row(str(log))
    found = RunFinder(str(tmp_path / "j"), str(tmp_path / "marks")).since(row, (0, 0))
    assert [run.number for run in found] == [2]
    close_row(row)


def test_missing_journal_knows_no_runs(tmp_path: Path) -> None:
    """Without a journal there are no lines between runs, and nothing fails."""
    finder = RunFinder(str(tmp_path / "j"), str(tmp_path / "m"))
    assert finder.last() is None
    assert finder.stamp() == (0, 0)
    (tmp_path / "t.log").write_bytes(b"x\n")
    row = open_row(str(tmp_path / "t.log"))
    assert finder.since(row, (0, 0)) == []
    close_row(row)
