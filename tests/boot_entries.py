"""An entry to look at, with whatever shall be different."""

from dataclasses import replace
from typing import Any

from watchdog_cli.install.entry import Entry

PLAIN = Entry(
    name="tracker",
    folder="/srv/bot",
    interpreter="/opt/venv/bin/python",
    options=["--restart-delay=1s", "--name=tracker"],
    command=["/usr/bin/node", "bot.js"],
    path="/opt/venv/bin:/usr/bin",
    system=True,
    user="bot",
    stop_s=12,
)


def entry(**other: Any) -> Entry:
    """The plain one, but for these."""
    return replace(PLAIN, **other)
