"""Samples of the running program, read back from their file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from watchdog_cli.core.samples import NEVER

_HEAD_FIELDS = 4
_LINE_FIELDS = 4
_HIGHEST = 1 << 52  # whatever is larger is no measurement


@dataclass(slots=True)
class Block:
    """Samples of one run in their order.

    Args:
        up: seconds since boot, sleep included, at the head.
        wall: unix seconds at the head; what the clock showed, right or wrong.
        life: tag of the watchdog that measured.
        run: number of the run.
        steps: seconds of each sample since the one before it; the first since the head.
        rss: resident memory of the whole tree in KiB.
        cpu: hundredths of a second of CPU time used since the sample before.
        silent: seconds since the last sign of life; NEVER before the first.
    """

    up: int
    wall: int
    life: int
    run: int
    steps: list[int] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    cpu: list[int] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)


def parse(content: bytes) -> Iterator[Block]:
    """Yield the blocks of a file, or of several joined oldest first; what is damaged is left out."""
    for part in content.split(b"A")[1:]:  # what stands before the first head cannot be placed
        block = _block(part)
        if block is not None and block.steps:
            yield block


def _block(part: bytes) -> Block | None:
    head, _, body = part.partition(b"\n")
    places = _numbers(head)
    if len(places) != _HEAD_FIELDS or min(places) < 0:
        return None
    up, wall, life, run = places
    found = Block(up, wall, life, run)
    values = _numbers(body) if body.endswith(b"\n") else []
    if len(values) != body.count(b"\n") * _LINE_FIELDS or b"-" in body or max(values, default=0) >= _HIGHEST:
        values = _whole_lines(body)  # more slowly, and looking at each number
    found.steps, found.rss, found.cpu, found.silent = (values[nth::_LINE_FIELDS] for nth in range(4))
    return found


def _numbers(text: bytes) -> list[int]:
    """All numbers of a text; none if it holds anything else."""
    try:
        return list(map(int, text.split()))
    except ValueError:
        return []


def _is_sound(values: Sequence[int]) -> bool:
    return not values or (
        max(values) < _HIGHEST
        and min(values[3::_LINE_FIELDS]) >= NEVER
        and min(min(values[nth::_LINE_FIELDS]) for nth in range(3)) >= 0
    )


def _whole_lines(body: bytes) -> list[int]:
    """The numbers of the lines before the first damaged one: those behind it would be misplaced."""
    kept: list[int] = []
    for line in body.split(b"\n")[:-1]:  # what stands behind the last line end was cut off
        values = _numbers(line)
        if len(values) != _LINE_FIELDS or not _is_sound(values):
            break
        kept += values
    return kept
