"""How much memory and CPU time a process tree uses, on macOS."""

from watchdog_cli.adapters.macos import processes
from watchdog_cli.adapters.table_usage import TableUsage


class TreeUsage(TableUsage):
    """By the table of the kernel."""

    processes = processes
