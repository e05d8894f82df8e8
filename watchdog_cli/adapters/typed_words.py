"""A command as a person would type it here: Windows has quotes of its own."""

import sys
from collections.abc import Sequence

_MEANT_BY_CMD = frozenset("&|<>^(),;=")


def typed(words: Sequence[str], *, windows: bool = sys.platform == "win32") -> str:
    """The words of a command on one line, quoted so that a shell of the system takes them apart again."""
    if windows:
        return " ".join(map(_for_cmd, words))
    import shlex

    return shlex.join(words)


def _for_cmd(word: str) -> str:
    import subprocess

    quoted = subprocess.list2cmdline([word])
    return f'"{quoted}"' if not quoted.startswith('"') and _MEANT_BY_CMD & set(quoted) else quoted
