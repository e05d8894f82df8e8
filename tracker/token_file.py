"""The text of ``tracked_tokens.json``: one object, an address for each token, two spaces deep.

Reading goes token by token over the text of the whole file, so that 10,000 tokens with full history never
exist as half a million Python objects. The text is taken as Latin-1, where one byte is one character: as
real Unicode, one emoji in one name would make the text of the whole file four times as large.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from tracker.model import (
    HISTORY,
    MAX_POINTS,
    POINT_JOINT,
    NotAToken,
    Number,
    Token,
    as_number,
    parse_token,
    write_number,
    write_point,
)
from watchdog_kit.records import dataclass

FILE_LIMIT = 512 * 1024 * 1024  # ten times 10,000 tokens with full history; more would only eat the memory
_BLANK = " \t\r\n"
_POINT_START = "\n      {"
_LIST_START = f'"{HISTORY}": ['
_LIST_END = "\n    ]"
_BEYOND = re.compile(r"\d[eE]\+?\d{3}")  # 1e400: a number by its looks, and no number of ours
_OWN_LIST = f'\n    "{HISTORY}": [\n'.encode()
_OWN_EMPTY = f'\n    "{HISTORY}": []'.encode()
_FIRST_POINT_NAMES = {"price", "changePercent", "timestamp"}


class DamagedError(ValueError):
    """The text is no list of tokens. The message says why, in a few words."""


@dataclass(slots=True)
class Loaded:
    """What a file holds: its tokens, and for those that cannot be read, why and what stood there.

    ``nulled`` names the tokens in which something stood that is no JSON (NaN, Infinity): it became null.
    """

    tokens: dict[str, Token] = field(default_factory=dict)
    nulled: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    bad_values: dict[str, Any] = field(default_factory=dict)


def decode(data: bytes) -> Loaded:
    """Read the bytes of a file.

    Raises:
        DamagedError: it is not JSON, not an object, or it holds something but not one valid token.
    """
    text = data.decode("latin-1").removeprefix("\xef\xbb\xbf")
    del data  # nobody may need it any more, and it may be large
    try:
        loaded = _decode(text)
    except RecursionError:
        raise DamagedError("it is nested too deep") from None
    except UnicodeDecodeError:
        raise DamagedError("it is not UTF-8") from None
    except ValueError as error:
        raise DamagedError(_reason(text, error)) from None
    if loaded.bad and not loaded.tokens:
        name, reason = next(iter(loaded.bad.items()))
        raise DamagedError(f"no valid token in it; {name[:50]!r}: {reason}")
    return loaded


def _reason(text: str, error: ValueError) -> str:
    if not text.strip(_BLANK + "\0"):
        return "it holds only NUL bytes" if "\0" in text else "it is empty"
    return str(error) if isinstance(error, DamagedError) else f"it is not JSON: {error}"


def _decode(text: str) -> Loaded:
    foreign: list[str] = []  # what the present token has of NaN and the like; they are read as null
    scan = json.JSONDecoder(parse_constant=foreign.append).raw_decode
    loaded = Loaded()
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        scan(text, at)  # no JSON at all says so itself
        raise DamagedError("it is not an object")
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return _nothing_after(text, at + 1, loaded)
    while True:
        if text[at : at + 1] != '"':
            raise DamagedError(f"it is not JSON: no name at byte {at}")
        name, end = scan(text, at)
        name = _utf8(name, text, at, end)
        at = _skip(text, end)
        if text[at : at + 1] != ":":
            raise DamagedError(f"it is not JSON: no colon at byte {at}")
        start = _skip(text, at + 1)
        value, end = scan(text, start)
        piece = text[start:end]
        if not piece.isascii():
            value = json.loads(piece.encode("latin-1").decode(), parse_constant=foreign.append)
        _take(loaded, name, value, "" if foreign else piece)
        if foreign:
            loaded.nulled.append(name)
            foreign.clear()
        at = _skip(text, end)
        mark = text[at : at + 1]
        if mark == "}":
            return _nothing_after(text, at + 1, loaded)
        if mark != ",":
            raise DamagedError(f"it is not JSON: cut off or broken at byte {at}")
        at = _skip(text, at + 1)


def _utf8(name: str, text: str, start: int, end: int) -> str:
    if text[start:end].isascii():
        return name
    return str(json.loads(text[start:end].encode("latin-1").decode()))


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _nothing_after(text: str, at: int, loaded: Loaded) -> Loaded:
    if _skip(text, at) < len(text):
        raise DamagedError(f"something stands after its end, at byte {at}")
    return loaded


def _take(loaded: Loaded, name: str, value: Any, piece: str) -> None:
    try:
        token = parse_token(name, value)
    except NotAToken as error:
        loaded.bad[name], loaded.bad_values[name] = str(error), value
        return
    points = value.get(HISTORY)
    if isinstance(points, list) and points:
        token = _with_history(token, [p for p in points if isinstance(p, dict) and p], points, piece)
    loaded.tokens[name] = token
    loaded.bad.pop(name, None)  # of two entries with one name the last one counts, as everywhere in JSON
    loaded.bad_values.pop(name, None)


def _with_history(token: Token, usable: list[dict[str, Any]], points: list[Any], piece: str) -> Token:
    """Put in the points: the bytes of the file where they stand as we write them, else written anew."""
    if not usable:
        return token
    usable = usable[-MAX_POINTS:]
    history: bytes | None = None
    start = piece.rfind(_LIST_START)
    if len(usable) == len(points) and start >= 0:
        end = piece.find(_LIST_END, start)
        text = piece[start + len(_LIST_START) + 1 : end]
        whole = end > 0 and piece.startswith(_POINT_START, start + len(_LIST_START))
        if (
            whole
            and "\r" not in text
            and not _BEYOND.search(text)
            and (text.count(_POINT_START) + 1) == len(usable)
        ):
            history = text.encode("latin-1")
    if history is None:
        history = POINT_JOINT.join(_encode_point(point) for point in usable)
    last = as_number(usable[-1].get("price"))
    return replace(token, history=history, points=len(usable), last_point=last)


def with_history(token: Token, points: list[Any]) -> Token:
    """Put points into a token that comes from elsewhere than a file's text."""
    return _with_history(token, [p for p in points if isinstance(p, dict) and p], points, "")


