"""Who gets the tracker's alerts: a Telegram-like server that counts what arrived, of which token and level."""

import re
from collections import Counter
from types import TracebackType
from typing import Self

from telegram_server import TelegramServer, accept_then, page, too_many

CHAT = "4242"
_ALERT = re.compile(
    r"\nlevel (?P<level>[\d.e+]+) %.*\n(?:liquidity .*\n)?(?P<mint>[1-9A-HJ-NP-Za-km-z]{32,44})\nalert (?P<id>\d+)$",
    re.MULTILINE,
)
_ID = re.compile(r"^alert (\d+)$", re.MULTILINE)


class Receiver:
    """The server and its counts."""

    def __init__(self) -> None:
        self._server = TelegramServer(chats={CHAT})
        self.url = self._server.url

    def environment(self) -> dict[str, str]:
        """The settings that lead the tracker here."""
        return {
            "TRACKER_TELEGRAM_TOKEN": self._server.token,
            "TRACKER_TELEGRAM_CHAT": CHAT,
            "TRACKER_TELEGRAM_URL": self._server.url,
        }

    def trouble(self, kind: int) -> None:
        """Answer the next call badly: too many, a broken gateway, or taken and then cut off."""
        kinds = (too_many(1), page(502), accept_then(hang=False))
        self._server.script(kinds[kind % len(kinds)])

    def counts(self) -> tuple[Counter[tuple[str, str]], Counter[int]]:
        """How often each token and level arrived, and how often each alert number."""
        return count(self._server.texts())

    def twice(self) -> list[str]:
        """Name what arrived more than once."""
        rises, numbers = self.counts()
        found = [f"level {level} % of {mint} ({n} times)" for (mint, level), n in rises.items() if n > 1]
        return found + [f"alert {number} ({n} times)" for number, n in numbers.items() if n > 1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()


def count(texts: list[str]) -> tuple[Counter[tuple[str, str]], Counter[int]]:
    """Count tokens with levels, and numbers of alerts, in messages as people see them."""
    rises: Counter[tuple[str, str]] = Counter()
    numbers: Counter[int] = Counter()
    for text in texts:
        rises.update((found["mint"], found["level"]) for found in _ALERT.finditer(text))
        numbers.update(int(number) for number in _ID.findall(text))
    return rises, numbers
