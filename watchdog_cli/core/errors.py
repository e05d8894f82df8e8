"""Who is at fault, by type; each error knows the exit code that it becomes at the edge."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the commands end with. New codes may come; readers treat unknown ones as failure."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    NOT_RUNNING = 3
    UNKNOWN = 4
    UNHEALTHY = 5
    CONFIG = 10
    ALREADY_RUNNING = 11
    GAVE_UP = 12
    SPAWN = 13
    STORAGE = 14
    ADDRESS = 15
    NOT_TOLD = 16
    SERVICE = 17


class WatchdogError(Exception):
    """Something that a person can mend. The text is one line: what happened, to which thing, what to do."""

    exit_code = ExitCode.INTERNAL


class UsageError(WatchdogError):
    """The command line asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class NotRunningError(WatchdogError):
    """There is nothing to act on."""

    exit_code = ExitCode.NOT_RUNNING


class IdentityUnknownError(WatchdogError):
    """A process may or may not be ours; only ``--force`` may decide."""

    exit_code = ExitCode.UNKNOWN


class ConfigError(WatchdogError):
    """What is asked cannot be had here: a setting in a file or in the environment is wrong, or an extra is missing."""

    exit_code = ExitCode.CONFIG


class AlreadyRunningError(WatchdogError):
    """Another watchdog holds the lock."""

    exit_code = ExitCode.ALREADY_RUNNING

    @classmethod
    def held_by(cls, pid: int | None, name: str) -> "AlreadyRunningError":
        """Who holds it, as far as the system tells, and what to do."""
        who = f" (pid {pid})" if pid else ""
        return cls(
            f"a watchdog{who} already looks after {name!r} here; see: watchdog status, or choose another --name"
        )


class SpawnError(WatchdogError):
    """The program cannot be started.

    ``transient`` says that trying again may help (no memory, too many processes, file busy).
    """

    exit_code = ExitCode.SPAWN

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class StorageError(WatchdogError):
    """State or log cannot be written."""

    exit_code = ExitCode.STORAGE


class AddressError(WatchdogError):
    """One cannot listen at an address: it is in use, or not ours."""

    exit_code = ExitCode.ADDRESS


class ServiceError(WatchdogError):
    """The service manager of this system is not there, or refuses, or what lies there is not ours."""

    exit_code = ExitCode.SERVICE
