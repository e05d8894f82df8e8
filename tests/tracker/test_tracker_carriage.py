"""Alerts under a lease: nothing is told before the machine that takes over would know of it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracker import carriage
from tracker.alerts import AlertDesk
from tracker.carriage import Carriage
from tracker.ledger import DUE, SENDING, SENT, Ledger
from tracker.rules import Rise
from waiting import stays_true, wait_until
from watchdog_kit.carried import VARIABLE, write_carried, write_not_needed
from watchdog_kit.notify import ConsoleSender

MINT = "So11111111111111111111111111111111111111112"


class Desk:
    """A desk whose watchdog is played by the test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.jsonl"
        self.record = folder / "carried.json"
        self.said: list[str] = []
        self.sent: list[str] = []
        self.ledger = Ledger(str(self.path), str(folder / "sent_tokens.txt"))
        carried = Carriage(str(self.path), {VARIABLE: str(self.record)}, self.said.append)
        self.desk = AlertDesk(
            self.ledger, ConsoleSender(self.sent.append), self.said.append, carried=carried.wait
        )

    def carry(self, content: bytes | None = None) -> None:
        """As the watchdog does it."""
        write_carried(
            str(self.record), {str(self.path): self.path.read_bytes() if content is None else content}
        )

    def rise(self) -> None:
        assert self.desk.rise(Rise(MINT, "A", "A", 50.0, 63.0, 1.0, 1.63, 84_000.0, "dexscreener"))

    def await_state(self, state: str) -> None:
        wait_until(lambda: self.ledger.of_state(state), f"an alert that is {state}", 60)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.desk.close(30)


def test_an_alert_waits_until_it_is_carried(desk: Desk) -> None:
    """What was confirmed before does not count; what is confirmed after does, at once."""
    desk.rise()
    desk.await_state(SENDING)
    before, _, _ = desk.path.read_bytes().rpartition(b'{"id": 1, "state": "sending"')
    desk.carry(before)
    stays_true(lambda: not desk.sent, "silence", 0.3)
    desk.carry()
    desk.await_state(SENT)
    assert len(desk.sent) == 1


def test_what_nobody_confirms_is_due_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit it is as after any failure: kept, with its reason, and told when it can be."""
    monkeypatch.setattr(carriage, "_LIMIT_S", 0.1)
    desk.rise()
    wait_until(desk.desk.trouble, "the reason", 60)
    assert "1 alerts wait: cannot read" in desk.desk.trouble()
    assert [(entry.state, entry.id) for entry in desk.ledger.of_state(DUE, SENDING)] == [(DUE, 1)]
    assert not desk.sent
    write_not_needed(str(desk.record))
    desk.desk._not_before = 0.0
    desk.desk.notice("something else")
    desk.await_state(SENT)
    wait_until(lambda: not desk.desk.trouble(), "no more trouble", 60)
    assert len(desk.sent) == 1


def test_an_end_does_not_wait(desk: Desk) -> None:
    """The tracker ends at once, and the alert is surely not sent: the next holder may tell it."""
    desk.rise()
    desk.await_state(SENDING)
    desk.desk.close(30)
    assert [entry.reason for entry in desk.ledger.of_state(DUE)] == [
        "the tracker was ended before the lease had confirmed that it is noted"
    ]
    assert not desk.sent
    assert not [thread for thread in threading.enumerate() if thread.name == "alerts"]


def test_a_ledger_that_does_not_move_is_said_once(tmp_path: Path) -> None:
    """Whoever names other files in ``lease-carry`` is warned, and hears of rises as before."""
    said: list[str] = []
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text("x\n")
    write_carried(str(tmp_path / "carried.json"), {})
    environ = {VARIABLE: str(tmp_path / "carried.json")}
    waits = Carriage(str(ledger), environ, said.append)
    assert [waits.wait(_never), waits.wait(_never)] == ["", ""]
    assert len(said) == 1
    assert "name it in lease-carry" in said[0]


def test_without_a_lease_nothing_is_looked_at(tmp_path: Path) -> None:
    """There need not even be a ledger."""
    assert Carriage(str(tmp_path / "none"), {}, print).wait(_never) == ""


def _never(seconds: float) -> Any:
    raise AssertionError(f"it waited {seconds} s")