def _encode_point(point: Mapping[str, Any]) -> bytes:
    price, change, at = point.get("price"), point.get("changePercent"), point.get("timestamp")
    plain = as_number(price) is not None and as_number(change) is not None and isinstance(at, str)
    if plain and point.keys() == _FIRST_POINT_NAMES and str(at).isascii():
        return write_point(_number(price), _number(change), str(at))
    return ("      " + _nested(point, "      ")).encode()


def _number(value: object) -> Number:
    assert isinstance(value, int | float)
    return value


def _nested(value: Any, indent: str) -> str:
    """Write an object or a list as it stands at a certain depth; what JSON cannot hold becomes null."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: legal in JSON as an escape only
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError:
        text = json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None), indent=2)
    return text.replace("\n", "\n" + indent)


def _written(value: Any) -> str:
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int | float):
        if as_number(value) is None and isinstance(value, float):
            raise ValueError(f"{value!r} is not a number that JSON can hold")
        return write_number(value)
    if value == []:
        return "[]"
    if isinstance(value, dict | list):
        return _nested(value, "    ")
    raise ValueError(f"JSON cannot hold {type(value).__name__}")


def _quoted(text: str) -> str:
    quoted = encode_basestring(text)
    try:
        quoted.encode()
    except UnicodeEncodeError:
        return encode_basestring_ascii(text)
    return quoted


def encode_token(token: Token) -> bytes:
    """Write one token, as it stands in the file after its address.

    Raises:
        ValueError: a field holds what JSON cannot hold; no other token is concerned.
    """
    head: list[str] = []
    parts: list[bytes] = []
    for name, value in token.fields.items():
        if name == HISTORY:
            if token.points:
                head.append(f"    {encode_basestring(name)}: [\n")
                parts += [",\n".join(head).encode(), token.history]
                head = []
                parts.append(b"\n    ]")
            else:
                head.append(f"    {encode_basestring(name)}: []")
        else:
            head.append(f"    {_quoted(name)}: {_written(value)}")
    if not parts:
        return ("{\n" + ",\n".join(head) + "\n  }").encode()
    after = (",\n" + ",\n".join(head)).encode() if head else b""
    return b"".join((b"{\n", *parts, after, b"\n  }"))


def encode(pieces: Iterable[tuple[str, bytes]]) -> bytearray:
    """Put written tokens together to the bytes of a file."""
    data = bytearray(b"{")
    for name, piece in pieces:
        data += b"\n  " if len(data) == 1 else b",\n  "
        data += _quoted(name).encode()
        data += b": "
        data += piece
    data += b"}" if len(data) == 1 else b"\n}"
    return data


def decode_own(data: bytes) -> dict[str, Token]:
    """Read bytes that ``encode`` made and that surely did not change since, several times as fast.

    The points of history are taken as they stand, for they were checked when they came in.

    Raises:
        ValueError: it is not quite what ``encode`` makes; ``decode`` then says what it is.
    """
    tokens: dict[str, Token] = {}
    if data == b"{}":
        return tokens
    at = len(b"{\n  ")
    while True:
        colon = data.index(b": {\n", at)
        end = data.index(b"\n  }", colon)
        name = str(json.loads(data[at:colon]))
        start, history = data.find(_OWN_LIST, colon, end), b""
        if start >= 0:
            close = data.index(b"\n    ]", start, end)
            history = data[start + len(_OWN_LIST) : close]
            head = data[colon + 2 : start] + _OWN_EMPTY + data[close + 6 : end + 4]
        else:
            head = data[colon + 2 : end + 4]
        token = parse_token(name, json.loads(head))
        if history:
            last = json.loads(history[history.rfind(b"\n      },\n") + 1 :].removeprefix(b"      },\n"))
            points = history.count(b"\n      },\n") + 1
            token = replace(token, history=history, points=points, last_point=as_number(last.get("price")))
        tokens[name] = token
        if data[end + 4 : end + 8] != b",\n  ":
            if data[end + 4 :] != b"\n}":
                raise ValueError("something else stands behind a token")
            return tokens
        at = end + 8
