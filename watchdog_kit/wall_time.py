"""Wall time as it stands in files: ISO 8601, UTC, milliseconds, ``Z``."""

from datetime import UTC, datetime


def iso(at: datetime) -> str:
    """``2026-11-25T03:28:00.123Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
