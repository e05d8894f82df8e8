"""Telegram: each of its answers means what it means, and the token is seen by nobody."""

import html
import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telegram_server import (
    Answer,
    TelegramServer,
    accept_then,
    broken_marks,
    migrated,
    page,
    refuse,
    too_many,
)
from watchdog_kit.notify import ConsoleSender, Message, Outcome, cut_middle, utf16_length
from watchdog_kit.telegram import TEXT_LIMIT, Telegram


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    with TelegramServer(chats={"42", "-1007", "@channel"}) as running:
        yield running


def bot(server: TelegramServer, chat: str = "42", limit_s: float = 5.0) -> Telegram:
    return Telegram(server.token, chat, server.url, limit_s=limit_s)


def test_a_message_arrives_with_its_marks(server: TelegramServer) -> None:
    """HTML marks are shown, every other character is shown as it is."""
    text = "5 < 6 & 7 > 3 \"q\" 'a' _*[]`~ سوق 🚀"
    result = bot(server).send(Message(text, html.escape(text, quote=False) + " <code>x</code>"))
    assert result.outcome is Outcome.SENT
    [message] = server.messages
    assert message.html
    assert message.text == text + " x"


def test_unreadable_marks_cost_the_marks_only(server: TelegramServer) -> None:
    """When Telegram cannot read the marks, the plain text is sent instead."""
    assert bot(server).send(Message("a < b", "a < b <code>")).outcome is Outcome.SENT
    server.script(broken_marks())
    assert bot(server).send(Message("x", "<b>x</b>")).outcome is Outcome.SENT
    assert [(m.text, m.html) for m in server.messages] == [("a < b", False), ("x", False)]


def test_long_messages_keep_head_and_tail(server: TelegramServer) -> None:
    """A text of 20 kB of Korean and emoji is cut in the middle to what Telegram takes."""
    text = "head " + "한국어 🚀" * 4000 + " tail"
    assert bot(server).send(Message(text, html.escape(text))).outcome is Outcome.SENT
    [seen] = server.texts()
    assert seen.startswith("head ")
    assert seen.endswith(" tail")
    assert TEXT_LIMIT - 3 <= utf16_length(seen) <= TEXT_LIMIT


@pytest.mark.parametrize(
    ("answer", "outcome", "final"),
    [
        (refuse(401, "Unauthorized"), Outcome.NOT_SENT, True),
        (refuse(403, "Forbidden: bot was kicked from the group chat"), Outcome.NOT_SENT, True),
        (refuse(400, "Bad Request: chat not found"), Outcome.NOT_SENT, True),
        (refuse(404, "Not Found"), Outcome.NOT_SENT, True),
        (too_many(17), Outcome.NOT_SENT, False),
        (refuse(500, "Internal Server Error"), Outcome.UNCERTAIN, False),
        (page(502), Outcome.UNCERTAIN, False),
        (page(200), Outcome.UNCERTAIN, False),
        (page(302), Outcome.NOT_SENT, True),
        (accept_then(hang=True), Outcome.UNCERTAIN, False),
        (accept_then(hang=False), Outcome.UNCERTAIN, False),
    ],
)
def test_what_an_answer_means(server: TelegramServer, answer: Answer, outcome: Outcome, final: bool) -> None:
    """Refusals were surely not sent, lost connections and server errors are uncertain; nothing is repeated."""
    server.script(answer)
    result = bot(server, limit_s=0.5).send(Message("x"))
    assert (result.outcome, result.final) == (outcome, final)
    assert len(server.calls) == 1
    assert result.reason
    assert server.token not in result.reason


def test_retry_after_is_passed_on(server: TelegramServer) -> None:
    """The wish for a pause is read from the body, else from the header, else a pause is chosen."""
    server.script(too_many(17), too_many(10**400), refuse(429, "x", Retry_After="9"), refuse(429, "x"))
    pauses = [bot(server).send(Message("x")).retry_after_s for _ in range(4)]
    assert pauses == [17.0, 3600.0, 9.0, 30.0]


def test_unreachable_is_surely_not_sent() -> None:
    """A refused connection, an unknown name and a failed handshake mean that nobody saw the message."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert Telegram("1:a", "42", url).send(Message("x")).outcome is Outcome.NOT_SENT
    assert Telegram("1:a", "42", "http://nobody.invalid").send(Message("x")).outcome is Outcome.NOT_SENT
    with TelegramServer() as plain:
        https = plain.url.replace("http", "https")
        assert Telegram("1:a", "42", https).send(Message("x")).outcome is Outcome.NOT_SENT


def test_a_group_that_moved_is_followed(server: TelegramServer) -> None:
    """An upgraded group gets the message under its new number, which is told to be remembered."""
    server.script(migrated(-1007))
    moved: list[str] = []
    telegram = Telegram(server.token, "-5", server.url, moved=moved.append)
    assert telegram.send(Message("x")).outcome is Outcome.SENT
    assert server.messages[0].chat == "-1007"
    assert moved == ["-1007"]
    telegram.send(Message("y"))
    assert [m.chat for m in server.messages] == ["-1007", "-1007"]


@pytest.mark.parametrize("token", ["1:a b/../c?d#e", "1:a\r\nX: y", "1:é"])
def test_odd_tokens_change_nothing_but_the_path(server: TelegramServer, token: str) -> None:
    """A token full of odd characters is refused by the server, and shown nowhere."""
    result = Telegram(token, "42", server.url).send(Message("x"))
    assert result.outcome is Outcome.NOT_SENT
    assert token not in result.reason
    assert len(server.calls) == 1
    assert "?" not in server.calls[0][1]


def test_pace_of_a_chat_and_of_a_group(server: TelegramServer) -> None:
    """One message a second; in a group and a channel no more than 20 in any minute."""
    for chat, expected in (("42", 56), ("-1007", 20), ("@channel", 20)):
        now = [100.0]
        telegram = Telegram(server.token, chat, server.url, clock=lambda now=now: now[0])
        sent = []
        while now[0] < 161:
            if telegram.ready_in_s() == 0 and now[0] < 160:
                telegram.send(Message("x"))
                sent.append(now[0])
            now[0] += 0.05
        assert abs(len(sent) - expected) <= 1
        assert min(b - a for a, b in pairwise(sent)) >= 1.0


@given(st.text(), st.integers(0, 60))
def test_cutting(text: str, limit: int) -> None:
    """A cut text is never too long, never broken inside a character, and whole when it fits."""
    cut = cut_middle(text, limit)
    assert utf16_length(cut) <= limit
    cut.encode("utf-16-le", "surrogatepass")
    if utf16_length(text) <= limit:
        assert cut == text


def test_the_console_takes_everything() -> None:
    """Without any service set up, a message is one line on the screen."""
    lines: list[str] = []
    assert ConsoleSender(lines.append).send(Message("a\nb\n\nc")).outcome is Outcome.SENT
    assert lines == ["a; b; c"]
