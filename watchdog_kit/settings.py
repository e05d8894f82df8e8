"""Settings in layers: the command line wins over the environment, that over a file, that over the default.

A program describes its settings once, in a table of ``Setting``; from it come the reading of all places,
the options, the help and the manual. Every mistake becomes one line that names the place and the right form.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from watchdog_kit.kinds import Kind
from watchdog_kit.quantities import quoted
from watchdog_kit.settings_error import Layer, SettingsError
from watchdog_kit.toml_file import read_toml

__all__ = ["Layer", "Loaded", "Setting", "SettingsError", "load", "read_toml"]


class Setting(NamedTuple):
    """One thing that an operator may set. ``key`` is the option without dashes and the key in the file."""

    key: str
    kind: Kind
    default: Any  # as ``kind.parse`` returns it
    group: str
    help: str  # one sentence for somebody who has never seen such a program
    why: str  # where the default comes from: a manual, a measurement, or "chosen"
    default_text: str = ""  # what to show as the default where the value itself does not say it
    option: bool = True  # False: never on the command line, where everybody on the machine can read it
    secret: bool = False  # never shown
    off_option: str = ""  # of a switch: the option that turns it off, where "no-" and the key is no English

    @property
    def field(self) -> str:
        """The key as a Python name."""
        return self.key.replace("-", "_")

    @property
    def opposite(self) -> str:
        """The option, without dashes, that turns a switch off."""
        return self.off_option or f"no-{self.key}"

    def variable(self, prefix: str) -> str:
        """Return the name of the environment variable."""
        return prefix + self.field.upper()

    def show(self, value: Any) -> str:
        """Write a value for people, as it may be written in the file; a secret is only said to be there."""
        if self.secret:
            return "not set" if value is None else "set, not shown"
        return self.kind.none if value is None else self.kind.show(value)

    def shown_default(self) -> str:
        """Write the default for people."""
        if self.kind.is_flag:
            return "on" if self.default else "off"
        return self.default_text or self.show(self.default)


class Loaded(NamedTuple):
    """The effective values by key, with the place and the layer that each came from."""

    values: dict[str, Any]
    origins: dict[str, str]
    layers: dict[str, Layer]
    defaults: dict[str, Any]

    def place(self, key: str) -> str:
        """Say where to look for the setting; one that nobody set goes by its key."""
        return key if self.layers[key] is Layer.DEFAULT else self.origins[key]

    @property
    def explicit(self) -> frozenset[str]:
        """The keys that somebody set."""
        return frozenset(key for key, layer in self.layers.items() if layer > Layer.DEFAULT)


def load(
    table: Sequence[Setting],
    *,
    program: str,
    given: Mapping[str, object],
    environ: Mapping[str, str],
    env_prefix: str,
    file_values: Mapping[str, object],
    file_name: str,
    foreign: Collection[str] = (),
) -> Loaded:
    """Find the value of each setting.

    Args:
        table: all settings of the program.
        program: its name, for messages.
        given: values from the command line by key, already parsed; only those that were really given.
        environ: the environment; an empty variable counts as not set.
        env_prefix: what the names of the program's variables begin with, such as ``WATCHDOG_``.
        file_values: the table read from the file; keys with ``-`` or with ``_``.
        file_name: what to call the file in messages.
        foreign: variables with the prefix that belong to somebody else; those that Kubernetes sets for a
            service of this name are known anyway.

    Raises:
        SettingsError: a value is wrong, or a key or a variable is not known.
    """
    known = {setting.key: setting for setting in table}
    in_file = _file_keys(known, program, file_values, file_name)
    _refuse_unknown_variables(known, program, environ, env_prefix, foreign)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    layers: dict[str, Layer] = {}
    for setting in table:
        key = setting.key
        variable = setting.variable(env_prefix)
        written = "" if variable in foreign else environ.get(variable, "")
        # All places are checked, also those that a higher one hides: a wrong line would only wait for its day.
        if key in in_file:
            place = f"{file_name}: {in_file[key]}"
            from_file = _from_file(setting, file_values[in_file[key]], place)
        if written:
            from_variable = _parsed(setting, written, variable, Layer.ENVIRONMENT)
        if key in given:
            option = setting.opposite if setting.kind.is_flag and not given[key] else key
            values[key], origins[key], layers[key] = given[key], f"--{option}", Layer.OPTION
        elif written:
            values[key], origins[key], layers[key] = from_variable, variable, Layer.ENVIRONMENT
        elif key in in_file:
            values[key], origins[key], layers[key] = from_file, place, Layer.FILE
        else:
            values[key], origins[key], layers[key] = setting.default, "default", Layer.DEFAULT
    return Loaded(values, origins, layers, {setting.key: setting.default for setting in table})


def _file_keys(
    known: Mapping[str, Setting], program: str, file_values: Mapping[str, object], file_name: str
) -> dict[str, str]:
    """Map each known key to how it is written in the file."""
    found: dict[str, str] = {}
    for written, value in file_values.items():
        key = written.replace("_", "-")
        place = f"{file_name}: {written if written.isprintable() else quoted(written)}"
        if key not in known:
            if isinstance(value, dict):
                hint = "; settings stand at the top, without a [header] above them"
            else:
                hint = _meant(key, known) or "; the manual lists all settings"
            raise SettingsError(key, place, f"{program} has no such setting{hint}", Layer.FILE)
        if key in found:
            raise SettingsError(key, place, f"it is there twice, also as {found[key]}; keep one", Layer.FILE)
        found[key] = written
    return found


def _refuse_unknown_variables(
    known: Mapping[str, Setting],
    program: str,
    environ: Mapping[str, str],
    env_prefix: str,
    foreign: Collection[str],
) -> None:
    variables = {setting.variable(env_prefix): key for key, setting in known.items()}
    endings = [variable.removeprefix(env_prefix) for variable in variables]
    for name, value in environ.items():
        if not name.startswith(env_prefix) or name in variables or name in foreign or not value:
            continue
        ending = name.removeprefix(env_prefix)
        if _from_kubernetes(ending):
            continue
        shown = name if name.isprintable() else quoted(name)
        hint = _meant(ending, endings, env_prefix) or "; unset it, or look for its name in the manual"
        raise SettingsError(name, shown, f"{program} has no such setting{hint}", Layer.ENVIRONMENT)


def _from_kubernetes(rest: str) -> bool:
    """Say whether Kubernetes sets such a variable for a service whose name begins like the program's.

    For a service ``watchdog-web`` there are ``WATCHDOG_WEB_SERVICE_HOST``, ``WATCHDOG_WEB_SERVICE_PORT...``,
    ``WATCHDOG_WEB_PORT`` and ``WATCHDOG_WEB_PORT_80_TCP...``.
    """
    padded = f"_{rest}"
    return (
        "_SERVICE_HOST" in padded
        or "_SERVICE_PORT" in padded
        or padded.endswith("_PORT")
        or "_PORT_" in padded
    )


def _meant(name: str, known: Collection[str], prefix: str = "") -> str:
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def _from_file(setting: Setting, value: object, place: str) -> Any:
    kind = setting.kind
    if isinstance(value, list) and kind.lists:
        texts = [_text(kind, item) for item in value]
        written = ",".join(text for text, _ in texts)
        wrong = next((reason for _, reason in texts if reason), "")
    else:
        written, wrong = _text(kind, value)
    if wrong and setting.secret:
        wrong = f"the value is not usable (it is secret and not shown); write {_toml_example(kind)}"
    if wrong:
        raise SettingsError(setting.key, place, wrong, Layer.FILE)
    return _parsed(setting, written, place, Layer.FILE)


def _text(kind: Kind, value: object) -> tuple[str, str]:
    """Write a value from a file as a person would type it, and say what is wrong with its type."""
    if isinstance(value, str):
        return value, "" if value else f"it is empty; write {_toml_example(kind)}, or leave the line out"
    if isinstance(value, bool):
        word = "true" if value else "false"
        return word, "" if kind.is_flag else f"{word} is only for switches; write {_toml_example(kind)}"
    if isinstance(value, int | float):
        return _number_text(kind, value)
    names: dict[type, str] = {list: "a list", dict: "a table"}
    return "", f"it is {names.get(type(value), 'a date or time')}; write {_toml_example(kind)}"


def _number_text(kind: Kind, value: float) -> tuple[str, str]:
    """Write a number from a file as text, and say what is wrong with it."""
    if isinstance(value, float) and (value - value) != 0:
        return "", f"{value} is not a number; write {_toml_example(kind)}"
    if abs(value) > 1e15:
        return "", f"the number is beyond all measure; write {_toml_example(kind)}"
    if not kind.numbers:
        right = _toml_example(kind) if kind.is_flag or kind.choices else f'"{value}", in quotes'
        return "", f"{value} is a number; write {right}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value)), ""
    text = str(value)
    return (f"{value:.9f}" if "e-" in text else text), ""


def _toml_example(kind: Kind) -> str:
    return "true or false" if kind.is_flag else f'"{kind.example or "a text"}"'


def _parsed(setting: Setting, written: str, origin: str, layer: Layer) -> Any:
    try:
        return setting.kind.parse(written)
    except ValueError as error:
        # The reason quotes what was written, which must not be seen when it is a secret.
        reason = "the value is not usable (it is secret and not shown)" if setting.secret else str(error)
        raise SettingsError(setting.key, origin, reason, layer) from None
