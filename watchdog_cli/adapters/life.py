"""In which life of which watchdog something happens.

The journal and the samples carry it beside an instant of ``boot_clock``, so that their order and their distances
outlive steps of the wall clock, and a time in which no watchdog lived can be told from one in which it had nothing to
say.
"""

import os

from watchdog_cli.adapters.system import processes

BOOT_LETTERS = 8  # of the name of a boot: enough to tell neighbours apart


def own_life() -> str:
    """``BOOT.PID.START``; the same before and after an upgrade in place, never the same for two processes."""
    found = processes.stat(os.getpid())
    return f"{current_boot()}.{os.getpid()}.{found.start_ticks if found else 0}"


def start_of(life: str) -> int | None:
    """The start ticks of the watchdog that led this life; its pid may be another one seen from elsewhere."""
    start = life.rpartition(".")[2]
    return int(start) if start.isdigit() else None


def current_boot() -> str:
    """A short name for the time since the machine was started; "" where nobody knows."""
    return processes.boot_id()[:BOOT_LETTERS]


def boot_of(life: str) -> str:
    """The boot to which a life belongs."""
    return life.partition(".")[0]
