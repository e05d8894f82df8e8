"""What a person can mend, by type; each error knows the exit code that it becomes at the edge."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the commands end with; the same numbers mean the same things as in ``watchdog``."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    UNHEALTHY = 5
    ALREADY_RUNNING = 11
    STORAGE = 14
    NO_RESTART = 78  # os.EX_CONFIG: a supervisor must not start us again before a person has mended this


class TrackerError(Exception):
    """The text is one line: what happened, to which thing, what to do."""

    exit_code = ExitCode.INTERNAL


class UsageError(TrackerError):
    """The command line asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class SettingError(TrackerError):
    """A setting in a file or in the environment is wrong; starting again cannot help."""

    exit_code = ExitCode.NO_RESTART


class UnrecoverableError(TrackerError):
    """There was saved data and none of it is valid; a person has to decide."""

    exit_code = ExitCode.NO_RESTART


class AlreadyRunningError(TrackerError):
    """Another tracker works in this folder."""

    exit_code = ExitCode.ALREADY_RUNNING


class StorageError(TrackerError):
    """Something cannot be read or written."""

    exit_code = ExitCode.STORAGE


class UnhealthyError(TrackerError):
    """The question was answered, and the answer is bad."""

    exit_code = ExitCode.UNHEALTHY
