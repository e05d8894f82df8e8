"""The file that users already have: it loads as it is, and is saved in the same shape."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker import token_file
from tracker.address import fault, is_address
from tracker.model import HISTORY, MAX_POINTS, Token, as_price, new_token, write_number
from tracker.token_file import DamagedError, decode, encode, encode_token

MINT = "So11111111111111111111111111111111111111112"
OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"

OLD_FILE = """{
  "So11111111111111111111111111111111111111112": {
    "token": "So11111111111111111111111111111111111111112",
    "name": "سولانا 🚀",
    "symbol": "SOL",
    "startTime": "2025-08-15T21:24:58.686Z",
    "firstPrice": 0.000003977,
    "lastPrice": 0.00001095,
    "maxIncrease": 0.502891626854408,
    "reached50": false,
    "stopped": false,
    "rugcheckStatus": "GOOD",
    "lowLiquidity": false,
    "solValue": 12,
    "previousHighPrice": null,
    "rapidRiseAchieved": false,
    "priceRiseHistory": [],
    "highestPrice": 0.000003997,
    "maxRisePercentage": 0.502891626854408,
    "priceHistoryEvery20s": [
      {
        "price": 0.000003997,
        "changePercent": 0,
        "timestamp": "2025-08-15T21:31:32.359Z"
      },
      {
        "price": 1.5e-7,
        "changePercent": -1.0348905972797093,
        "timestamp": "2025-08-15T21:31:53.087Z"
      }
    ],
    "lastPriceUpdate20s": "2025-08-16T13:19:42.860Z",
    "lastSave": 1755350359626,
    "ofSomebodyElse": {
      "deep": [
        1,
        {
          "x": "y"
        }
      ]
    }
  }
}"""


def written(tokens: dict[str, Token]) -> bytes:
    return encode((address, encode_token(token)) for address, token in tokens.items())


def test_users_file_comes_back_byte_for_byte() -> None:
    """A file as the old tracker wrote it is saved again without one changed byte, unknown fields included."""
    loaded = decode(OLD_FILE.encode())
    assert not loaded.bad
    assert written(loaded.tokens).decode() == OLD_FILE


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_other_layouts_keep_every_value(indent: int | None) -> None:
    """A file in another layout, with a byte order mark or Windows line ends, loses no value."""
    values = json.loads(OLD_FILE)
    text = "\ufeff" + json.dumps(values, indent=indent, ensure_ascii=indent == 1).replace("\n", "\r\n")
    again = written(decode(text.encode()).tokens)
    assert json.loads(again) == values
    assert again.decode() == OLD_FILE


@pytest.mark.parametrize(
    "price", ["Price could not be fetched", "", None, -1, 0, True, "NaN", "1e999", [], {}]
)
def test_what_is_no_price_is_no_price_yet(price: object) -> None:
    """A sentence, null, a negative number or a flag in the place of a price means that there is none yet."""
    data = json.dumps({MINT: {"token": MINT, "firstPrice": price, "lastPrice": price, "keep": 1}}).encode()
    token = decode(data).tokens[MINT]
    assert token.number("firstPrice") is None
    assert json.loads(written({MINT: token})) == {
        MINT: {"token": MINT, "firstPrice": None, "lastPrice": None, "keep": 1}
    }


def test_price_as_text_is_a_price() -> None:
    """A price that is written as text counts as the number that it says."""
    assert as_price("0.00005638") == 0.00005638
    assert decode(b'{"%s": {"lastPrice": "0.5"}}' % MINT.encode()).tokens[MINT].number("lastPrice") == 0.5


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_not_finite_numbers_become_null(word: str) -> None:
    """What JSON does not know never gets into a saved file, wherever it stood."""
    text = f'{{"{MINT}": {{"token": "{MINT}", "maxIncrease": {word}, "mine": [{word}, {{"a": {word}}}]}}}}'
    out = written(decode(text.encode()).tokens)
    read = json.loads(out, parse_constant=pytest.fail)
    assert read[MINT] == {"token": MINT, "maxIncrease": None, "mine": [None, {"a": None}]}


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e400", "1E+400", "-1e999"])
@pytest.mark.parametrize("name", ["plain", "\u062d\u0648\u062a"])
def test_not_finite_numbers_in_a_history_as_we_write_it_become_null(word: str, name: str) -> None:
    """The bytes of a history are taken as they stand only where they are JSON."""
    point = (
        f'      {{\n        "price": {word},\n        "changePercent": 1,\n        "timestamp": "t"\n      }}'
    )
    head = f'{{\n  "{MINT}": {{\n    "token": "{MINT}",\n    "name": "{name}"'
    text = f'{head},\n    "{HISTORY}": [\n{point}\n    ]\n  }}\n}}'
    loaded = decode(text.encode())
    read = json.loads(written(loaded.tokens), parse_constant=pytest.fail, parse_float=_finite)
    assert read[MINT][HISTORY] == [{"price": None, "changePercent": 1, "timestamp": "t"}]
    assert read[MINT]["name"] == name
    assert loaded.nulled == ([] if "e" in word.lower() else [MINT])


def _finite(text: str) -> float:
    assert math.isfinite(float(text)), text
    return float(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  \n",
        b"\0" * 4096,
        OLD_FILE.encode()[:-1],
        OLD_FILE.encode()[:700],
        b"[]",
        b'"text"',
        b"null",
        b"<html>502</html>",
        b'{"a": 1}',
        b'{"version": 1, "tokens": {}}',
        b"{} {}",
        b'{"a" 1}',
        b"{,}",
        b'{"a": {}',
        b'{"x": ' + b"[" * 200_000,
        b'{"x": ' + b"9" * 5000 + b"}",
        b'{"\xff\xfe": {"token": "\xff"}}',
    ],
)
def test_damage_is_called_damage(data: bytes) -> None:
    """What is no list of tokens is refused with a reason, never half taken."""
    with pytest.raises(DamagedError) as caught:
        decode(data)
    assert 5 < len(str(caught.value)) < 300


def test_every_cut_of_a_file_is_damage() -> None:
    """A file that was cut off at any byte is recognised as damaged."""
    data = OLD_FILE.encode()
    for length in range(len(data)):
        with pytest.raises(DamagedError):
            decode(data[:length])


def test_one_bad_token_leaves_the_others() -> None:
    """An entry that is no token is named with its reason, and the good ones are all there."""
    loaded = decode(json.dumps({"bad": 7, MINT: {"token": MINT}, "worse": {"a": 1}, OTHER: {}}).encode())
    assert set(loaded.tokens) == {MINT, OTHER}
    assert set(loaded.bad) == {"bad", "worse"}
    assert loaded.bad_values["worse"] == {"a": 1}


def test_an_empty_list_is_no_damage() -> None:
    """No tokens at all is a valid file."""
    assert decode(b" {} \n").tokens == {}
    assert written({}) == b"{}"


def test_half_a_surrogate_pair_survives() -> None:
    """A name with half an emoji, legal in JSON as an escape, is saved as it was."""
    text = f'{{"{MINT}": {{"token": "{MINT}", "name": "a\\ud800", "x": ["\\udfff"]}}}}'
    out = written(decode(text.encode()).tokens)
    assert json.loads(out) == json.loads(text)


def test_history_keeps_the_last_fifty() -> None:
    """The 51st point pushes out the first; the change is that since the point before."""
    token = new_token(MINT, "2026-01-01T00:00:00.000Z")
    for number in range(1, 62):
        token = token.with_point(number, f"2026-01-01T00:00:{number:02d}.000Z", float(number))
    points = json.loads(written({MINT: token}))[MINT]["priceHistoryEvery20s"]
    assert [p["price"] for p in points] == list(range(12, 62))
    assert points[0]["changePercent"] == pytest.approx((12 / 11 - 1) * 100)
    assert len(points) == token.points == MAX_POINTS


def test_points_with_other_fields_survive() -> None:
    """Points of another shape are kept, and more can be added behind them."""
    points = [{"price": 1, "by": "hand {\n      }", "n": {"m": [1]}}, {"price": 2, "timestamp": None}]
    data = json.dumps({MINT: {"token": MINT, "priceHistoryEvery20s": [*points, 5, {}]}}, indent=2).encode()
    token = decode(data).tokens[MINT].with_point(3, "2026-01-01T00:00:00.000Z", 0.0)
    got = json.loads(written({MINT: token}))[MINT]["priceHistoryEvery20s"]
    assert got == [*points, {"price": 3, "changePercent": 50, "timestamp": "2026-01-01T00:00:00.000Z"}]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
POINTS = st.lists(st.dictionaries(st.text(min_size=1), JSON, min_size=1, max_size=4), max_size=60)


@settings(max_examples=120, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=8), POINTS, st.sampled_from([None, 2, 3]))
def test_any_foreign_fields_round_trip(fields: dict[str, object], points: list[object], indent: int) -> None:
    """Whatever else stands in a token comes back with the same value, in the same order."""
    for name in ("firstPrice", "lastPrice", "highestPrice", "maxIncrease", "maxRisePercentage"):
        fields.pop(name, None)
    for name in ("pairAddress", "seriesFactor", "pairFactor", "token", "priceHistoryEvery20s"):
        fields.pop(name, None)
    value = {"token": MINT, **fields, "priceHistoryEvery20s": points, "z": 1}
    data = json.dumps({MINT: value}, indent=indent, ensure_ascii=indent == 3).encode(errors="replace")
    value = json.loads(data)[MINT]
    out = written(decode(data).tokens)
    assert (
        list(json.loads(out)[MINT].items())
        == list((value | {"priceHistoryEvery20s": value["priceHistoryEvery20s"][-MAX_POINTS:]}).items())
        or len(points) > MAX_POINTS
    )
    assert written(decode(out).tokens) == out


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_numbers_keep_their_value(number: float) -> None:
    """A number is written without an exponent where people meet it, and means exactly the same."""
    text = write_number(number)
    again = json.loads(text)
    assert again == number
    assert math.copysign(1, again) == math.copysign(1, number) or number == 0
    if 1e-6 <= abs(number) < 1e15:
        assert "e" not in text


def test_addresses_are_checked() -> None:
    """Only base58 text of 32 bytes can be a mint, and the reason says what is wrong."""
    assert is_address(MINT)
    assert is_address(OTHER)
    assert "characters" in str(fault("abc"))
    assert "0" in str(fault(MINT[:-1] + "0"))
    assert "bytes" in str(fault("z" * 44))
    assert fault("1" * 32) is None
    assert fault("1" * 33) is not None
    assert fault("") is not None


def test_large_file_stays_small_in_memory() -> None:
    """The history of a token is held in its written form, not as objects."""
    token = decode(OLD_FILE.encode()).tokens[MINT]
    assert isinstance(token.history, bytes)
    assert token.points == 2
    assert token.last_point == 1.5e-7
    assert token_file.encode_token(token).count(b'"price"') == 2
