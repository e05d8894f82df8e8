"""What people were told and what waits to be told, on disk: alerts.json in the state folder."""

import contextlib
import json
import os
from collections.abc import Mapping

from watchdog_cli.adapters import foreign_json
from watchdog_kit.atomic_file import write_atomic

_READ_LIMIT = 32 << 20


def load(path: str) -> object:
    """Return what was saved; None if there is nothing that can be understood."""
    try:
        with open(path, "rb") as file:
            return foreign_json.parse(file.read(_READ_LIMIT))
    except (OSError, ValueError):
        return None


def save(path: str, record: Mapping[str, object] | None) -> None:
    """Replace it in one step; None: there is nothing to keep, and no file.

    Raises:
        OSError: it cannot be written.
    """
    if record is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    write_atomic(path, json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"))
