"""The recorder: facts and state reach the disk in order, and a bad disk reaches nobody."""

import json
import os
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from waiting import wait_until
from watchdog_cli.adapters import boot_clock, state_file
from watchdog_cli.adapters import journal as journal_module
from watchdog_cli.adapters.journal import Recorder
from watchdog_cli.adapters.life import own_life
from watchdog_cli.core.errors import StorageError
from watchdog_cli.core.facts import GaveUp, Notice, Spawned
from watchdog_cli.core.record import Run
from watchdog_cli.core.snapshot import ProcessId, Snapshot

AT = datetime(2026, 11, 25, 3, 28, 0, 123000, tzinfo=UTC)
SNAPSHOT = Snapshot("t", "/f", ("a",), ProcessId(1, 2, ""), "boot", "running")


class Bench:
    """Three files in a folder, and what the recorder had to complain of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []
        self.state = folder / "state.json"
        self.journal = folder / "journal.jsonl"
        self.log = folder / "t.watchdog.log"

    def open(self) -> Recorder:
        return Recorder(
            state_path=str(self.state),
            journal_path=str(self.journal),
            log_path=str(self.log),
            log_size=1 << 20,
            log_backups=5,
            on_problem=self.problems.append,
        )

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.journal.read_bytes().splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_fact_is_written_for_machines_and_for_people(bench: Bench) -> None:
    """One fact is one typed line in the journal and one readable line in the log."""
    recorder = bench.open()
    recorder.fact(AT, Spawned(Run("abc", 3, 42)), log={"file_id": "1:2:3", "offset": 9})
    recorder.close(10)
    (line,) = bench.lines()
    assert abs(line.pop("up") - boot_clock.now_s()) < 60
    assert line.pop("life") == own_life()
    assert line == {
        "v": 1,
        "seq": 1,
        "at": "2026-11-25T03:28:00.123Z",
        "fact": "spawned",
        "run": "abc",
        "number": 3,
        "pid": 42,
        "log": {"file_id": "1:2:3", "offset": 9},
        "text": "started, run 3, pid 42",
    }
    assert bench.log.read_text() == "2026-11-25T03:28:00.123Z INFO    started, run 3, pid 42\n"


def test_order_is_that_of_the_facts(bench: Bench) -> None:
    """Many facts from the main thread arrive complete and in order, and a loud one says how loud it is."""
    recorder = bench.open()
    for number in range(500):
        recorder.fact(AT, Notice("n", f"fact {number}"))
    recorder.fact(AT, GaveUp("x", 10, 300.0, None))
    recorder.close(10)
    assert [line["seq"] for line in bench.lines()] == list(range(1, 502))
    assert [line.get("message") for line in bench.lines()][:500] == [
        f"fact {number}" for number in range(500)
    ]
    assert " ALARM   GAVE UP" in bench.log.read_text().splitlines()[-1]


def test_files_are_private(bench: Bench) -> None:
    """All three files are 0600."""
    recorder = bench.open()
    recorder.fact(AT, Notice("n", "x"))
    recorder.state(SNAPSHOT)
    recorder.close(10)
    for path in (bench.state, bench.journal, bench.log):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize(
    "text", ["line\nline", "\x1b[2J\r\0", "\udcff \ud800", "\u2028\u202e \u0639", "x" * 100_000]
)
def test_wild_text_stays_one_line(bench: Bench, text: str) -> None:
    """Texts of others cannot break a line, steer a terminal, or make the journal unreadable."""
    recorder = bench.open()
    recorder.fact(AT, Notice("n", text))
    recorder.close(10)
    assert len(bench.lines()) == 1
    shown = bench.log.read_bytes().decode()
    assert shown.count("\n") == 1
    assert "\x1b" not in shown
    assert bench.problems == []


TAILS = {
    "cut in the middle": b'{"v": 1, "seq": 8, "at',
    "NUL bytes after a power cut": b"\0" * 4096,
    "garbage": b"\xff\xfe{{{\n",
    "deep": b"[" * 60_000 + b"\n",
    "a number that is none": b'{"seq": 1e999}\n{"seq": NaN}\n',
    "another shape": b'[1]\n"x"\n7\n{"seq": []}\n',
}


@pytest.mark.parametrize("tail", list(TAILS))
def test_numbers_go_on_after_damage(bench: Bench, tail: str) -> None:
    """The sequence goes on behind the newest readable line, whatever the end of the file looks like."""
    recorder = bench.open()
    for _ in range(7):
        recorder.fact(AT, Notice("n", "x"))
    recorder.close(10)
    with bench.journal.open("ab") as file:
        file.write(TAILS[tail])
    recorder = bench.open()
    recorder.fact(AT, Notice("n", "after"))
    recorder.close(10)
    last = json.loads(bench.journal.read_bytes().splitlines()[-1])
    assert (last["seq"], last["message"]) == (8, "after")


def test_new_line_does_not_stick_to_half_a_line(bench: Bench) -> None:
    """After a kill in the middle of a line, the next fact begins a line of its own."""
    recorder = bench.open()
    recorder.fact(AT, Notice("n", "x"))
    recorder.close(10)
    with bench.journal.open("ab") as file:
        file.write(b'{"v": 1, "seq": 2, "at')
    recorder = bench.open()
    recorder.fact(AT, Notice("n", "after"))
    recorder.close(10)
    assert json.loads(bench.journal.read_bytes().splitlines()[-1])["message"] == "after"


def test_newest_state_counts(bench: Bench) -> None:
    """Of many states in a row the last one is on the disk in the end."""
    recorder = bench.open()
    for number in range(200):
        recorder.state(replace(SNAPSHOT, number=number))
    recorder.close(10)
    assert state_file.load(str(bench.state)) == replace(SNAPSHOT, number=199)


def test_state_that_cannot_be_written_is_said_once_and_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk refuses, facts still flow; when it works again, the newest state is there without a new event."""
    monkeypatch.setattr(journal_module, "TRY_AGAIN_S", 0.05)
    bench.state.mkdir()
    recorder = bench.open()
    for number in range(3):
        recorder.state(replace(SNAPSHOT, number=number))
        recorder.fact(AT, Notice("n", f"fact {number}"))
        wait_until(lambda: bench.journal.exists() and len(bench.lines()) == number + 1, "the fact")  # noqa: B023 - used at once
    assert len(bench.problems) == 1
    assert f"cannot write {bench.state}" in bench.problems[0]
    bench.state.rmdir()
    wait_until(bench.state.is_file, "the state")
    assert state_file.load(str(bench.state)) == replace(SNAPSHOT, number=2)
    recorder.close(10)


