"""The plain webhook: what it sends, and what its answers mean."""

import base64
from collections.abc import Iterator

import pytest

from telegram_server import Answer, Handler, TelegramServer, refuse
from watchdog_kit.notify import Message, Outcome
from watchdog_kit.notify_webhook import Webhook


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    with TelegramServer() as running:
        yield running


def test_it_posts_the_text_by_the_names_that_chats_know(server: TelegramServer) -> None:
    """JSON with text and content, the data beside them, and the login in a header only."""
    seen: list[Handler] = []

    def answer(handler: Handler) -> None:
        seen.append(handler)
        handler.give(204, {})

    server.script(answer)
    url = server.url.replace("http://", "http://me:p%40ss@") + "/hook/a%2Fb?key=k"
    result = Webhook(url).send(Message("x" * 2500, None, {"kind": "first", "text": "no"}))
    assert result.outcome is Outcome.SENT
    [handler] = seen
    assert handler.path == "/hook/a%2Fb?key=k"
    assert handler.asked["text"] == "x" * 2500
    assert len(handler.asked["content"]) == 2000
    assert handler.asked["kind"] == "first"
    assert base64.b64decode(handler.headers["Authorization"].removeprefix("Basic ")) == b"me:p@ss"
    assert "p%40ss" not in handler.headers["Host"]


@pytest.mark.parametrize(
    ("answer", "outcome", "final", "pause"),
    [
        (refuse(404, "x"), Outcome.NOT_SENT, True, None),
        (refuse(301, "x"), Outcome.NOT_SENT, True, None),
        (refuse(408, "x"), Outcome.NOT_SENT, False, None),
        (refuse(429, "x", retry_after="7"), Outcome.NOT_SENT, False, 7.0),
        (refuse(429, "x"), Outcome.NOT_SENT, False, 30.0),
        (refuse(503, "x"), Outcome.UNCERTAIN, False, None),
    ],
)
def test_each_answer_means_what_it_means(
    server: TelegramServer, answer: Answer, outcome: Outcome, final: bool, pause: float | None
) -> None:
    """Refused for good, to be tried again, or uncertain; the reason names the host and no secret."""
    server.script(answer)
    result = Webhook(f"{server.url}/secret-path?token=abc").send(Message("x"))
    assert (result.outcome, result.final, result.retry_after_s) == (outcome, final, pause)
    assert "127.0.0.1" in result.reason
    assert "secret-path" not in result.reason
    assert "abc" not in result.reason


def test_an_address_that_is_away_is_surely_not_told() -> None:
    """Nobody listens: it may be tried again, and no login is in the reason."""
    gone = TelegramServer()
    gone.close()
    url = gone.url.replace("http://", "http://me:passw0rd@")
    result = Webhook(url).send(Message("x"))
    assert result.outcome is Outcome.NOT_SENT
    assert "passw0rd" not in result.reason
