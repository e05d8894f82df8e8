"""What each kind of value accepts, how it is shown, and what it says to the rest."""

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog_kit import kinds


class Colour(StrEnum):
    """Words of a program."""

    RED = "red"
    DEEP_BLUE = "deep-blue"


ALL = (
    kinds.duration(),
    kinds.duration(zero=True, off=True),
    kinds.size(least=10),
    kinds.size(off=True),
    kinds.whole(unlimited=True),
    kinds.whole(least=1, most=9),
    kinds.number(),
    kinds.text(),
    kinds.text(off=True),
    kinds.path(example="x"),
    kinds.choice(Colour),
    kinds.flag(),
)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.duration(), "2m", 120.0),
        (kinds.duration(), "10ms", 0.01),
        (kinds.duration(zero=True), "0", 0.0),
        (kinds.duration(off=True), "off", None),
        (kinds.size(), "10MB", 10_000_000),
        (kinds.size(off=True), "off", None),
        (kinds.whole(), "0", 0),
        (kinds.whole(), "1000000", 1_000_000),
        (kinds.whole(unlimited=True), "unlimited", None),
        (kinds.number(), "2.5", 2.5),
        (kinds.text(), "off", "off"),
        (kinds.text(off=True), "off", None),
        (kinds.text(), " a b ", " a b "),
        (kinds.path(example="x"), "a~/b", "a~/b"),
        (kinds.choice(Colour), "deep-blue", Colour.DEEP_BLUE),
        (kinds.flag(), "Yes", True),
        (kinds.flag(), "0", False),
    ],
)
def test_right_values_are_read(kind, text, value):
    """Each kind reads what it is meant for."""
    read = kind.parse(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (kinds.duration(), "0", "too short; write at least 10ms$"),
        (kinds.duration(), "9ms", "too short"),
        (kinds.duration(zero=True), "1ms", "at least 10ms or 0$"),
        (kinds.duration(zero=True, off=True), "1ms", "at least 10ms, 0 or off$"),
        (kinds.duration(), "off", "not a quantity"),
        (kinds.duration(off=True), "never", "1h30m, or off$"),
        (kinds.size(least=1000), "999", "too small; write at least 1kB$"),
        (kinds.size(off=True), "no", "or off$"),
        (kinds.whole(), "-1", "whole number from 0 to 1000000$"),
        (kinds.whole(), "1e12", "not allowed"),
        (kinds.whole(), "1000000000000", "not allowed"),
        (kinds.whole(unlimited=True), "abc", "or unlimited$"),
        (kinds.whole(), "٣", "not allowed"),
        (kinds.whole(), "²", "not allowed"),
        (kinds.whole(), "9" * 1_000_000, "not allowed"),
        (kinds.whole(), "", "not allowed"),
        (kinds.number(most=10), "11", "from 0 to 10"),
        (kinds.number(), "nan", "not allowed"),
        (kinds.number(), ".", "not allowed"),
        (kinds.text(), "", "is empty"),
        (kinds.text(example="lastCycle"), " ", "something like lastCycle"),
        (kinds.text(), "a\nb", "control character"),
        (kinds.text(), "x" * 5000, "at most 4096"),
        (kinds.path(example="x"), "~/logs", "only a shell expands"),
        (kinds.path(example="x"), "a\0b", "control character"),
        (kinds.choice(Colour), "green", "write red or deep-blue$"),
        (kinds.choice(Colour), "RED", "not known"),
        (kinds.flag(), "maybe", "neither yes nor no"),
    ],
)
def test_wrong_values_are_refused_with_the_right_form(kind, text, reason):
    """Each kind says what is wrong and what to write instead, in one short line."""
    with pytest.raises(ValueError, match=reason) as caught:
        kind.parse(text)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ALL)
@given(text=st.text())
def test_what_is_shown_is_read_again(kind, text):
    """Whatever a kind accepts it shows in a form that it accepts with the same meaning."""
    try:
        value = kind.parse(text)
    except ValueError:
        value = kind.parse(kind.example or "text")
    shown = kind.none if value is None else kind.show(value)
    assert kind.parse(shown) == value
