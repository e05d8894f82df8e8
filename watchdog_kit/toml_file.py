"""Reading a settings file; every complaint about it is one line that begins with its name."""

import os
from typing import Any

from watchdog_kit.os_errors import in_words
from watchdog_kit.settings_error import Layer, SettingsError

FILE_LIMIT = 1024 * 1024


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a settings file: UTF-8, with or without a byte order mark, at most 1 MiB.

    Raises:
        FileNotFoundError: there is nothing of this name.
        SettingsError: it cannot be read, or is no TOML; one line, with the line number where there is one.
    """
    name = os.path.basename(path)
    return parse_toml(read_text(path), os.fsdecode(name))


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a settings file.

    Raises:
        FileNotFoundError: there is nothing of this name.
        SettingsError: it is no file, too large, not readable or not UTF-8.
    """
    name = os.fsdecode(os.path.basename(path))
    # Without O_NONBLOCK the opening of a named pipe would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not os.path.isfile(path) and os.path.lexists(path):
            what = (
                "is a folder" if os.path.isdir(path) else "is no ordinary file, or a link that leads nowhere"
            )
            raise SettingsError("", name, f"it {what}; it must be a text file", Layer.FILE)
        descriptor = os.open(path, flags)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = in_words(error)
        raise SettingsError("", name, f"it cannot be read: {reason}", Layer.FILE) from error
    if len(data) > FILE_LIMIT:
        raise SettingsError("", name, "it is larger than 1MiB, which no settings file is", Layer.FILE)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            "", name, f"line {line}: it is not UTF-8 text; save it as UTF-8", Layer.FILE
        ) from error


def parse_toml(content: str, name: str) -> dict[str, Any]:
    """Read TOML and turn every complaint into one line that begins with ``name``."""
    import tomllib

    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).rstrip(")").partition(" (at ")
        place = place.replace("end of document", f"line {content.count(chr(10)) + 1}, the end")
        where = f"{place}: " if place else ""
        raise SettingsError("", name, f"{where}{_lower_first(message)}", Layer.FILE) from error
    except (ValueError, RecursionError) as error:
        # A number with thousands of digits, or thousands of brackets.
        raise SettingsError(
            "", name, "it holds a number or a nesting beyond all measure", Layer.FILE
        ) from error


def _lower_first(message: str) -> str:
    return message[:1].lower() + message[1:]
