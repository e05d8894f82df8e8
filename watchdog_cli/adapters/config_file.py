"""Where the settings of a folder are written, and putting all places together.

``watchdog.toml`` is the settings file; a Python project may keep them in ``[tool.watchdog]`` of its
``pyproject.toml`` instead. One of the two counts, never a mix.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from watchdog_cli.core.errors import ConfigError, UsageError
from watchdog_cli.core.names import DEFAULT_NAME, parse_name

if TYPE_CHECKING:
    from watchdog_cli.core.settings import Settings
    from watchdog_kit.settings_error import SettingsError

SETTINGS_FILE = "watchdog.toml"
PROJECT_FILE = "pyproject.toml"
_PROJECT_TABLE = "tool.watchdog"
_NAME_VARIABLE = "WATCHDOG_NAME"


def load_settings(
    folder: str,
    given: Mapping[str, object],
    *,
    pid1: bool = False,
    environ: Mapping[str, str] | None = None,
) -> "Settings":
    """Find every setting of the watchdog in ``folder``.

    Args:
        folder: where the program runs; the settings file lies there.
        given: what the command line says, by key, already parsed.
        pid1: we are the first process of a container.
        environ: the environment; None means ours.

    Raises:
        UsageError: the command line contradicts itself or another place.
        ConfigError: the file or a variable is wrong.
    """
    from watchdog_cli.core.options import ENV_PREFIX, OPTIONS, foreign_variables
    from watchdog_cli.core.settings import build
    from watchdog_kit.settings import SettingsError, load

    where = os.path.abspath(folder)
    variables = os.environ if environ is None else environ
    try:
        file_values, file_name = _read(where)
        loaded = load(
            OPTIONS,
            program="watchdog",
            given=given,
            environ=variables,
            env_prefix=ENV_PREFIX,
            file_values=file_values,
            file_name=file_name,
            foreign=foreign_variables(variables),
        )
        return build(loaded, folder=where, resolve=lambda path: _true_path(where, path), pid1=pid1)
    except SettingsError as error:
        raise _translated(error) from error


def resolve_name(folder: str, given: str | None, environ: Mapping[str, str] | None = None) -> str:
    """Find the name of the watchdog meant, and nothing else: what ``status`` and ``check`` need, quickly.

    Args:
        folder: where to look for a settings file.
        given: the name from the command line.
        environ: the environment; None means ours.

    Raises:
        UsageError: the given name cannot be one.
        ConfigError: the name in the variable or in the file cannot be one, or the file cannot be read.
    """
    if given is not None:
        return checked_name(given)
    name: object = (os.environ if environ is None else environ).get(_NAME_VARIABLE)
    place = _NAME_VARIABLE
    if not name:
        values, file_name = _read_for_name(folder)
        name, place = values.get("name", DEFAULT_NAME), f"{file_name}: name"
    if not isinstance(name, str):
        raise ConfigError(f'{place}: it is not a text; write "{DEFAULT_NAME}"')
    try:
        return parse_name(name)
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None


def checked_name(given: str) -> str:
    """Return the name from the command line.

    Raises:
        UsageError: it cannot be one.
    """
    try:
        return parse_name(given)
    except ValueError as error:
        raise UsageError(f"--name: {error}") from None


def _read_for_name(folder: str) -> tuple[Mapping[str, Any], str]:
    # Most folders hold neither file; then not even the reader of TOML is loaded.
    paths = (os.path.join(folder, SETTINGS_FILE), os.path.join(folder, PROJECT_FILE))
    if not any(os.path.lexists(path) for path in paths):
        return {}, SETTINGS_FILE
    from watchdog_kit.settings_error import SettingsError

    try:
        return _read(folder, holds="name")
    except SettingsError as error:
        raise _translated(error) from error


def _read(folder: str, holds: str = "") -> tuple[dict[str, Any], str]:
    """Return the settings written in the folder, and what to call their place.

    Args:
        folder: where to look.
        holds: a word without which the content is of no interest, and need not be understood.
    """
    from watchdog_kit.toml_file import parse_toml, read_text

    try:
        content = read_text(os.path.join(folder, SETTINGS_FILE))
    except FileNotFoundError:
        return _read_project(folder)
    if holds not in content:
        return {}, SETTINGS_FILE
    return parse_toml(content, SETTINGS_FILE), SETTINGS_FILE


def _read_project(folder: str) -> tuple[dict[str, Any], str]:
    """Return the table of ours in the project's own file, which is somebody else's business otherwise."""
    from watchdog_kit.settings_error import Layer, SettingsError
    from watchdog_kit.toml_file import parse_toml, read_text

    path = os.path.join(folder, PROJECT_FILE)
    if not os.path.isfile(path):
        return {}, SETTINGS_FILE
    content = read_text(path)
    if "watchdog" not in content:
        return {}, SETTINGS_FILE
    try:
        document = parse_toml(content, PROJECT_FILE)
    except SettingsError:
        # A broken file that only names the library of the same name is no reason not to supervise.
        if _PROJECT_TABLE not in content:
            return {}, SETTINGS_FILE
        raise
    tools = document.get("tool")
    if not isinstance(tools, dict) or "watchdog" not in tools:
        return {}, SETTINGS_FILE
    table, place = tools["watchdog"], f"{PROJECT_FILE} [{_PROJECT_TABLE}]"
    if not isinstance(table, dict):
        raise SettingsError("", place, "it is not a table of settings", Layer.FILE)
    return table, place


def _true_path(folder: str, path: str) -> str:
    return os.path.normcase(os.path.realpath(os.path.join(folder, path)))


def _translated(error: "SettingsError") -> ConfigError | UsageError:
    from watchdog_kit.settings_error import Layer

    return UsageError(str(error)) if error.layer is Layer.OPTION else ConfigError(str(error))
