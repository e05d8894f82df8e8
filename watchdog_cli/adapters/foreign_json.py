"""JSON that somebody else wrote: whatever its bytes, it becomes a value that can be passed on, or a ValueError."""

import json
from collections.abc import Callable
from math import isinf
from typing import Any

DEEPEST = 50  # chosen: far above what people write, far below what copying and writing again can bear


def parse(content: bytes | str, *, lenient: bool = False) -> Any:
    """The value that the text stands for.

    Args:
        lenient: numbers that JSON cannot write again (NaN, 1e999) become text instead of an error.
    Raises:
        ValueError: it is no JSON, or nested too deeply, or holds a number that is none.
    """
    other: Callable[[str], Any] = str if lenient else _refuse

    def parse_float(text: str) -> Any:
        value = float(text)
        return other(text) if isinf(value) else value

    try:
        found = json.loads(content, parse_constant=other, parse_float=parse_float)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _is_deep(found):
        raise ValueError("it is nested too deeply")
    return found


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _parts(outer)]
        if not level:
            return False
    return True


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no number")
