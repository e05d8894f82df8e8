"""Options made from the table of settings, and those that every command has."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from tracker.errors import StorageError
from tracker.place import Place
from tracker.settings import ENV_PREFIX, FILE_NAME, TABLE
from watchdog_kit.kinds import Kind
from watchdog_kit.settings import Setting

F = TypeVar("F", bound=Callable[..., Any])


class KindType(click.ParamType[Any]):
    """Lets click read a value by one of our kinds."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.name = kind.word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the text; a wrong one ends with one line that says what is right."""
        if not isinstance(value, str):
            return value
        try:
            return self._kind.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class GroupedCommand(click.Command):
    """Shows its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group, in the order of the options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(param, "group", "General"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class GroupedOption(click.Option):
    """An option that knows its group."""

    def __init__(self, *args: Any, group: str = "General", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


def settings_options(command: F) -> F:
    """Add an option for each setting that may stand on the command line."""
    for setting in reversed(TABLE):
        if setting.option:
            command = _option(setting)(command)
    return command


def _option(setting: Setting) -> Callable[[F], F]:
    text = f"{setting.help}  [default: {setting.shown_default()}]"
    if setting.kind.is_flag:
        return click.option(
            f"--{setting.key}/--no-{setting.key}",
            setting.field,
            default=None,
            cls=GroupedOption,
            group=setting.group,
            help=text,
        )
    return click.option(
        f"--{setting.key}",
        setting.field,
        type=KindType(setting.kind),
        metavar=setting.kind.word,
        default=None,
        cls=GroupedOption,
        group=setting.group,
        help=text,
    )


def single_setting(key: str) -> Callable[[F], F]:
    """Return a decorator that adds the option of one setting."""
    return _option(next(setting for setting in TABLE if setting.key == key))


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


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Return by key the settings that were really given on the command line."""
    return {s.key: values[s.field] for s in TABLE if values.get(s.field) is not None}


def place_of(folder: str) -> Place:
    """Return the working folder.

    Raises:
        StorageError: there is none of this name.
    """
    if not os.path.isdir(folder):
        raise StorageError(f"there is no folder {folder}; make it first, or name another with -C")
    return Place(os.path.abspath(folder))


EPILOG = (
    f'Every option may also stand in the environment ({ENV_PREFIX}CYCLE=10s) or in {FILE_NAME} (cycle = "10s"). '
    "Durations: 90, 100ms, 5s, 2m, 1h30m."
)
