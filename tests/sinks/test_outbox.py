"""Messages on their way: paced, tried again, merged, never lost while a service cannot be reached."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from telegram_server import TelegramServer, accept_then, page, refuse, too_many
from waiting import wait_until
from watchdog_cli.sinks import outbox as module
from watchdog_cli.sinks.outbox import Outbox
from watchdog_kit.notify import Message
from watchdog_kit.telegram import Telegram

AT = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    with TelegramServer(chats={"42"}) as running:
        yield running


def box(server: TelegramServer, *, limit: int = 200, limit_s: float = 0.5, token: str = "") -> Outbox:
    return Outbox(Telegram(token or server.token, "42", server.url, limit_s=limit_s), limit=limit)


def send_all(outbox: Outbox, limit_s: float = 20) -> list[str]:
    """Take every turn until nothing waits."""
    said: list[str] = []

    def turn() -> bool:
        word = outbox.turn()
        if word is not None:
            said.append(word)
        return outbox.waiting == 0

    wait_until(turn, "an empty outbox", limit_s)
    return said


def test_a_message_goes_at_once(server: TelegramServer) -> None:
    """Nothing waits, so it is sent in its first turn, silently."""
    outbox = box(server)
    assert outbox.due_in_s() is None
    assert outbox.turn() is None
    outbox.add(Message("hello"), AT)
    assert outbox.due_in_s() == 0
    assert outbox.turn() is None
    assert server.texts() == ["hello"]
    assert outbox.due_in_s() is None


def test_a_wish_to_be_left_alone_is_obeyed_and_what_waits_becomes_one(server: TelegramServer) -> None:
    """After a 429 nothing is sent before its time; then one message stands for all, counted."""
    outbox = box(server)
    server.script(too_many(2))
    outbox.add(Message("first"), AT)
    assert "trying again in 2s" in str(outbox.turn())
    for number in range(30):
        outbox.add(Message(f"title {number}\nbody"), AT)
    assert 1.5 < (outbox.due_in_s() or 0) <= 2
    assert outbox.turn() is None
    assert len(server.calls) == 1
    assert send_all(outbox) == ["telegram works again; what waited was told"]
    first, second = (at for at, _ in server.calls)
    assert second - first >= 2
    [text] = server.texts()
    assert "31 messages had to wait" in text
    assert text.startswith("title 29")


def test_the_oldest_are_merged_beyond_the_limit(server: TelegramServer) -> None:
    """Five places: a hundred messages stay five entries that stand for a hundred."""
    outbox = box(server, limit=5)
    for number in range(100):
        outbox.add(Message(f"title {number}"), AT)
    assert outbox.waiting == 100
    assert len(outbox.to_record()) == 5
    assert send_all(outbox) == []
    assert "100 messages had to wait" in server.texts()[0]


def test_an_unreachable_service_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused again and again, said once; when it is there it gets the message."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.05)
    gone = TelegramServer()
    gone.close()
    outbox = Outbox(Telegram(gone.token, "42", gone.url), limit=10)
    outbox.add(Message("down"), AT)
    said = [outbox.turn()]
    for _ in range(3):
        wait_until(lambda: outbox.due_in_s() == 0, "the next try")
        said.append(outbox.turn())
    assert outbox.waiting == 1
    assert [word is not None for word in said] == [True, False, False, False]
    assert gone.token not in str(said[0])
    with TelegramServer(token=gone.token) as server:
        outbox.sender = Telegram(server.token, "42", server.url)
        assert send_all(outbox) == ["telegram works again; what waited was told"]
        assert server.texts() == ["down"]


@pytest.mark.parametrize("hang", [True, False])
def test_an_uncertain_delivery_is_tried_again(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch, hang: bool
) -> None:
    """The answer is lost: rather a copy with the same mark than no alert."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.05)
    outbox = box(server)
    server.script(accept_then(hang=hang))
    outbox.add(Message("mark [1/1]"), AT)
    send_all(outbox)
    assert server.texts() == ["mark [1/1]", "mark [1/1]"]


def test_a_service_that_never_answers_right_gets_a_bounded_number_of_copies(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Always 502: some tries, then the message is let go and that is said."""
    for name in ("FIRST_PAUSE_S", "UNCERTAIN_PAUSE_S"):
        monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(module, "MOST_UNCERTAIN", 3)
    outbox = box(server)
    server.always = page(502)
    outbox.add(Message("x"), AT)
    said = send_all(outbox)
    assert len(server.calls) == 3
    assert "nobody knows if an alert arrived" in said[-1]


def test_a_wrong_token_is_said_and_the_message_kept(server: TelegramServer) -> None:
    """401: tried again in an hour, for a person must mend it; the token is not in the words."""
    outbox = box(server, token="999:WRONG-token")
    outbox.add(Message("x"), AT)
    said = outbox.turn()
    assert "401" in str(said)
    assert "WRONG" not in str(said)
    assert (outbox.due_in_s() or 0) > 3000
    assert outbox.waiting == 1


def test_what_waits_outlives_the_watchdog(server: TelegramServer) -> None:
    """As JSON and back: text, marks, data and counts; damage is left out."""
    server.script(refuse(500, "Internal"))
    first = box(server)
    for number in range(3):
        first.add(Message(f"t{number}", f"<b>t{number}</b>", {"n": number}), AT)
    record = json.loads(json.dumps(first.to_record()))
    second = box(server)
    second.take_over([*record, None, 5, {}, {"text": "x"}, {"text": "", "count": 1, "at": "2026-01-01"}])
    assert second.to_record() == record
    for damaged in (None, 5, "x", {"a": 1}):
        third = box(server)
        third.take_over(damaged)
        assert third.waiting == 0
