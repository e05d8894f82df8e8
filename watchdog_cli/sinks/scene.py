"""What the main thread notes when a run ends, for the sinks that look closer in their own threads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from watchdog_kit.records import dataclass


class Seen(Protocol):
    """What was seen of the process while it lived."""

    @property
    def numbers(self) -> Mapping[str, int]:
        """For machines."""

    @property
    def lines(self) -> Sequence[str]:
        """For people."""


class Stacks(Protocol):
    """Who made the stacks, and what is missing."""

    @property
    def source(self) -> str:
        """Who made them, or ``none``."""

    @property
    def note(self) -> str:
        """What is missing."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the main thread notes at an end, handed over with the fact as ``extra["scene"]``.

    Args:
        fields: of the last heartbeat.
        silent_s: since the last sign of life; None without any.
        last_words: what the run printed last, as lines.
        seen: of a frozen run, just before it was stopped.
        stacks: of a frozen run, with their text; None if it was not frozen.
    """

    fields: Mapping[str, object]
    silent_s: float | None
    last_words: Callable[[], list[str]]
    seen: Callable[[], Seen | None]
    stacks: Callable[[], tuple[Stacks, str] | None]
