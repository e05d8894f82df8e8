"""rugcheck.xyz: a word on how safe a token looks. Source: its API description, recorded answers."""

from typing import Any

from tracker.sources import SourceError
from tracker.sources.http import JsonService

_LEVELS = {"danger": "DANGER", "warn": "WARNING"}


class RugCheck(JsonService):
    """The safety service."""

    name = "rugcheck"
    batch = 1
    per_minute = 10

    def ask(self, address: str, limit_s: float) -> str:
        """Return ``GOOD``, ``WARNING`` or ``DANGER``, as ``rugcheckStatus`` has it.

        Raises:
            SourceError: nothing usable came back.
        """
        return parse(self.get(f"/v1/tokens/{address}/report/summary", limit_s))


def parse(value: Any) -> str:
    """Read a summary: the worst risk decides.

    Raises:
        SourceError: it has another shape.
    """
    risks = value.get("risks") if isinstance(value, dict) else None
    if not isinstance(value, dict) or "score" not in value or not isinstance(risks, list | None):
        raise SourceError("rugcheck: its answer has an unknown shape")
    found = [risk.get("level") for risk in risks or [] if isinstance(risk, dict)]
    for level, status in _LEVELS.items():
        if level in found:
            return status
    return "GOOD"
