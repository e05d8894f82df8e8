"""Durations and sizes as people write and read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog_kit.quantities import (
    exact_duration,
    exact_size,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("0s", 0.0),
        ("100ms", 0.1),
        ("300ms", 0.3),
        ("5s", 5.0),
        ("2m", 120.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("1m30.5s", 90.5),
        ("1d", 86_400.0),
        ("1d1h1m1s1ms", 90_061.001),
        ("365d", 31_536_000.0),
        ("007s", 7.0),
    ],
)
def test_durations_are_read_as_written(text, seconds):
    """Each documented way of writing a duration gives exactly its seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("5 s", "a space"),
        (" 5s", "a space"),
        ("5s\n", "a space"),
        ("-5s", "negative"),
        ("+5s", "not a quantity"),
        ("nan", "not a quantity"),
        ("inf", "not a quantity"),
        ("soon", "not a quantity"),
        ("٥s", "not a quantity"),
        (".5s", "not a quantity"),
        ("5.s", "not a quantity"),
        ("1..5s", "not a quantity"),
        ("9" * 100_000, "not a quantity"),
        ("1e3", "unknown unit 'e'"),
        ("5S", "unknown unit 'S'"),
        ("5min", "unknown unit 'min'"),
        ("1_000s", "unknown unit '_'"),
        ("5٥s", "unknown unit"),
        ("1h30", "without a unit"),
        ("30m1h", "out of order"),
        ("1m1m", "out of order"),
        ("1.5h30m", "fraction before"),
        ("366d", "longer than a year"),
        ("31536001", "longer than a year"),
    ],
)
def test_wrong_durations_say_what_is_wrong(text, reason):
    """What is no duration is refused with a short reason."""
    with pytest.raises(ValueError, match=reason) as caught:
        parse_duration(text)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "<1ms"),
        (0.25, "250ms"),
        (0.999, "999ms"),
        (1, "1s"),
        (1.29, "1.2s"),
        (9.99, "9.9s"),
        (59.9, "59s"),
        (60, "1m"),
        (90, "1m 30s"),
        (119.9, "1m 59s"),
        (3600, "1h"),
        (3605, "1h"),
        (7500, "2h 5m"),
        (90_000, "1d 1h"),
        (1e9, "11574d 1h"),
        (-5, "-5s"),
        (math.nan, "unknown"),
        (math.inf, "unknown"),
    ],
)
def test_durations_are_said_in_two_units_at_most(seconds, text):
    """People read the two largest units, never more than the time that really passed."""
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=31_536_000_000))
def test_exact_durations_are_read_back(milliseconds):
    """A duration that is written out is read as the same one."""
    seconds = milliseconds / 1000
    assert parse_duration(exact_duration(seconds)) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1234", 1234),
        ("512B", 512),
        ("500kB", 500_000),
        ("10MB", 10_000_000),
        ("10mb", 10_000_000),
        ("1.5GB", 1_500_000_000),
        ("1GiB", 1_073_741_824),
        ("0.5KiB", 512),
        ("1.1KiB", 1126),
        ("2TB", 2_000_000_000_000),
    ],
)
def test_sizes_are_read_as_written(text, size):
    """Each documented way of writing a size gives exactly its bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("-1", "negative"),
        ("10 MB", "a space"),
        ("10M", "write 10MB .* or 10MiB"),
        ("5k", "not clear"),
        ("5XB", "unknown unit 'XB'"),
        ("1MB2", "more than one number"),
        ("0.5", "whole number of bytes"),
        ("9999TB", "more than 1024TiB"),
        ("big", "not a quantity"),
        ("1e6", "unknown unit 'e'|more than one"),
    ],
)
def test_wrong_sizes_say_what_is_wrong(text, reason):
    """What is no size is refused with a reason; a unit that means two things is not guessed."""
    with pytest.raises(ValueError, match=reason):
        parse_size(text)


@given(st.integers(min_value=0, max_value=1024**5))
def test_exact_sizes_are_read_back(size):
    """A size that is written out is read as the same one."""
    assert parse_size(exact_size(size)) == size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (999_949, "999.9kB"),
        (999_950, "1MB"),
        (10_000_000, "10MB"),
        (1_550_000_000, "1.6GB"),
        (5e15, "5000TB"),
        (-2000, "-2kB"),
    ],
)
def test_sizes_are_said_with_one_digit(size, text):
    """People read at most one digit behind the point, and never 1000 of a unit that has a larger one."""
    assert format_size(size) == text


@given(st.text())
def test_any_text_gives_a_value_or_one_short_line(text):
    """Garbage of any kind is a quantity or a reason of one line, never another error."""
    for parse in (parse_duration, parse_size):
        try:
            outcome = str(parse(text))
        except ValueError as error:
            outcome = str(error)
        assert outcome.isprintable()
        assert len(outcome) < 300
