"""What an operator wants to be told, and how."""

from dataclasses import field

from watchdog_kit.records import dataclass

TELEGRAM_URL = "https://api.telegram.org"


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """The ways to people and the pace; durations in seconds. What is secret does not show in a text of this record.

    Args:
        after: how many unplanned ends make an incident that is told; giving up is always told.
        gap_s: the least time between two messages of one incident.
        stable_s: how long the program must be well again before the incident is over.
        queue: how many messages are kept for a service that cannot be reached; older ones are merged.
    """

    telegram_token: str | None = field(default=None, repr=False)
    telegram_chat: str | None = field(default=None, repr=False)
    telegram_url: str = TELEGRAM_URL
    webhook_url: str | None = field(default=None, repr=False)
    notify_url: str | None = field(default=None, repr=False)
    after: int = 1
    gap_s: float = 300.0
    stable_s: float = 60.0
    queue: int = 200

    @property
    def is_wanted(self) -> bool:
        """Whether there is any way to people."""
        return any((self.telegram_token, self.webhook_url, self.notify_url))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be seen nowhere."""
        found = (self.telegram_token, self.webhook_url, self.notify_url)
        return tuple(secret for secret in found if secret)
