"""How much memory and CPU time a process tree uses, on Windows."""

import sys

from watchdog_cli.adapters.table_usage import TableUsage
from watchdog_cli.adapters.windows import processes

assert sys.platform == "win32"


class TreeUsage(TableUsage):
    """By a snapshot of the system; it knows no sessions of this kind."""

    processes = processes
