"""Sends messages as JSON by POST to one address: a chat's incoming webhook, or a program of the user's own.

The address holds secrets and is never shown; texts name the host only.
"""

import base64
import json
from urllib.parse import unquote, urlsplit

from watchdog_kit.notify import Message, Outcome, Result, cut_middle
from watchdog_kit.notify_http import HttpClient, HttpError, retry_after_s

CONTENT_LIMIT = 2000  # what Discord takes
_NO_HINT_PAUSE_S = 30.0


class Webhook:
    """One address.

    Args:
        url: may hold a name and a password, which go into a header.
        limit_s: for one call.
    """

    name = "webhook"
    limit = 30_000

    def __init__(self, url: str, *, limit_s: float = 10.0) -> None:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        self._client = HttpClient(f"{parts.scheme}://{place}", connect_s=min(5.0, limit_s), keep_alive=False)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._limit_s = limit_s
        self._headers = {"Content-Type": "application/json"}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"

    def ready_in_s(self) -> float:
        """Return 0: the other side says when it was too much."""
        return 0.0

    def send(self, message: Message) -> Result:
        """Send one message: its data, and the text by the names that chats know (``text``, ``content``)."""
        text = cut_middle(message.text, self.limit)
        body = {**(message.data or {}), "text": text, "content": cut_middle(message.text, CONTENT_LIMIT)}
        try:
            response = self._client.request(
                "POST",
                self._path,
                limit_s=self._limit_s,
                headers=self._headers,
                body=json.dumps(body).encode(),
            )
        except HttpError as error:
            outcome = Outcome.UNCERTAIN if error.maybe_sent else Outcome.NOT_SENT
            return Result(outcome, f"webhook: {error}")
        status = response.status
        reason = f"the webhook at {self._client.host} answered {status}"
        if 200 <= status < 300:
            return Result(Outcome.SENT)
        if status == 429:
            pause = retry_after_s(response.headers)
            return Result(Outcome.NOT_SENT, reason, _NO_HINT_PAUSE_S if pause is None else pause)
        if 300 <= status < 500:
            return Result(Outcome.NOT_SENT, reason, final=status != 408)
        return Result(Outcome.UNCERTAIN, reason)
