"""What a setting's value may look like: how it is read, how it is shown, and what to write instead."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from watchdog_kit.quantities import exact_duration, exact_size, parse_duration, parse_size, quoted

_ON = ("1", "true", "yes", "on")
_OFF = ("0", "false", "no", "off")
_TEXT_LIMIT = 4096


class Kind(NamedTuple):
    """One way of writing values.

    ``parse`` raises ValueError with a reason that quotes the text and says what is right; ``show`` writes a
    value so that ``parse`` reads it again.
    """

    word: str  # stands for the value in a help text: DURATION
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str  # of a value that is not None
    none: str = "not set"  # how None is shown, and written where it may be written
    example: str = ""  # one right value
    unit: str = ""  # of the parsed number, for machines: seconds, bytes
    numbers: bool = False  # a bare number in a file is a value
    lists: bool = False  # a list in a file is a value; its items arrive joined by commas
    is_flag: bool = False
    choices: tuple[str, ...] = ()


def duration(*, least_s: float = 0.01, zero: bool = False, off: bool = False) -> Kind:
    """Seconds as a float.

    Args:
        least_s: the smallest value that makes sense.
        zero: 0 means something and is allowed too.
        off: the word ``off`` is allowed and read as None.
    """

    def parse(text: str) -> float | None:
        if off and text == "off":
            return None
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            if off:
                raise ValueError(f"{error}, or off") from error
            raise
        if seconds < least_s and not (zero and seconds == 0):
            least = f"at least {exact_duration(least_s)}"
            also = [least, *(["0"] if zero else []), *(["off"] if off else [])]
            raise ValueError(f"{quoted(text)} is too short; write {_either(also)}")
        return seconds

    def show(seconds: float) -> str:
        return exact_duration(seconds) if seconds else "0"

    return Kind("DURATION", parse, show, _none(off), example="5s", unit="seconds", numbers=True)


def size(*, least: int = 0, off: bool = False) -> Kind:
    """Bytes as an integer; with ``off`` the word off is read as None."""

    def parse(text: str) -> int | None:
        if off and text == "off":
            return None
        try:
            count = parse_size(text)
        except ValueError as error:
            if off:
                raise ValueError(f"{error}, or off") from error
            raise
        if count < least:
            also = [f"at least {exact_size(least)}", *(["off"] if off else [])]
            raise ValueError(f"{quoted(text)} is too small; write {_either(also)}")
        return count

    return Kind("SIZE", parse, exact_size, _none(off), example="10MB", unit="bytes", numbers=True)


def whole(*, least: int = 0, most: int = 1_000_000, unlimited: bool = False) -> Kind:
    """A whole number; with ``unlimited`` that word is read as None."""
    right = f"write a whole number from {least} to {most}" + (", or unlimited" if unlimited else "")

    def parse(text: str) -> int | None:
        if unlimited and text == "unlimited":
            return None
        # The length is looked at first: turning a million digits into a number takes minutes.
        if len(text) > 18 or not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise ValueError(f"{quoted(text)} is not allowed; {right}")
        return int(text)

    none = "unlimited" if unlimited else "not set"
    return Kind("COUNT", parse, none=none, example=str(max(least, 5)), numbers=True)


def number(*, least: float = 0.0, most: float = 1e15) -> Kind:
    """A number with or without a fraction."""
    right = f"write a number from {least:g} to {most:g}, such as {max(least, 2.5):g}"

    def parse(text: str) -> float:
        plain = text.isascii() and text.replace(".", "", 1).isdigit() and len(text) <= 40
        if not plain or not least <= float(text) <= most:
            raise ValueError(f"{quoted(text)} is not allowed; {right}")
        return float(text)

    return Kind("NUMBER", parse, lambda value: f"{value:.12g}", example=f"{max(least, 2.5):g}", numbers=True)


def text(word: str = "TEXT", *, example: str = "", off: bool = False, numbers: bool = False) -> Kind:
    """Any text in one line that is not empty.

    Args:
        word: what stands for it in the help.
        example: one right value.
        off: the word off is allowed and read as None.
        numbers: a file may hold it as a bare number, such as the id of a chat.
    """

    def parse(written: str) -> str | None:
        if off and written == "off":
            return None
        if not written.strip():
            raise ValueError(f"it is empty; write {_example(example) or 'a text'}")
        if len(written) > _TEXT_LIMIT:
            raise ValueError(f"it has {len(written)} characters; at most {_TEXT_LIMIT} are allowed")
        if any(ord(character) < 32 or ord(character) == 127 for character in written):
            raise ValueError(f"{quoted(written)} has a control character in it; write one line of plain text")
        return written

    return Kind(word, parse, none=_none(off), example=example, numbers=numbers)


def path(word: str = "PATH", *, example: str) -> Kind:
    """A path; nothing in it is expanded."""
    plain = text(word, example=example)

    def parse(written: str) -> str:
        written = plain.parse(written)
        if written.startswith("~"):
            # A shell would have replaced it; here it would silently become a folder of that name.
            raise ValueError(
                f"{quoted(written)} begins with ~, which only a shell expands; write the full path"
            )
        return written

    return Kind(word, parse, example=example)


def choice(values: Iterable[str]) -> Kind:
    """One of some words. Members of a StrEnum are read as such."""
    known = {str(value): value for value in values}
    words = tuple(known)

    def parse(written: str) -> str:
        try:
            return known[written]
        except KeyError:
            raise ValueError(f"{quoted(written)} is not known; write {_either(words)}") from None

    return Kind("|".join(words), parse, example=words[0], choices=words)


def flag() -> Kind:
    """Yes or no."""

    def parse(written: str) -> bool:
        word = written.lower()
        if word not in _ON and word not in _OFF:
            raise ValueError(f"{quoted(written)} is neither yes nor no; write true or false")
        return word in _ON

    return Kind("", parse, lambda value: "yes" if value else "no", example="true", is_flag=True)


def _none(off: bool) -> str:
    return "off" if off else "not set"


def _either(words: Iterable[str]) -> str:
    *before, last = words
    return f"{', '.join(before)} or {last}" if before else last


def _example(example: str) -> str:
    return f"something like {example}" if example else ""
