"""What the watchdog says of the files that it carries, and when a program may rely on it."""

import json
import os
import stat
from pathlib import Path

import pytest

from watchdog_kit.carried import CarriedLog, write_carried, write_not_needed

LINE = b'{"id": 1, "state": "sending"}\n'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "told.jsonl"
    path.write_bytes(LINE)
    return path


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "carried.json"


def test_confirmed_bytes_are_safe_and_later_ones_are_not(log: Path, record: Path) -> None:
    """A beginning of the log is enough, if it is as long as what was noted."""
    write_carried(str(record), {str(log): LINE, str(log.with_name("gone")): None})
    look = CarriedLog(str(record), str(log))
    assert look.look(len(LINE)).may_go
    with log.open("ab") as file:
        file.write(LINE)
    assert look.look(len(LINE)).may_go
    waits = look.look(2 * len(LINE))
    assert not waits.may_go
    assert "not confirmed yet" in waits.why
    write_carried(str(record), {str(log): LINE + LINE})
    assert look.look(2 * len(LINE)).may_go
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def test_the_number_of_bytes_alone_says_nothing(log: Path, record: Path) -> None:
    """A line that was cut away again after it was read, or a log begun anew, is not what is there now."""
    write_carried(str(record), {str(log): LINE + b'{"id": 2, "state": "sen' * 9})
    look = CarriedLog(str(record), str(log))
    with log.open("ab") as file:
        file.write(b'{"id": 2, "state": "due"}\n')
    assert not look.look(log.stat().st_size).may_go
    longer = b"x" * 9000
    write_carried(str(record), {str(log): longer})
    assert not look.look(len(LINE)).may_go
    log.unlink()
    assert not look.look(len(LINE)).may_go


def test_the_file_is_the_same_by_another_name(log: Path, record: Path) -> None:
    """A program that reaches its folder through a link finds its log."""
    (log.parent / "link").symlink_to(log.parent)
    write_carried(str(record), {str(log): b""})
    assert not CarriedLog(str(record), str(log.parent / "link" / log.name)).look(len(LINE)).may_go


def test_nothing_is_waited_for_where_nothing_moves(log: Path, record: Path) -> None:
    """A log that is not carried cannot be awaited, which is said; without a lease there is nothing to say."""
    write_carried(str(record), {str(log.with_name("other")): b"x"})
    found = CarriedLog(str(record), str(log)).look(len(LINE))
    assert found.may_go
    assert "told.jsonl does not move" in found.why
    write_not_needed(str(record))
    found = CarriedLog(str(record), str(log)).look(len(LINE))
    assert (found.may_go, found.why) == (True, "")


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"\0" * 100, b"[]", b"null", b"7", b'{"version": 1}', b'{"version": 2, "needed": false}'),
        *(b'{"version": 1, "needed": true, "files": 3}', b"[" * 100_000, b'{"version": 1, "needed": true}'),
    ],
)
def test_a_damaged_record_lets_nothing_through(log: Path, record: Path, raw: bytes) -> None:
    """Whatever its bytes: nobody knows what is safe, so nothing is."""
    look = CarriedLog(str(record), str(log))
    assert "no such file" in look.look(1).why
    record.write_bytes(raw)
    found = look.look(1)
    assert not found.may_go
    assert found.why


@pytest.mark.parametrize("told", [None, {}, {"size": "9"}, {"size": True, "sha256": ""}, 5, {"size": 1e9}])
def test_a_damaged_entry_lets_nothing_through(log: Path, record: Path, told: object) -> None:
    """What is said of the log must have the right shape."""
    text = json.dumps({"version": 1, "needed": True, "files": {str(log): told}})
    record.write_text(text)
    assert not CarriedLog(str(record), str(log)).look(0).may_go


def test_a_name_of_any_bytes(tmp_path: Path, record: Path) -> None:
    """A folder need not be called by proper characters."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.log")
    Path(path).write_bytes(LINE)
    write_carried(str(record), {path: LINE})
    assert CarriedLog(str(record), path).look(len(LINE)).may_go
