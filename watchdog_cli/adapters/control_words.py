"""What is said on the way between a command and a watchdog, whatever carries it: a line of JSON each way.

``docs/formats.md`` has the lines.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping

from watchdog_cli.adapters import foreign_json

VERSION = 1
REQUEST_LIMIT = 4096
ANSWER_LIMIT = 16 << 20  # an answer repeats the whole command line, which may have 2 MiB
MOST_CLIENTS = 32
NOT_UNDERSTOOD = {"ok": False, "error": "not understood"}
Answer = Mapping[str, object]


class NoAnswerError(Exception):
    """Nobody listens, or whoever listens does not answer in time."""


def line_of(words: Answer) -> bytes:
    """One line, as it is sent."""
    return json.dumps({"v": VERSION, **words}, default=str).encode() + b"\n"


def read_request(line: bytes) -> tuple[str, Answer] | None:
    """What is asked, and all that was said with it; None when it cannot be understood."""
    try:
        request = foreign_json.parse(line)
        return str(request["ask"]), request
    except (ValueError, TypeError, KeyError):
        return None


def read_answers(
    receive: Callable[[float | None], bytes], limit_s: float | None
) -> Iterator[dict[str, object]]:
    """Yield each line of an answer as it comes.

    Args:
        receive: waits until the given instant (monotonic seconds; None: for ever) for more; nothing at the end.
        limit_s: how long one line may take; None waits for ever.

    Raises:
        NoAnswerError: it is too long, or not what a watchdog says.
    """
    received = b""
    end = None if limit_s is None else time.monotonic() + limit_s
    while True:
        line, newline, rest = received.partition(b"\n")
        if newline:
            received = rest
            try:
                answer = foreign_json.parse(line, lenient=True)
            except ValueError as error:
                raise NoAnswerError(str(error)) from error
            if isinstance(answer, dict):
                yield answer
            end = None if limit_s is None else time.monotonic() + limit_s
            continue
        part = receive(end)
        if not part:
            return
        received += part
        if len(received) > ANSWER_LIMIT:
            raise NoAnswerError("the answer is too long")
