"""Wall time as it stands in files: ISO 8601, UTC, milliseconds, ``Z``."""

from datetime import UTC, datetime


def utc_text() -> str:
    """Write the present instant as the users' files have it: ``2025-08-15T21:24:58.686Z``."""
    moment = datetime.now(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def parse_utc(text: object) -> datetime | None:
    """Read an instant from a file; None for anything that is not one."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def seconds_since(text: object) -> float | None:
    """Say how long ago an instant from a file was; never negative, for clocks step. None: unknown."""
    moment = parse_utc(text)
    return None if moment is None else max(0.0, (datetime.now(UTC) - moment).total_seconds())
