"""Options that the commands share: all settings for those that start something, the place for the others."""

import functools
import os
import stat
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import click

from watchdog_cli.core.errors import UsageError, WatchdogError
from watchdog_kit.click_options import (
    F,
    GroupedCommand,
    GroupedOption,
    SettingType,
    setting_option,
    take_given,
)
from watchdog_kit.kinds import Kind
from watchdog_kit.os_errors import in_words

if TYPE_CHECKING:
    from watchdog_cli.wiring.places import Places

__all__ = [
    "HOW_TO_WRITE",
    "GroupedCommand",
    "GroupedOption",
    "SettingType",
    "folder_of",
    "place_options",
    "places_of",
    "settings_options",
]

# The epilog of every command that takes all settings.
HOW_TO_WRITE = """\
DURATION is written like 90 (seconds), 100ms, 5s, 2m or 1h30m; SIZE like 500kB, 10MB or 1GiB.

Each setting may also stand in watchdog.toml (restart-delay = "5s") or in the environment
(WATCHDOG_RESTART_DELAY=5s). The command line wins over the environment, that over the file.
'watchdog config' shows what counts and why.
"""


def settings_options(function: F) -> F:
    """Give a command every setting as an option, and ``-C``.

    The function gets ``given``, a mapping from key to parsed value with only those options that were really
    on the command line, and ``directory``, None when not given.
    """
    from watchdog_cli.core.options import OPTIONS

    @functools.wraps(function)
    def collected(*args: Any, **kwargs: Any) -> Any:
        given = take_given(OPTIONS, kwargs)
        return function(*args, given=given, **kwargs)

    # click puts the option that is applied last in front.
    decorated = _directory_option()(cast("F", collected))
    for setting in reversed(OPTIONS):
        if setting.option:
            decorated = setting_option(setting)(decorated)
    return decorated


def place_options(function: F) -> F:
    """Give a command ``-C`` and ``--name``: of which watchdog it speaks.

    The function gets ``directory`` and ``name``, each None when not given; ``places_of`` makes places of them.
    """
    name = click.option(
        "--name",
        cls=GroupedOption,
        metavar="NAME",
        help="Which watchdog of the folder is meant.  [default: the name in the settings, else tracker]",
    )
    return _directory_option()(name(function))


def places_of(directory: str | None, name: str | None) -> "Places":
    """Return the places of the watchdog that ``-C`` and ``--name`` mean.

    Raises:
        UsageError: there is no such folder, or the name cannot be one.
        ConfigError: the name in the environment or in the settings file cannot be one.
    """
    from watchdog_cli.adapters.config_file import resolve_name
    from watchdog_cli.wiring.places import Places

    folder = folder_of(directory)
    return Places(folder, resolve_name(folder, name))


def folder_of(directory: str | None, *, missing: type[WatchdogError] = UsageError) -> str:
    """Return the absolute path of the folder that ``-C`` names, or of the present one.

    Args:
        directory: the value of ``-C``.
        missing: what to raise when there is no such folder.
    """
    if directory == "":
        # A variable of a script that is not set; the present folder would be a dangerous guess.
        raise missing("-C is empty; name the folder of the program")
    try:
        folder = _one_path(os.curdir if directory is None else directory)
    except FileNotFoundError as error:
        raise missing("the present folder was deleted; go to another one, or name one with -C") from error
    try:
        if stat.S_ISDIR(os.stat(folder).st_mode):
            return folder
        what = "is not a folder"
    except FileNotFoundError:
        what = "does not exist"
    except OSError as error:
        what = f"cannot be reached: {in_words(error)}"
    raise missing(f"the folder {folder!r} {what}; name the folder of the program with -C")


def _one_path(folder: str) -> str:
    """The same path for each way to a folder: a program is known again by the path of its state.

    On Windows, where no program outlives its watchdog, a drive letter stays what it is.
    """
    return os.path.abspath(folder) if sys.platform == "win32" else os.path.realpath(folder)


def _directory_option() -> Callable[[F], F]:
    return click.option(
        "-C",
        "--directory",
        cls=GroupedOption,
        metavar="DIR",
        type=SettingType(Kind("DIR", str)),
        help="Folder of the program, where its settings and files lie.  [default: the present one]",
    )
