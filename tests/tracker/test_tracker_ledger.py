"""Told once: killed at any instruction, nothing is told twice, and nothing is silently dropped."""

import errno
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tracker.errors import StorageError
from tracker.ledger import DUE, SENDING, SENT, UNCERTAIN, Ledger, LedgerFile
from waiting import wait_until

MINT = "So11111111111111111111111111111111111111112"
OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"


def ledger_in(folder: Path, files: LedgerFile | None = None) -> Ledger:
    ledger = Ledger(str(folder / "ledger.jsonl"), str(folder / "sent_tokens.txt"), files)
    ledger.load()
    return ledger


def test_what_was_told_is_remembered(tmp_path: Path) -> None:
    """A sent alert stands in both files, and its level is told for ever."""
    ledger = ledger_in(tmp_path)
    entry = ledger.add(MINT, 50.0, "سوق up")
    assert ledger.told(MINT) == 50.0
    ledger.mark([entry.id], SENDING)
    ledger.mark([entry.id], SENT)
    assert (tmp_path / "sent_tokens.txt").read_text() == f"{MINT}\n"
    again = ledger_in(tmp_path)
    assert again.told(MINT) == 50.0
    [found] = again.of_state(SENT)
    assert (found.text, found.level) == ("سوق up", 50.0)
    assert again.told(OTHER) == 0


def test_old_list_means_level_fifty(tmp_path: Path) -> None:
    """An address in the old system's list was told at 50 %, also without a line end behind the last one."""
    (tmp_path / "sent_tokens.txt").write_text(f"{OTHER}\r\n\n{MINT}")
    ledger = ledger_in(tmp_path)
    assert ledger.told(MINT) == ledger.told(OTHER) == 50.0
    entry = ledger.add(MINT, 100.0, "x")
    ledger.mark([entry.id], SENT)
    assert ledger.told(MINT) == 100.0
    third = ledger.add("A", 20.0, "x")
    ledger.mark([third.id], SENT)
    assert (tmp_path / "sent_tokens.txt").read_text() == f"{OTHER}\n\n{MINT}\nA\n"
    assert ledger_in(tmp_path).told("A") == 20.0


