"""The saved list of a folder and tokens for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Start = Callable[..., Any]
MINT = "So11111111111111111111111111111111111111112"
OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
THIRD = "DizXwuDCWJNCeStk3qVYvARPmCyDdEcbFZkHQ3g1pag"
FAST = ("--cycle", "200ms", "--save-interval", "200ms", "--heartbeat-interval", "200ms", "--no-rugcheck")


def saved(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "tracked_tokens.json").read_bytes())
    assert isinstance(found, dict)
    return found
