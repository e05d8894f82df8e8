"""What the tracker says: one line per event, on its output, never at the cost of its work."""

import contextlib
import os
import sys
import threading
import time

from watchdog_kit.printable import printable

_one_at_a_time = threading.Lock()


def clean(text: str) -> str:
    """Make foreign text harmless for a terminal: names of tokens are written by strangers."""
    return printable(text, "\N{REPLACEMENT CHARACTER}")


def say(text: str) -> None:
    """Print one line with the time; a closed or full output is no reason to stop."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {clean(text)}\n"
    with contextlib.suppress(OSError, ValueError), _one_at_a_time:
        sys.stdout.write(line)
        sys.stdout.flush()


def make_output_safe() -> None:
    """Let any character be printed, whatever the locale and though nobody listens: what cannot be shown is escaped."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            encoding = (stream.encoding or "").lower().replace("-", "")
            with contextlib.suppress(OSError, ValueError):
                if encoding in ("utf8", "cp65001"):
                    stream.reconfigure(errors="backslashreplace")
                elif stream.isatty():
                    stream.reconfigure(errors="replace")
                else:
                    stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _open_closed_streams() -> None:
    """Let streams that were closed at the start lead nowhere; else the next file of ours would get their number.

    So a shell closes them (``>&-``), and on Windows ``pythonw`` has none.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
