"""The incidents that the watchdog has kept: a folder each, with a few files of text in it."""

import os
import re
from typing import Any

from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.scene import log_path

FOLDER = "incidents"
SHOWN = 20
FILES = 12
FILE_LIMIT = 256 * 1024  # bytes of one file that are shown
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,120}")  # what no path can be made of


def list_incidents(places: Places) -> list[str]:
    """The names of the newest ones, the newest first; each begins with its time."""
    try:
        with os.scandir(_folder(places)) as found:
            names = [one.name for one in found if one.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted((name for name in names if NAME.fullmatch(name)), reverse=True)[:SHOWN]


def read_incident(places: Places, name: str) -> list[dict[str, Any]] | None:
    """The files of one; None when there is none of this name."""
    if not NAME.fullmatch(name):
        return None
    folder = os.path.join(_folder(places), name)
    try:
        if os.path.islink(folder):
            return None
        with os.scandir(folder) as found:
            files = sorted(one.name for one in found if one.is_file(follow_symlinks=False))
    except OSError:
        return None
    return [{"file": file, "text": _text(os.path.join(folder, file))} for file in files[:FILES]]


def _folder(places: Places) -> str:
    return os.path.join(os.path.dirname(log_path(places)), FOLDER)


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as error:
        return f"cannot be read: {(error.strerror or '').lower()}"
    text = data[:FILE_LIMIT].decode("utf-8", "replace")
    return text if len(data) <= FILE_LIMIT else f"{text}\n... the rest is not shown ..."
