"""Where an entry of ``install`` lies, whether it is ours, and what its service manager says of it."""

import os
import sys
from collections.abc import Mapping

from watchdog_cli.core.errors import ServiceError, StorageError
from watchdog_cli.install import formats
from watchdog_cli.install.calls import call
from watchdog_cli.install.entry import Format, Owned, read_mark
from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass

FILE_LIMIT = 1 << 20
SHORT_S = 10.0  # for questions


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for.

    Args:
        manager: "systemd", "launchd" or "task-scheduler"; None is the one of this system.
        system: for the whole machine; None: when root asks.
        run_as: who a system entry runs as; None: the owner of the folder.
    """

    manager: str | None = None
    system: bool | None = None
    run_as: str | None = None
    start: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """One place for an entry: a service manager, and whose entries it is about."""

    format: Format
    name: str
    system: bool
    environ: Mapping[str, str]

    @property
    def unit(self) -> str:
        """What the manager calls it."""
        return self.format.unit(self.name)

    @property
    def path(self) -> str:
        """Where its file lies."""
        return self.format.path(self.name, system=self.system, environ=self.environ)

    def read(self) -> bytes | None:
        """The file that is there now.

        Raises:
            StorageError: it cannot be read.
            ServiceError: something else lies there.
        """
        if os.path.lexists(self.path) and not os.path.isfile(self.path):
            raise ServiceError(f"{self.path} is no file (masked, perhaps); it is left alone")
        try:
            with open(self.path, "rb") as file:
                return file.read(FILE_LIMIT)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"cannot read {self.path}: {in_words(error)}") from error

    def owned(self, content: bytes) -> Owned:
        """What the file says of itself.

        Raises:
            ServiceError: we did not write it.
        """
        found = read_mark(self.format.decode(content))
        if found is None:
            raise ServiceError(
                f"{self.path} was not written by `watchdog install`; it is left alone: move it away, "
                "or choose another --name"
            )
        return found

    def refuse_if_hopeless(self) -> None:
        """Before anything is changed.

        Raises:
            ServiceError: there is no such service manager here, or not for this user.
        """
        why = self.format.objection(system=self.system, environ=self.environ)
        if why is not None:
            raise ServiceError(why)

    def pid(self) -> int:
        """The watchdog that the manager runs for this entry; 0 when none, -1 when it does not say."""
        words = self.format.ask_pid(self.name, system=self.system)
        if words is None:
            return -1
        text = call(words, self.call_environ(), limit_s=SHORT_S).output.strip()
        return int(text) if text.isdigit() else 0

    def call_environ(self) -> dict[str, str]:
        """Where a user's own manager is found also from a shell that was not told."""
        found = dict(self.environ)
        if self.format.title == "systemd" and not self.system and "XDG_RUNTIME_DIR" not in found:
            found["XDG_RUNTIME_DIR"] = f"/run/user/{os.getuid()}"
        return found


def find_target(wish: Wish, name: str, environ: Mapping[str, str]) -> Target:
    """Where the entry belongs.

    Raises:
        ServiceError: we know no service manager of this system.
    """
    manager = wish.manager or formats.usual()
    if manager is None:
        raise ServiceError(
            f"no service manager of {sys.platform} is known here; --for NAME --dry-run shows the others"
        )
    system = wish.system
    if system is None:
        system = hasattr(os, "geteuid") and os.geteuid() == 0
    return Target(formats.make(manager), name, system, environ)
