"""A Telegram-like server on loopback, with answers to order.

    with TelegramServer() as server:
        server.script(too_many(3), broken_marks())
        sender = Telegram(server.token, "42", server.url)

Without a script it accepts messages as the real one does: right token, known chat, 1 to 4096 UTF-16 units,
marks that can be read. What it accepted is in ``messages``.
"""

import contextlib
import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from typing import Any

from loopback import Listener, Scripted

Answer = Callable[["Handler"], None]
LONGEST_S = 20.0
_TAGS = {"b", "i", "u", "s", "code", "pre", "a"}


def refuse(
    code: int, description: str, parameters: Mapping[str, int] | None = None, **headers: str
) -> Answer:
    """Answer with an error as the real server writes it."""
    told: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        told["parameters"] = dict(parameters)
    return lambda handler: handler.give(code, told, {n.replace("_", "-"): v for n, v in headers.items()})


def too_many(retry_after: int) -> Answer:
    """Say that it was too much."""
    return refuse(429, f"Too Many Requests: retry after {retry_after}", {"retry_after": retry_after})


def migrated(new_chat: int) -> Answer:
    """Say that the group became a supergroup."""
    return refuse(
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
        {"migrate_to_chat_id": new_chat},
    )


def broken_marks() -> Answer:
    """Say that the marks cannot be read."""
    return refuse(400, "Bad Request: can't parse entities: Can't find end of the entity at byte offset 9")


def page(code: int = 502) -> Answer:
    """Answer with a page for people."""
    return lambda handler: handler.raw(code, b"<html><body>Bad Gateway</body></html>", "text/html")


def accept_then(*, hang: bool) -> Answer:
    """Take the message as delivered, and then never answer, or close the connection."""

    def answer(handler: "Handler") -> None:
        owner = handler.server.owner
        with owner.guard:
            owner.messages.append(handler.message())
        if hang:
            owner.ended.wait(LONGEST_S)
        handler.close_connection = True

    return answer


@dataclass(frozen=True)
class Accepted:
    """One message that was taken."""

    at: float
    chat: str
    text: str  # as people see it
    html: bool
    raw: str


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: "Listener[TelegramServer]"

    def do_POST(self) -> None:
        """Answer from the script, or as the real server does."""
        owner = self.server.owner
        length = int(self.headers.get("Content-Length", "0"))
        self.asked = json.loads(self.rfile.read(length))
        with owner.guard:
            owner.calls.append((time.monotonic(), self.path))
            scripted = owner.answers.popleft() if owner.answers else owner.always
        with contextlib.suppress(ConnectionError):
            (scripted or _proper)(self)

    def message(self) -> Accepted:
        """The message that was asked to be sent."""
        raw = str(self.asked["text"])
        html = self.asked.get("parse_mode") == "HTML"
        shown = unescape(re.sub(r"<[^>]+>", "", raw)) if html else raw
        return Accepted(time.monotonic(), str(self.asked["chat_id"]), shown, html, raw)

    def give(self, code: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        """Send JSON."""
        self.raw(code, json.dumps(value).encode(), "application/json", headers or {})

    def raw(self, code: int, data: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        """Send anything."""
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class _Marks(HTMLParser):
    """Reads marks as strictly as the real server."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.wrong = self.wrong or tag not in _TAGS
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.wrong = self.wrong or not self.open or self.open.pop() != tag


def _proper(handler: Handler) -> None:
    owner = handler.server.owner
    message = handler.message()
    if handler.path != f"/bot{owner.token}/sendMessage":
        refuse(401 if handler.path.startswith("/bot") else 404, "Unauthorized")(handler)
        return
    if owner.chats is not None and message.chat not in owner.chats:
        refuse(400, "Bad Request: chat not found")(handler)
        return
    if not message.text.strip():
        refuse(400, "Bad Request: message text is empty")(handler)
        return
    if len(message.text.encode("utf-16-le")) // 2 > 4096:
        refuse(400, "Bad Request: message is too long")(handler)
        return
    marks = _Marks()
    if message.html:
        marks.feed(message.raw)
        if marks.wrong or marks.open or re.search(r"<(?![/a-z])|&(?!(lt|gt|amp|quot);)", message.raw):
            broken_marks()(handler)
            return
    with owner.guard:
        owner.messages.append(message)
    handler.give(200, {"ok": True, "result": {"message_id": len(owner.messages)}})


class TelegramServer(Scripted):
    """The server, with what it was asked and what it accepted."""

    def __init__(self, token: str = "123456:SECRET-token_of-a-bot", chats: set[str] | None = None) -> None:
        self.token = token
        self.chats = chats
        self.calls: list[tuple[float, str]] = []
        self.messages: list[Accepted] = []
        self.answers: deque[Answer] = deque()
        self.always: Answer | None = None
        super().__init__(Handler)

    def script(self, *answers: Answer) -> None:
        """Give these answers to the next calls."""
        with self.guard:
            self.answers.extend(answers)

    def texts(self) -> list[str]:
        """Return what people saw."""
        with self.guard:
            return [message.text for message in self.messages]