def test_hanging_disk_does_not_hold_up_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that never returns is left behind after the limit; taking facts never waits."""
    goes_on = threading.Event()
    monkeypatch.setattr(state_file, "save", lambda *_: goes_on.wait(30))
    recorder = bench.open()
    recorder.state(SNAPSHOT)
    began = time.monotonic()
    for _ in range(1000):
        recorder.fact(AT, Notice("n", "x"))
    recorder.close(0.2)
    assert time.monotonic() - began < 5
    goes_on.set()
    wait_until(lambda: not recorder._thread.is_alive(), "its thread")


def test_fault_of_the_recorder_itself_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If its thread ends by a fault of ours, that does not pass in silence."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(state_file, "save", fail)
    recorder = bench.open()
    recorder.state(SNAPSHOT)
    wait_until(lambda: bench.problems, "the word of it")
    assert "a fault of its own" in bench.problems[0]
    recorder.close(10)


@pytest.mark.parametrize(("which", "option"), [("journal", "-C"), ("log", "--log-dir")])
def test_file_that_cannot_be_written_at_the_start_is_an_error(bench: Bench, which: str, option: str) -> None:
    """A folder in the place of a file is told at once, by name and with the option that moves it; no leak."""
    getattr(bench, which).mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StorageError, match=f"{getattr(bench, which).name}: .* with {option}$"):
        bench.open()
    assert len(os.listdir("/proc/self/fd")) == before


def test_journal_stays_below_its_ceiling(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts without end fill a bounded number of bounded files."""
    monkeypatch.setattr(journal_module, "JOURNAL_SIZE", 20_000)
    recorder = bench.open()
    for number in range(2000):
        recorder.fact(AT, Notice("n", f"fact {number} {'x' * 50}"))
    recorder.close(20)
    sizes = {path.name: path.stat().st_size for path in bench.folder.glob("journal.jsonl*")}
    assert len(sizes) == 1 + journal_module.JOURNAL_BACKUPS
    assert max(sizes.values()) <= 20_000
    assert bench.lines()[-1]["seq"] == 2000


def test_kill_at_any_moment_leaves_files_that_load(tmp_path: Path) -> None:
    """After kill -9 in the middle of writing, the state loads and all but the last line of the journal is whole."""
    code = """
import sys
from datetime import UTC, datetime
from dataclasses import replace
from watchdog_cli.adapters.journal import Recorder
from watchdog_cli.core.facts import Notice
from watchdog_cli.core.snapshot import ProcessId, Snapshot
folder = sys.argv[1]
recorder = Recorder(state_path=folder + "/state.json", journal_path=folder + "/journal.jsonl",
    log_path=folder + "/t.watchdog.log", log_size=1 << 20, log_backups=1, on_problem=print)
snapshot = Snapshot("t", "/f", ("a" * 20000,), ProcessId(1, 2, ""), "boot", "running")
print("up", flush=True)
number = 0
while True:
    number += 1
    recorder.state(replace(snapshot, number=number))
    recorder.fact(datetime.now(UTC), Notice("n", "x" * 3000))
    recorder._thread.join(0.0005)
"""
    for turn in range(8):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        wait_until(lambda: state_file.load(str(tmp_path / "state.json")) is not None, "a first state")
        end = time.monotonic() + 0.01 * turn
        wait_until(lambda end=end: time.monotonic() > end, "the moment")  # type: ignore[misc]
        process.kill()
        process.wait()
        process.stdout.close()
        assert state_file.load(str(tmp_path / "state.json")) is not None
        lines = (tmp_path / "journal.jsonl").read_bytes().split(b"\n")
        assert all(json.loads(line) for line in lines[:-1])
        (tmp_path / "journal.jsonl").unlink()
