"""The name of a watchdog: it becomes a folder, log files and a service, so it must be plain everywhere."""

from watchdog_kit.quantities import quoted

DEFAULT_NAME = "tracker"
_LIMIT = 64
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("._-")
_RIGHT = f"use up to {_LIMIT} of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit"
# Windows keeps these for devices, with any ending.
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)))
)


def parse_name(text: str) -> str:
    """Return the name if it may be one.

    Raises:
        ValueError: it may not; the text says why and what is right.
    """
    if not text:
        raise ValueError(f"the name is empty; {_RIGHT}")
    plain = len(text) <= _LIMIT and text[0] in _FIRST and _REST.issuperset(text)
    if not plain or ".." in text or text.endswith("."):
        raise ValueError(f"{quoted(text)} cannot be a name; {_RIGHT}, no '..' and no '.' at the end")
    if text.lower().partition(".")[0] in _DEVICES:
        raise ValueError(f"{quoted(text)} cannot be a name: Windows keeps it for a device")
    if text.lower().endswith(".watchdog"):
        # Its log would be the file in which the watchdog of the shorter name reports.
        raise ValueError(f"{quoted(text)} cannot be a name: names must not end in .watchdog")
    return text
