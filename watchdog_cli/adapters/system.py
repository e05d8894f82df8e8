"""The one place that knows which module does a matter of the operating system here.

Wiring and the portable adapters ask for a noun; each of its modules has the same public names on every system, and
that of Linux is the reference. A module is loaded when it is asked for: a probe pays for no process tree.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    if sys.platform == "win32":
        from watchdog_cli.adapters.windows import child as trees
        from watchdog_cli.adapters.windows import control as controls
        from watchdog_cli.adapters.windows import inbox as inboxes
        from watchdog_cli.adapters.windows import instance_lock as locks
        from watchdog_cli.adapters.windows import log_pump as pumps
        from watchdog_cli.adapters.windows import marked, notices, processes
        from watchdog_cli.adapters.windows import tree_usage as usages
    elif sys.platform == "darwin":
        from watchdog_cli.adapters import control as controls
        from watchdog_cli.adapters import instance_lock as locks
        from watchdog_cli.adapters import log_pump as pumps
        from watchdog_cli.adapters import marked
        from watchdog_cli.adapters.macos import child as trees
        from watchdog_cli.adapters.macos import inbox as inboxes
        from watchdog_cli.adapters.macos import notices, processes
        from watchdog_cli.adapters.macos import tree_usage as usages
    else:
        from watchdog_cli.adapters import child as trees
        from watchdog_cli.adapters import control as controls
        from watchdog_cli.adapters import file_notice as notices
        from watchdog_cli.adapters import inbox as inboxes
        from watchdog_cli.adapters import instance_lock as locks
        from watchdog_cli.adapters import log_pump as pumps
        from watchdog_cli.adapters import marked
        from watchdog_cli.adapters import procfs as processes
        from watchdog_cli.adapters import tree_usage as usages

# noun: the module on POSIX, and the one in the folder ``windows``
_MODULES = {
    "controls": ("control", "control"),
    "inboxes": ("inbox", "inbox"),
    "locks": ("instance_lock", "instance_lock"),
    "marked": ("marked", "marked"),
    "notices": ("file_notice", "notices"),
    "processes": ("procfs", "processes"),
    "pumps": ("log_pump", "log_pump"),
    "trees": ("child", "child"),
    "usages": ("tree_usage", "tree_usage"),
}
# What macOS does in its own way; the rest is as on Linux.
_MACOS = {
    "inboxes": "inbox",
    "notices": "notices",
    "processes": "processes",
    "trees": "child",
    "usages": "tree_usage",
}

__all__ = [
    "controls",
    "inboxes",
    "locks",
    "marked",
    "notices",
    "processes",
    "pumps",
    "trees",
    "usages",
]


def module_of(noun: str, platform: str = sys.platform) -> str:
    """The full name of the module that does this matter on a platform."""
    posix, windows = _MODULES[noun]
    if platform == "darwin" and noun in _MACOS:
        return f"watchdog_cli.adapters.macos.{_MACOS[noun]}"
    return (
        f"watchdog_cli.adapters.windows.{windows}"
        if platform == "win32"
        else f"watchdog_cli.adapters.{posix}"
    )


def __getattr__(noun: str) -> Any:
    if noun not in _MODULES:
        raise AttributeError(noun)
    import importlib

    found = globals()[noun] = importlib.import_module(module_of(noun))
    return found
