"""The incidents that the watchdog has kept, as the page shows them."""

from typing import Any

from watchdog_cli.core.errors import WatchdogError
from watchdog_cli.wiring import incidents
from watchdog_cli.wiring.places import Places

SHOWN = 20
LINES = 20  # of the log within the summary; all that were kept follow it
TEXT_LIMIT = 256 * 1024  # characters of one part
TOLD = ("id", "at", "cause", "text", "exit_code", "signal")  # the page says the cause in its own language


def list_incidents(places: Places) -> list[dict[str, Any]]:
    """One line for each of the newest ones, the newest first."""
    try:
        records = incidents.read_incidents(places.folder, places.name)
    except (WatchdogError, OSError):
        return []
    return [
        {key: record[key] for key in TOLD if isinstance(record.get(key), str | int)}
        for record in records[:SHOWN]
    ]


def read_incident(places: Places, wanted: str) -> list[dict[str, str]] | None:
    """What is known of one, part by part; None when there is none of exactly this name."""
    try:
        found = incidents.read_incident(places.folder, places.name, wanted)
    except (WatchdogError, OSError):
        return None
    if found.record["id"] != wanted:  # a part of a name is enough on the command line, not in an address
        return None
    parts = [{"file": "", "text": found.summary(LINES)}]
    if "log.txt" in found.texts:
        parts.append({"file": "log.txt", "text": found.texts["log.txt"]})
    return [part | {"text": part["text"][:TEXT_LIMIT]} for part in parts]
