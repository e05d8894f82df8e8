"""Options that the commands share, made from the table of settings."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from tracker.errors import StorageError
from tracker.place import Place
from tracker.settings import ENV_PREFIX, FILE_NAME, TABLE
from watchdog_kit.click_options import setting_option, take_given

F = TypeVar("F", bound=Callable[..., Any])

EPILOG = (
    f"Every option may also stand in the environment ({ENV_PREFIX}CYCLE=10s) or in {FILE_NAME} "
    '(cycle = "10s"). Durations: 90, 100ms, 5s, 2m, 1h30m.'
)


def settings_options(command: F) -> F:
    """Add an option for each setting that may stand on the command line."""
    for setting in reversed(TABLE):
        if setting.option:
            command = setting_option(setting)(command)
    return command


def single_setting(key: str) -> Callable[[F], F]:
    """Return a decorator that adds the option of one setting."""
    return setting_option(next(setting for setting in TABLE if setting.key == key))


def place_option(command: F) -> F:
    """Add ``-C``."""
    return click.option(
        "-C",
        "--directory",
        "folder",
        metavar="DIR",
        default=".",
        help="Folder in which the tracker's files lie.  [default: the present one]",
    )(command)


def given(values: dict[str, Any]) -> dict[str, object]:
    """Return by key the settings that were really given on the command line."""
    return take_given(TABLE, values)


def place_of(folder: str) -> Place:
    """Return the working folder.

    Raises:
        StorageError: there is none of this name.
    """
    if not os.path.isdir(folder):
        raise StorageError(f"there is no folder {folder}; make it first, or name another with -C")
    return Place(os.path.abspath(folder))
