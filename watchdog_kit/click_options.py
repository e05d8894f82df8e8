"""From a table of settings to click's options, and a ``--help`` with headings."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:  # a command with few options of its own shall not load the tables of all settings
    from click.shell_completion import CompletionItem

    from watchdog_kit.kinds import Kind
    from watchdog_kit.settings import Setting

    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # that it is generic is new in click 8.4

F = TypeVar("F", bound=Callable[..., Any])

GENERAL = "General"
_COLUMN = 34  # the widest option beside which its help still has room


class SettingType(_ParamType):
    """A kind of value as click wants it: what is wrong becomes click's own error, which ends with 2."""

    def __init__(self, kind: "Kind") -> None:
        self.name = kind.word
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the value as it was typed."""
        if not isinstance(value, str):
            return value
        try:
            return self.kind.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """Offer the known words, or files and folders."""
        from click.shell_completion import CompletionItem

        del ctx, param
        if self.kind.word in ("FILE", "DIR"):
            return [CompletionItem(incomplete, type=self.kind.word.lower())]
        return [CompletionItem(word) for word in self.kind.choices if word.startswith(incomplete)]


class GroupedOption(click.Option):
    """An option that knows under which heading of ``--help`` it stands."""

    def __init__(self, *args: Any, group: str = GENERAL, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose ``--help`` shows the options under headings, the general ones last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group of options under its heading."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(param, "group", GENERAL), []).append(record)
        general = groups.pop(GENERAL, [])
        for heading, records in (*groups.items(), (GENERAL, general)):
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records, col_max=_COLUMN)


def setting_option(setting: "Setting") -> Callable[[F], F]:
    """Return the decorator that adds the setting as an option; its value is None when not given.

    The help shows the default with its unit. A switch can be turned off again too, for the file may have
    turned it on.
    """
    text = f"{setting.help}  [default: {setting.shown_default()}]"
    if setting.kind.is_flag:
        names = f"--{setting.key}/--{setting.opposite}"
        return click.option(
            names, setting.field, cls=GroupedOption, group=setting.group, default=None, help=text
        )
    return click.option(
        f"--{setting.key}",
        setting.field,
        cls=GroupedOption,
        group=setting.group,
        type=SettingType(setting.kind),
        metavar=f"[{setting.kind.word}]" if setting.kind.choices else setting.kind.word,
        help=text,
    )


def take_given(table: "Sequence[Setting]", values: dict[str, Any]) -> dict[str, object]:
    """Take the settings out of a command's arguments and return, by key, those that were really given.

    A value may be None by wish (off, unlimited), so None alone does not say that none was given.
    """
    context = click.get_current_context()
    given: dict[str, object] = {}
    for setting in table:
        if setting.field not in values:
            continue
        value = values.pop(setting.field)
        if context.get_parameter_source(setting.field) is ParameterSource.COMMANDLINE:
            given[setting.key] = value
    return given
