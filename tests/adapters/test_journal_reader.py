"""The journal, read back for the history."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from watchdog_cli.adapters.journal_reader import parse_notes, read_notes
from watchdog_cli.core.history import Note


def line(seq: int, fact: str, *, life: str = "boot.1.1", **more: Any) -> str:
    """A line as the watchdog writes it."""
    record = {"v": 1, "seq": seq, "at": f"2026-11-25T03:{seq // 60:02}:{seq % 60:02}.123Z", "fact": fact}
    return json.dumps(record | more | {"text": "for people", "up": 100.0 + seq, "life": life})


def facts(notes: list[Note]) -> list[tuple[int, str, bool]]:
    """The notes in short."""
    return [(note.seq, note.fact, note.follows) for note in notes]


def test_facts_come_in_order_across_rotated_files(tmp_path: Path) -> None:
    """The oldest file is read first, and nothing is missing where one file ends and the next begins."""
    (tmp_path / "journal.jsonl.2").write_text(line(1, "spawned", number=1) + "\n")
    (tmp_path / "journal.jsonl.1").write_text(line(2, "paused") + "\n" + line(3, "resumed") + "\n")
    (tmp_path / "journal.jsonl").write_text(line(4, "finished", exit_code=0) + "\n")
    found = read_notes(str(tmp_path / "journal.jsonl"))
    assert facts(found)[1:] == [(2, "paused", True), (3, "resumed", True), (4, "finished", True)]
    assert (found[0].number, found[3].exit_code) == (1, 0)
    assert found[0].stamp.boot == "boot"
    assert found[0].stamp.up == 101.0


def test_missing_journal_has_no_facts(tmp_path: Path) -> None:
    """Where nothing was ever written there is nothing to read."""
    assert read_notes(str(tmp_path / "journal.jsonl")) == []


def test_fields_of_an_end() -> None:
    """Cause, code, signal and run of an end are all there, and so is the silence of a hang."""
    lines = [
        line(1, "hang", number=7, silent_s=120.5, cause="hang"),
        line(2, "ended", number=7, cause="hang", exit_code=None, signal=15, detail="x"),
    ]
    hang, end = parse_notes(lines)
    assert (hang.seconds, hang.number) == (120.5, 7)
    assert (end.cause, end.exit_code, end.signal, end.number, end.detail) == ("hang", None, 15, 7, "x")


def test_damaged_line_leaves_a_hole() -> None:
    """What stands on both sides of a damaged line is read, and the second of the two does not follow the first."""
    found = list(parse_notes([line(1, "spawned", number=1), line(2, "paused")[:-7], line(3, "resumed")]))
    assert facts(found) == [(1, "spawned", False), (3, "resumed", False)]


def test_what_changes_nothing_is_passed_over_without_a_hole() -> None:
    """First signs and decisions to start again are not notes of their own in the middle of a life."""
    lines = [line(1, "spawned", number=1), line(2, "healthy", number=1), line(3, "ended", number=1)]
    lines += [line(4, "restarting", delay_s=5.0), line(5, "spawned", number=2)]
    found = list(parse_notes(lines))
    assert facts(found)[1:] == [(3, "ended", True), (5, "spawned", True)]


def test_last_sign_of_a_life_is_kept() -> None:
    """What would be passed over is a note when a life ends with it: it says until when somebody watched."""
    lines = [line(1, "ended", number=1), line(2, "restarting", delay_s=5.0)]
    assert facts(list(parse_notes(lines)))[-1] == (2, "restarting", True)
    later = [*lines, line(3, "spawned", number=2, life="boot.2.2")]
    found = list(parse_notes(later))
    assert facts(found)[1:] == [(2, "restarting", True), (3, "spawned", True)]
    assert found[1].seconds == 5.0


def test_numbers_that_start_over_are_a_hole() -> None:
    """A journal that was deleted begins at 1 again; what comes then does not follow what was before."""
    found = list(parse_notes([line(9, "spawned", number=1), line(1, "ended", number=1)]))
    assert facts(found)[1] == (1, "ended", False)


def test_note_of_lost_facts_is_a_hole() -> None:
    """A line that tells of lost facts has no number: the next fact does not follow the one before it."""
    gap = json.dumps({"v": 1, "fact": "journal-gap", "lost_bytes": 900, "reason": "no space left on device"})
    found = list(parse_notes([line(1, "spawned", number=1), gap, line(5, "ended", number=1)]))
    assert facts(found)[1] == (5, "ended", False)


def test_wrong_types_are_nothing() -> None:
    """Numbers that are text, negative durations and absurd instants are left out; the fact itself stays."""
    lines = [
        line(1, "hang", number="7", silent_s=-5.0),
        line(2, "ended", number=True, exit_code="x", signal=1 << 90, cause=["exit"]),
    ]
    hang, end = parse_notes(lines)
    assert (hang.number, hang.seconds) == (None, None)
    assert (end.number, end.exit_code, end.signal, end.cause) == (None, None, None, "")


def test_lines_without_time_or_number_are_none() -> None:
    """A fact that nobody can place is no note."""
    bad = ['{"seq": 1, "fact": "spawned"}', '{"at": "2026-11-25T03:00:00Z", "fact": "x"}', "[1]", '"x"', ""]
    bad += ['{"seq": 1, "fact": "x", "at": "2026-13-45T99:00:00Z"}', '{"seq": 1, "fact": "x", "at": 5}']
    assert list(parse_notes(bad)) == []


@given(
    st.lists(
        st.text(max_size=80) | st.integers(1, 99).map(lambda seq: line(seq, "spawned", number=seq)),
        max_size=9,
    )
)
def test_any_text_is_no_error(lines: list[str]) -> None:
    """Whatever stands in a journal, reading it ends with notes that have a number and a time."""
    for note in parse_notes(lines):
        assert note.seq > 0
        assert note.stamp.wall > 0
