"""Wall time in the users' files: when something was, and how long ago that is."""

from datetime import UTC, datetime

from watchdog_kit.wall_time import iso


def utc_text() -> str:
    """Write the present instant as the users' files have it: ``2025-08-15T21:24:58.686Z``."""
    return iso(datetime.now(UTC))


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
