"""Foreign JSON becomes a harmless value or one kind of error."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog_cli.adapters.foreign_json import DEEPEST, parse

HARMLESS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 80), 1 << 80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(HARMLESS)
def test_ordinary_values_arrive_unchanged(value: object) -> None:
    """What was written by any JSON writer is read as it was."""
    assert parse(json.dumps(value)) == value
    assert (
        parse(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), lenient=True) == value
    )


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_a_value_or_a_value_error(content: bytes, lenient: bool) -> None:
    """No other error comes out, and a value that comes out can be written again by a strict writer."""
    try:
        found = parse(content, lenient=lenient)
    except ValueError:
        return
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [DEEPEST + 1, 300, 900, 5000, 60_000])
def test_deep_nesting_is_refused(opening: str, depth: int) -> None:
    """Neither reading nor passing on can be made to run out of stack."""
    closing = "]" if opening == "[" else "}"
    for text in (opening * depth, opening * depth + "1" + closing * depth):
        with pytest.raises(ValueError, match=r".+"):
            parse(text)


def test_reasonable_nesting_is_fine() -> None:
    """A document as deep as people write them is read."""
    assert parse("[" * 30 + "]" * 30) is not None


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none(text: str) -> None:
    """They are refused, or become text where that is allowed."""
    with pytest.raises(ValueError, match="is no number"):
        parse(f'{{"a": {text}}}')
    assert parse(f'{{"a": {text}}}', lenient=True) == {"a": text}


def test_endless_digits() -> None:
    """An integer of thousands of digits is refused, not computed."""
    with pytest.raises(ValueError, match=r".+"):
        parse("9" * 100_000, lenient=True)
    assert math.isfinite(parse("1" * 300 + ".5"))
