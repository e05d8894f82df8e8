"""What shall be started at boot, whatever the service manager; and the mark by which we know our own files again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from watchdog_kit.records import dataclass

MARK = "tracker-watchdog entry:"
STOP_MARGIN_S = 15  # for the last words, the reports and a busy disk, after the program had its stop timeout
MARK_LIMIT = 64 << 10
_TWO_DASHES = "-\\u002d"  # XML ends a comment at two of them


class Step(NamedTuple):
    """One command for a service manager.

    Args:
        may_fail: it says what is so already, or ends what does not run.
    """

    words: list[str]
    may_fail: bool = False


class CannotSayError(ValueError):
    """The file format cannot hold such a value; the text says which, in the middle of a sentence."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One watchdog to be started at boot.

    Args:
        name: a plain one, see ``core.names``.
        folder: absolute; where it runs.
        interpreter: absolute path of the Python that has watchdog installed.
        options: of ``watchdog run``, each as one word.
        command: the program and its arguments; the program by its absolute path.
        path: what PATH shall be.
        system: for the whole machine, started without anybody logging in.
        user: who it runs as, where that is not said by ``system``; None leaves it to the service manager.
        stop_s: how long the program may take to end.
        restart_any_end: False when the watchdog ends with its program (``--restart never``).
    """

    name: str
    folder: str
    interpreter: str
    options: Sequence[str]
    command: Sequence[str]
    path: str
    system: bool
    user: str | None
    stop_s: int
    restart_any_end: bool = True

    @property
    def argv(self) -> list[str]:
        """The whole command line.

        ``-P``: a file of the user's folder must not pass for a module of ours or of the library.
        """
        return [self.interpreter, "-P", "-m", "watchdog_cli", "run", *self.options, "--", *self.command]

    def mark(self) -> str:
        """One line of plain ASCII for a comment in the file, with nothing that means something to XML."""
        facts = {"v": 1, "name": self.name, "folder": self.folder, "interpreter": self.interpreter}
        text = json.dumps(facts)
        for character in "<>&":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return f"{MARK} {text.replace('--', _TWO_DASHES)}"


@dataclass(frozen=True, slots=True)
class Owned:
    """What a file that we wrote says of itself."""

    name: str
    folder: str
    interpreter: str


def read_mark(text: str) -> Owned | None:
    """Whose entry the text is; None when we did not write it."""
    for line in text[:MARK_LIMIT].splitlines():
        _, found, rest = line.partition(MARK)
        if not found:
            continue
        try:
            facts, _ = json.JSONDecoder().raw_decode(rest.strip())
        except (ValueError, RecursionError):
            return None
        return _owned(facts)
    return None


def _owned(facts: Any) -> Owned | None:
    if not isinstance(facts, dict):
        return None
    name, folder, interpreter = (facts.get(key) for key in ("name", "folder", "interpreter"))
    if isinstance(name, str) and isinstance(folder, str) and isinstance(interpreter, str):
        return Owned(name, folder, interpreter)
    return None


class Format(Protocol):
    """One service manager: where its file lies, what stands in it, and how it is told of it."""

    title: str
    of_windows: bool = False  # how its commands are quoted
    # Whether its command returns when the watchdog is up, and fails when it is not.
    waits_for_start: bool = False

    def unit(self, name: str) -> str:
        """What the manager calls the entry."""
        ...

    def path(self, name: str, *, system: bool, environ: Mapping[str, str]) -> str:
        """Where the file lies."""
        ...

    def encode(self, entry: Entry) -> bytes:
        """The file.

        Raises:
            CannotSayError: it cannot be said in such a file.
        """
        ...

    def decode(self, content: bytes) -> str:
        """The file as text, whatever its bytes."""
        return content.decode("utf-8", "replace")

    def objection(self, *, system: bool, environ: Mapping[str, str]) -> str | None:
        """Why nothing can be installed here; None when it can."""
        ...

    def after_write(self, name: str, path: str, *, system: bool, start: bool, changed: bool) -> list[Step]:
        """The commands that make the manager know the file, in order.

        Args:
            changed: the manager may know an older one.
        """
        ...

    def before_remove(self, name: str, path: str, *, system: bool) -> list[Step]:
        """The commands that stop the entry and make the manager forget it."""
        ...

    def after_remove(self, name: str, *, system: bool) -> list[Step]:
        """The commands that come when the file is gone."""
        del name, system
        return []

    def ask_pid(self, name: str, *, system: bool) -> list[str] | None:
        """The command that prints the pid of the running entry, 0 for none; None where there is no such command."""
        del name, system
        return None

    def hints(self, name: str, *, system: bool) -> list[str]:
        """What a person should know or do now."""
        ...
