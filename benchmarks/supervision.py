"""Measures the watchdog beside the barest thing that does the same part of its work, in turns, in one run.

    python benchmarks/supervision.py [--only NAME] [--quick] [--seconds 60]

Run it with the interpreter of the environment in which ``watchdog`` is installed. Everything happens in a folder for
temporary files that is removed at the end; the whole takes some four minutes, with ``--quick`` about one. Times move
with whatever else the machine does, so ratios and counts say more than milliseconds. The exit code is 0 even when a
target is missed: the last lines say which.
"""

import argparse
import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import commands
import notices
import restarts
import standing
import throughput
from stand import WATCHDOG, Stand, opened
from table import Table

WHOLE_S, QUICK_S = 360, 90
Part = Callable[[Stand, Table], None]


def parts(*, quick: bool, seconds: float | None) -> dict[str, Part]:
    """Every measurement by its name."""
    return {
        "death": functools.partial(restarts.death, quick=quick),
        "hang": functools.partial(restarts.hang, quick=quick),
        "rapid": functools.partial(restarts.rapid, quick=quick),
        "idle": functools.partial(standing.idle, quick=quick, seconds=seconds),
        "notice": functools.partial(notices.notice, quick=quick),
        "log": functools.partial(throughput.log, quick=quick),
        "status": functools.partial(commands.status, quick=quick),
        "tail": functools.partial(commands.tail, quick=quick),
        "cold": functools.partial(commands.cold, quick=quick),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", choices=list(parts(quick=True, seconds=None)), metavar="NAME"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds; less sure")
    parser.add_argument("--seconds", type=float, help="how long idle processes are watched")
    options = parser.parse_args()
    if not Path(WATCHDOG).exists():
        sys.exit(
            f"{WATCHDOG} is not there; use the interpreter of the environment where watchdog is installed"
        )
    signal.signal(signal.SIGALRM, _too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    signal.alarm(int((QUICK_S if options.quick else WHOLE_S) + (options.seconds or 0)))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}, Python {sys.version.split()[0]}")
    table = Table()
    with opened() as stand:
        stand.run([WATCHDOG, "--version"], stand.folder("warm"))  # compiles what was never compiled
        for name, part in parts(quick=options.quick, seconds=options.seconds).items():
            if not options.only or name in options.only:
                part(stand, table)
    table.summary()


def _too_long(*_: object) -> None:
    raise TimeoutError("the whole took too long; the machine is too busy to measure anything")


if __name__ == "__main__":
    main()
