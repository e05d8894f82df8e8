"""Which service manager a system has."""

import sys

from watchdog_cli.install.entry import Format

NAMES = ("systemd", "launchd", "task-scheduler")


def usual() -> str | None:
    """The one of this system; None when we know none for it."""
    if sys.platform.startswith("linux"):
        return "systemd"
    return {"darwin": "launchd", "win32": "task-scheduler"}.get(sys.platform)


def make(name: str) -> Format:
    """The one with this name."""
    if name == "systemd":
        from watchdog_cli.install.systemd import Systemd

        return Systemd()
    if name == "launchd":
        from watchdog_cli.install.launchd import Launchd

        return Launchd()
    from watchdog_cli.install.task_scheduler import TaskScheduler

    return TaskScheduler()