@pytest.mark.parametrize("form", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_the_old_list_may_come_from_a_windows_editor(tmp_path: Path, form: str) -> None:
    """A byte order mark, or two bytes a letter, do not make what was told be told again."""
    (tmp_path / "sent_tokens.txt").write_bytes(f"{MINT}\r\n{OTHER}\r\n".encode(form))
    assert ledger_in(tmp_path).told(MINT) == ledger_in(tmp_path).told(OTHER) == 50.0


def test_cut_off_while_sending_is_uncertain(tmp_path: Path) -> None:
    """What was being sent when the tracker was killed is marked, reported once, and not due any more."""
    ledger = ledger_in(tmp_path)
    sending, due = ledger.add(MINT, 50.0, "a"), ledger.add(OTHER, 50.0, "b")
    ledger.mark([sending.id], SENDING)
    again = Ledger(str(tmp_path / "ledger.jsonl"), str(tmp_path / "sent_tokens.txt"))
    assert [e.id for e in again.load()] == [sending.id]
    assert [e.id for e in again.of_state(DUE)] == [due.id]
    assert again.told(MINT) == 50.0
    third = Ledger(str(tmp_path / "ledger.jsonl"), str(tmp_path / "sent_tokens.txt"))
    assert third.load() == []
    assert [e.id for e in third.of_state(UNCERTAIN)] == [sending.id]


@pytest.mark.parametrize(
    "junk",
    [
        b"{",
        b"\0\0\0\n",
        b'{"id": "x"}\n',
        b"[1]\n",
        b'{"id": 1, "state": "odd"}\n',
        b'{"id": 9, "state": "due", "at": "", "level": 1%s}\n' % (b"0" * 400),
    ],
)
def test_damaged_lines_cost_no_others(tmp_path: Path, junk: bytes) -> None:
    """A torn or foreign line is passed over; what is added later stands on a line of its own."""
    first = ledger_in(tmp_path).add(MINT, 50.0, "a")
    with open(tmp_path / "ledger.jsonl", "ab") as file:
        file.write(junk)
    ledger = ledger_in(tmp_path)
    second = ledger.add(OTHER, 50.0, "b")
    assert [e.id for e in ledger_in(tmp_path).of_state(DUE)] == [first.id, second.id]


class Faulty(LedgerFile):
    """Fails, or ends the process, at the n-th system call."""

    def __init__(self) -> None:
        self.calls = 0
        self.act_at = -1
        self.act: Callable[[], None] = lambda: None

    def _step(self) -> None:
        self.calls += 1
        if self.calls == self.act_at:
            self.act()

    def write(self, descriptor: int, data: memoryview) -> int:
        self._step()
        return super().write(descriptor, data[: max(1, len(data) // 2)])

    def sync(self, descriptor: int) -> None:
        self._step()
        super().sync(descriptor)
        self._step()


def no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_be_noted_is_not_told(tmp_path: Path) -> None:
    """When the disk takes nothing, a rise is not taken on, nothing begins to be sent, no half line stays."""
    files = Faulty()
    ledger = ledger_in(tmp_path, files)
    for act_at in range(1, 5):
        files.calls, files.act_at, files.act = 0, act_at, no_space
        with pytest.raises(StorageError, match="no space"):
            ledger.add(MINT, 50.0, "a")
        assert ledger.told(MINT) == 0
        assert not (tmp_path / "ledger.jsonl").read_bytes()
    files.act_at = -1
    entry = ledger.add(MINT, 50.0, "a")
    files.calls, files.act_at = 0, 1
    with pytest.raises(StorageError):
        ledger.mark([entry.id], SENDING)
    assert ledger_in(tmp_path).of_state(DUE)


def test_what_was_sent_is_noted_later(tmp_path: Path) -> None:
    """A disk that fails between sending and noting: told in memory at once, noted with the next step."""
    files = Faulty()
    ledger = ledger_in(tmp_path, files)
    entry = ledger.add(MINT, 50.0, "a")
    ledger.mark([entry.id], SENDING)
    files.calls, files.act_at, files.act = 0, 1, no_space
    with pytest.raises(StorageError):
        ledger.mark([entry.id], SENT)
    assert ledger.of_state(SENT)
    ledger.flush()
    assert [e.id for e in ledger_in(tmp_path).of_state(SENT)] == [entry.id]
    assert (tmp_path / "sent_tokens.txt").read_text() == f"{MINT}\n"


def tell_all(folder: Path, files: LedgerFile, tokens: list[str]) -> None:
    """Work as the tracker does: take on what rose, send what is due; a delivery is a line in a file."""
    ledger = ledger_in(folder, files)
    for token in tokens:
        if ledger.told(token) < 50:
            ledger.add(token, 50.0, "text")
    deliveries = os.open(folder / "delivered", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for entry in ledger.of_state(DUE):
        ledger.mark([entry.id], SENDING)
        os.write(deliveries, f"{entry.token}\n".encode())
        ledger.mark([entry.id], SENT)
    os.close(deliveries)


def in_child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(9)
    return pid


def deliveries(folder: Path) -> Counter[str]:
    path = folder / "delivered"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def test_killed_at_every_call(tmp_path: Path) -> None:
    """Ended at each system call in turn and started again: each token told once, or marked uncertain."""
    tokens = [MINT, OTHER]
    counting = Faulty()
    (tmp_path / "count").mkdir()
    tell_all(tmp_path / "count", counting, tokens)
    assert counting.calls > 20
    seen_uncertain = 0
    for act_at in range(1, counting.calls + 1):
        folder = tmp_path / str(act_at)
        folder.mkdir()

        def work(folder: Path = folder, act_at: int = act_at) -> None:
            files = Faulty()
            files.act_at, files.act = act_at, lambda: os._exit(3)
            tell_all(folder, files, tokens)

        _, status = os.waitpid(in_child(work), 0)
        assert os.waitstatus_to_exitcode(status) == 3
        tell_all(folder, LedgerFile(), tokens)
        tell_all(folder, LedgerFile(), tokens)
        uncertain = {e.token for e in ledger_in(folder).of_state(UNCERTAIN)}
        told = deliveries(folder)
        assert max(told.values()) == 1
        assert set(told) | uncertain == set(tokens)
        seen_uncertain += len(uncertain)
    assert seen_uncertain


def test_killed_at_any_instruction(tmp_path: Path) -> None:
    """Killed 200 times at random moments, no token is ever told twice, and none is forgotten."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    print(f"seed {seed}")
    tokens = [f"{MINT[:-3]}{number:03d}" for number in range(400)]
    for number in range(200):
        known = tokens[: number * 2 + 2]
        pid = in_child(lambda known=known: tell_all(tmp_path, LedgerFile(), known))
        end = time.monotonic() + chance.random() * 0.008
        wait_until(lambda end=end: time.monotonic() >= end, "the random moment")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert max(deliveries(tmp_path).values(), default=1) == 1, f"seed {seed}"
    tell_all(tmp_path, LedgerFile(), tokens)
    told = deliveries(tmp_path)
    uncertain = {e.token for e in ledger_in(tmp_path).of_state(UNCERTAIN)}
    assert max(told.values()) == 1, f"seed {seed}"
    assert set(told) | uncertain == set(tokens), f"seed {seed}"
    listed = (tmp_path / "sent_tokens.txt").read_text().split()
    assert set(told) <= set(listed)


def test_a_long_ledger_is_made_short(tmp_path: Path) -> None:
    """After thousands of alerts the ledger keeps what was told, and what is open, but not all old texts."""
    ledger = ledger_in(tmp_path)
    entry = ledger.add(MINT, 50.0, "open")
    path = tmp_path / "ledger.jsonl"
    with open(path, "a") as file:
        for number in range(2, 6000):
            text = "long " * 150
            file.write(
                f'{{"id": {number}, "state": "sent", "at": "", "token": "T{number}", "level": 50, "text": "{text}"}}\n'
            )
    assert path.stat().st_size > 4_000_000
    ledger_in(tmp_path)
    assert path.stat().st_size < 1_000_000
    again = ledger_in(tmp_path)
    assert again.told("T2") == again.told("T5999") == 50
    assert again.of_state(DUE) == [entry]
    assert again.add(OTHER, 50.0, "next").id == 6000
