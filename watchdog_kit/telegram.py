"""Sends messages by the Telegram Bot API. Source: its manual and FAQ, recorded answers.

The bot's token is part of the address that is called, so no address ever gets into a text.
"""

import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from watchdog_kit.notify import Message, Outcome, Result, cut_middle, utf16_length
from watchdog_kit.notify_http import LONGEST_PAUSE_S, HttpClient, HttpError, Response, retry_after_s

TEXT_LIMIT = 4096  # UTF-16 units, marks not counted
_PER_SECOND_S = 1.05  # one message a second and chat; a little slower than allowed
_GROUP_PER_MINUTE = 20
_NO_HINT_PAUSE_S = 30.0


class Telegram:
    """One bot writing to one chat.

    Args:
        token: of the bot.
        chat: number of the chat, or ``@name`` of a channel.
        base_url: the API, or a server of the same kind.
        limit_s: for one call.
        moved: is told the new number when a group became a supergroup.
        clock: monotonic seconds.
    """

    name = "telegram"
    limit = TEXT_LIMIT

    def __init__(
        self,
        token: str,
        chat: str,
        base_url: str = "https://api.telegram.org",
        *,
        limit_s: float = 10.0,
        moved: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = token
        self.chat = chat
        # A new connection for each message: on a kept one it would be uncertain who lost the message.
        self._client = HttpClient(base_url, connect_s=min(5.0, limit_s), keep_alive=False)
        self._limit_s = limit_s
        self._moved = moved
        self._clock = clock
        self._sent_at: deque[float] = deque(maxlen=_GROUP_PER_MINUTE)

    def ready_in_s(self) -> float:
        """Return the seconds until the pace allows the next message: one a second, 20 a minute in a group."""
        now = self._clock()
        wait = _PER_SECOND_S - (now - self._sent_at[-1]) if self._sent_at else 0.0
        group = self.chat.startswith(("-", "@"))
        if group and len(self._sent_at) == _GROUP_PER_MINUTE:
            wait = max(wait, 60.5 - (now - self._sent_at[0]))
        return max(0.0, wait)

    def send(self, message: Message) -> Result:
        """Send one message; a mark that Telegram cannot read costs the marks, not the message."""
        fits = utf16_length(message.text) <= TEXT_LIMIT
        html = message.html if fits else None
        text = cut_middle(message.text, TEXT_LIMIT)
        result, answer = self._post(html or text, html=html is not None)
        moved_to = _parameter(answer, "migrate_to_chat_id")
        if result.outcome is Outcome.NOT_SENT and moved_to is not None:
            self.chat = str(moved_to)
            self._moved(self.chat)
            result, answer = self._post(html or text, html=html is not None)
        if result.outcome is Outcome.NOT_SENT and html is not None and "parse entities" in result.reason:
            result, answer = self._post(text, html=False)
        return result

    def _post(self, text: str, *, html: bool) -> tuple[Result, Any]:
        asked: dict[str, Any] = {
            "chat_id": self.chat,
            "text": text,
            "link_preview_options": {"is_disabled": True},
        }
        if html:
            asked["parse_mode"] = "HTML"
        self._sent_at.append(self._clock())
        try:
            response = self._client.request(
                "POST",
                f"/bot{quote(self._token, safe=':')}/sendMessage",
                limit_s=self._limit_s,
                headers={"Content-Type": "application/json"},
                body=json.dumps(asked).encode(),
            )
        except HttpError as error:
            outcome = Outcome.UNCERTAIN if error.maybe_sent else Outcome.NOT_SENT
            return Result(outcome, self._clean(str(error))), None
        answer = _json(response)
        return self._judge(response, answer), answer

    def _judge(self, response: Response, answer: Any) -> Result:
        status = response.status
        said = answer.get("description") if isinstance(answer, dict) else None
        reason = self._clean(f"telegram answered {status}: {said if isinstance(said, str) else 'no reason'}")
        if status == 200 and isinstance(answer, dict) and answer.get("ok") is True:
            return Result(Outcome.SENT)
        if status == 429:
            wished = _parameter(answer, "retry_after")
            if wished is not None and wished >= 0:
                pause: float | None = float(min(wished, LONGEST_PAUSE_S))  # it may be too long for a float
            else:
                pause = retry_after_s(response.headers)
            return Result(Outcome.NOT_SENT, reason, _NO_HINT_PAUSE_S if pause is None else pause)
        if 300 <= status < 500:
            moved = _parameter(answer, "migrate_to_chat_id") is not None
            return Result(Outcome.NOT_SENT, reason, final=not moved and status != 408)
        return Result(Outcome.UNCERTAIN, reason)

    def _clean(self, text: str) -> str:
        """Take the token out of a text, in whatever form it got there."""
        for form in (self._token, quote(self._token, safe=":"), quote(self._token, safe="")):
            text = text.replace(form, "<token>")
        return text[:300]


def _json(response: Response) -> Any:
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def _parameter(answer: Any, name: str) -> int | None:
    parameters = answer.get("parameters") if isinstance(answer, dict) else None
    value = parameters.get(name) if isinstance(parameters, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
