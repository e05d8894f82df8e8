"""How a sample of the running program is written down: its lines, their units, their rhythm.

Samples lie in *blocks*: up to a few minutes of one run under one watchdog. In the file a block is a head line
``A up wall life run`` and one line ``step rss cpu silent`` for each sample; all are whole numbers. Only what was
added since the line before is written, so thirty days of samples every 15 seconds take some 3 MB, and damage
costs the rest of its block and no more. They are read back by ``blocks.py``.
"""

from zlib import crc32

EVERY_S = 15.0
KIBI = 1024
CENTI = 0.01  # CPU time is kept in hundredths of a second
NEVER = -1  # no sign of life so far


def life_tag(life: str) -> int:
    """The number by which a block names the life of a watchdog that the journal names in full."""
    return crc32(life.encode("utf-8", "replace"))


def head_line(up: int, wall: int, life: int, run: int) -> str:
    """The line with which a block begins: seconds since boot, unix seconds, tag of the watchdog, number of the run."""
    return f"A {up} {wall} {life} {run}\n"


def sample_line(step: int, rss: int, cpu: int, silent: int) -> str:
    """The line of one sample; see ``blocks.Block`` for the units."""
    return f"{step} {rss} {cpu} {silent}\n"
