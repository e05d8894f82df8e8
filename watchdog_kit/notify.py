"""Telling people: what a message is, what can become of it, and who can send one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

CUT = "\n[...]\n"  # stands where the middle of a text was left out


class Outcome(StrEnum):
    """What became of a message. The difference decides if it may be sent again."""

    SENT = "sent"
    NOT_SENT = "not sent"  # surely nobody saw it: it may be tried again
    UNCERTAIN = "uncertain"  # it may have arrived: trying again may tell it twice


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one attempt.

    Args:
        outcome: see there.
        reason: for people; never with a secret in it.
        retry_after_s: how long the service asked to be left alone.
        final: trying again cannot help until a person has mended something.
    """

    outcome: Outcome
    reason: str = ""
    retry_after_s: float | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A text for people, the same with simple HTML marks where the service can show them, and as data for machines."""

    text: str
    html: str | None = None
    data: Mapping[str, object] | None = None


class Sender(Protocol):
    """A way to people."""

    @property
    def name(self) -> str:
        """Return what to call it."""

    @property
    def limit(self) -> int:
        """Return how long a message may be, in UTF-16 units."""

    def ready_in_s(self) -> float:
        """Return after how many seconds its pace allows the next message."""

    def send(self, message: Message) -> Result:
        """Send one message, within a bounded time. Too long ones are cut in the middle."""


class ConsoleSender:
    """Prints messages, for those who have set up nothing else."""

    name = "console"
    limit = 1_000_000

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def ready_in_s(self) -> float:
        """Return 0: a screen needs no pace."""
        return 0.0

    def send(self, message: Message) -> Result:
        """Print the message as one line."""
        self._write("; ".join(line for line in message.text.splitlines() if line))
        return Result(Outcome.SENT)


def utf16_length(text: str) -> int:
    """Return the length as services count it: an emoji counts two."""
    return len(text) + sum(1 for character in text if ord(character) > 0xFFFF)


def cut_middle(text: str, limit: int) -> str:
    """Shorten a text to ``limit`` UTF-16 units; its head and its tail say most and are kept."""
    if utf16_length(text) <= limit:
        return text
    room = limit - utf16_length(CUT)
    if room < 2:
        return _head(text, limit)
    head = _head(text, (room + 1) // 2)
    tail = _head(text[::-1], room // 2)[::-1]
    return head + CUT + tail


def _head(text: str, limit: int) -> str:
    used = 0
    for place, character in enumerate(text):
        used += 2 if ord(character) > 0xFFFF else 1
        if used > limit:
            return text[:place]
    return text
