"""Where everything of one watchdog lies."""

import contextlib
import os
import sys

from watchdog_cli.core.errors import StorageError
from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass

BASE = ".watchdog"


@dataclass(frozen=True, slots=True)
class Places:
    """All paths, absolute.

    Args:
        folder: where the program runs.
        log_dir: as set; relative to the folder.
    """

    folder: str
    name: str
    log_dir: str = "logs"

    @property
    def state_folder(self) -> str:
        """0700; everything in it is 0600."""
        return os.path.join(self.folder, BASE, self.name)

    def _inside(self, name: str) -> str:
        return os.path.join(self.state_folder, name)

    @property
    def state(self) -> str:
        """The snapshot."""
        return self._inside("state.json")

    @property
    def lock(self) -> str:
        """Held by the living watchdog."""
        return self._inside("lock")

    @property
    def stdout(self) -> str:
        """The pipe that the child prints into."""
        return self._inside("stdout")

    @property
    def notify(self) -> str:
        """The socket for sd_notify."""
        return self._inside("notify")

    @property
    def lease(self) -> str:
        """Which lease is held."""
        return self._inside("lease.json")

    @property
    def lease_id(self) -> str:
        """Tells what was saved here from what came from another machine."""
        return self._inside("lease.id")

    @property
    def guard(self) -> str:
        """Until when the program may live."""
        return self._inside("guard")

    @property
    def carried(self) -> str:
        """What of the files that move with the lease is in etcd; the program reads it."""
        return self._inside("carried.json")

    @property
    def replaced(self) -> str:
        """What files that came with the lease have replaced."""
        return self._inside("replaced")

    @property
    def journal(self) -> str:
        """Facts for machines."""
        return self._inside("journal.jsonl")

    @property
    def samples(self) -> str:
        """Memory and CPU over time."""
        return self._inside("samples")

    @property
    def alerts(self) -> str:
        """What people were told, and what waits to be told; not there when there is nothing."""
        return self._inside("alerts.json")

    @property
    def incidents(self) -> str:
        """A folder for each unplanned end."""
        return os.path.join(self.folder, self.log_dir, "incidents")

    @property
    def log(self) -> str:
        """What the child prints."""
        return os.path.join(self.folder, self.log_dir, f"{self.name}.log")

    @property
    def own_log(self) -> str:
        """Facts for people."""
        return os.path.join(self.folder, self.log_dir, f"{self.name}.watchdog.log")

    def shown(self, path: str) -> str:
        """A path as a person in the folder would write it."""
        inside = os.path.relpath(path, self.folder)
        return path if inside.startswith("..") else inside

    def make(self) -> None:
        """Create the state folder.

        Raises:
            StorageError: that is not possible.
        """
        from watchdog_cli.adapters.rotating_file import make_folder  # not for those who only look

        if not os.path.isdir(self.folder):
            raise StorageError(f"folder {self.folder} does not exist; pick another with -C")
        base = os.path.join(self.folder, BASE)
        try:
            make_folder(self.state_folder, self.folder)
            for path in (base, self.state_folder):
                keep_private(path)
        except OSError as error:
            raise StorageError(
                f"cannot make {self.state_folder}: {in_words(error)}; "
                "run in a folder that you may write to, or pick one with -C"
            ) from error
        with contextlib.suppress(OSError):  # so that a project's own git does not see it
            descriptor = os.open(
                os.path.join(base, ".gitignore"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
            )
            os.write(descriptor, b"*\n")
            os.close(descriptor)


def user_folder() -> str | None:
    """Where the things of this user lie that belong to no program; None when the environment names no such place."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or base
    return os.path.join(base, "watchdog") if os.path.isabs(base) else None


def keep_private(folder: str) -> None:
    """Let nobody but our user (and those who may do everything anyway) into a folder of ours.

    Raises:
        OSError: it cannot be done, though the folder is ours.
    """
    if sys.platform == "win32":
        from watchdog_cli.adapters.windows.rights import make_private

        with contextlib.suppress(OSError):  # a file system without rights, such as that of a memory stick
            make_private(folder)
    elif os.stat(folder).st_uid == os.getuid():
        os.chmod(folder, 0o700)
