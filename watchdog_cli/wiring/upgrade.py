"""Hand over to a freshly started image of the watchdog, without a gap.

The process replaces its own program (exec): it keeps its pid, its lock and its child, so nobody is without a
supervisor for a moment, a service manager sees no end, and the exit code of the child is still learned.
"""

import os
import sys
from collections.abc import Mapping, Sequence

from watchdog_cli.adapters.signals import hold
from watchdog_cli.adapters.system import locks
from watchdog_kit.os_errors import in_words


def own_prefix() -> list[str]:
    """The first words of the command that started this image: interpreter and script."""
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]]


def client_prefix() -> list[str]:
    """The same, in a form that works from any folder."""
    prefix = own_prefix()
    return [
        os.path.abspath(word) if os.path.exists(word) and not word.startswith("-") else word
        for word in prefix
    ]


def objection(prefix: Sequence[str]) -> str:
    """Why these words cannot be started; "" when nothing speaks against it."""
    # A process cannot replace its program, and the job object would end the child.
    if sys.platform == "win32":
        return "not possible on Windows; use: watchdog stop, then watchdog run"
    if not os.access(prefix[0], os.X_OK):
        return f"{prefix[0]} is not executable"
    return ""


def become(
    prefix: Sequence[str], arguments: Sequence[str], lock: locks.InstanceLock, notes: Mapping[str, str]
) -> None:
    """Replace this program. Returns only if that fails.

    Signals wait meanwhile: one that came in between would end us by its default.

    Args:
        notes: environment entries for the next image alone.
    """
    hold()
    environment = {**os.environ, **notes}
    if lock.descriptor is not None:
        os.set_inheritable(lock.descriptor, True)
        environment[locks.HANDED_OVER] = str(lock.descriptor)
    for words in (prefix, own_prefix()):
        try:
            os.execve(words[0], [*words, *arguments], environment)  # noqa: S606 - our own program, no shell
        except OSError as error:
            print(f"watchdog: cannot start {words[0]}: {in_words(error)}", file=sys.stderr)
