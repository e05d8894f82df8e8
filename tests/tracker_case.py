"""The tracker under the watchdog, and the files that it leaves."""

import json
import sys
from pathlib import Path
from typing import Any

from rig import QUICK

RUN = (*QUICK, "--quiet", "--heartbeat-timeout", "10s", "--start-grace", "30s")
TRACKER = (sys.executable, "-m", "tracker")
FAST = ("--cycle", "200ms", "--heartbeat-interval", "300ms", "--save-interval", "300ms", "--no-rugcheck")


def saved(folder: Path) -> dict[str, Any]:
    """The list as a strict reader finds it: NaN and infinity are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} in tracked_tokens.json")

    try:
        text = (folder / "tracked_tokens.json").read_text()
    except FileNotFoundError:
        return {}
    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def beat(folder: Path) -> dict[str, Any]:
    """The last heartbeat."""
    try:
        found: dict[str, Any] = json.loads((folder / "heartbeat.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found
