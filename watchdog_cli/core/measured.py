"""What the samples of a program say: when it was watched, how memory and CPU went, how long it was silent."""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise

from watchdog_cli.core.blocks import Block
from watchdog_cli.core.history import HOLE_S, Stretch
from watchdog_cli.core.samples import CENTI, KIBI, NEVER
from watchdog_cli.core.trend import Growth, Point, growth
from watchdog_kit.records import dataclass

SAME_SILENCE_S = 45.0  # two looks at one silence agree on its beginning up to their own distance
FINE = 3.0  # a bucket of so many blocks is filled by whole blocks, a smaller one sample by sample

Placed = tuple[float, Block]  # when its head was made, on the timeline


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was measured from ``start`` on; None where nothing was.

    Args:
        rss, rss_most: bytes, on average and at most.
        cpu: share of one processor; more than 1 with several.
    """

    start: float
    rss: float | None = None
    rss_most: float | None = None
    cpu: float | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """No sign of life for ``length_s`` from ``start`` on, and then one, or the end."""

    start: float
    length_s: float


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest sample.

    Args:
        rss: bytes.
        cpu: share of one processor over the last minutes; None when the run has just begun.
    """

    at: float
    number: int
    rss: int
    cpu: float | None = None


def place_blocks(blocks: Iterable[Block], place: Callable[[Block], float | None], now: float) -> list[Placed]:
    """Put blocks onto the timeline; those that cannot be placed are left out."""
    found = []
    for block in blocks:
        at = place(block)
        if at is not None and at + sum(block.steps) <= now + HOLE_S:
            found.append((at, block))
    return found


def stretches(placed: Iterable[Placed]) -> list[Stretch]:
    """Join samples that follow each other without a hole."""
    found: list[Stretch] = []
    for at, block in placed:
        for start, end in _whole_parts(at, block.steps):
            last = found[-1] if found else None
            if last and (last.life, last.number) == (block.life, block.run) and _meet(last.end, start):
                found[-1] = last._replace(end=max(last.end, end))
            else:
                found.append(Stretch(block.life, block.run, start, end))
    return found


def _meet(end: float, start: float) -> bool:
    return 0 <= start - end + HOLE_S <= 2 * HOLE_S


def _whole_parts(at: float, steps: Sequence[int]) -> list[tuple[float, float]]:
    if max(steps) <= HOLE_S:  # nearly always
        return [(at, at + sum(steps))]
    parts = [(at, at)]
    for before, after in pairwise(accumulate(steps, initial=at)):
        if after - before > HOLE_S:
            parts.append((after, after))
        else:
            parts[-1] = (parts[-1][0], after)
    return parts


def buckets(placed: Iterable[Placed], start: float, end: float, count: int) -> list[Bucket]:
    """Cut a window into ``count`` equal parts and say what was measured in each."""
    width = (end - start) / count
    sums = [[0.0, 0.0, 0.0, 0.0, 0.0] for _ in range(count)]  # samples, rss, most rss, cpu, its seconds
    for at, block in placed:
        length = sum(block.steps)
        if at + length < start or at >= end:
            continue
        if length * FINE < width:
            place = int((at + length / 2 - start) / width)
            if 0 <= place < count:
                _fill(sums[place], block.rss, block.cpu, block.steps)
            continue
        times = accumulate(block.steps, initial=at)
        next(times)
        for nth, sampled_at in enumerate(times):
            place = int((sampled_at - start) // width)
            if 0 <= place < count:
                part = slice(nth, nth + 1)
                _fill(sums[place], block.rss[part], block.cpu[part], block.steps[part])
    return [
        Bucket(
            start + nth * width,
            rss / samples if samples else None,
            most if samples else None,
            used / seconds if seconds else None,
        )
        for nth, (samples, rss, most, used, seconds) in enumerate(sums)
    ]


def _fill(sums: list[float], rss: Sequence[int], cpu: Sequence[int], steps: Sequence[int]) -> None:
    sums[0] += len(rss)
    sums[1] += sum(rss) * KIBI
    sums[2] = max(sums[2], max(rss) * KIBI)
    if steps[0] == 0:  # the first sample of a run: what was used before it has no duration
        cpu, steps = cpu[1:], steps[1:]
    sums[3] += sum(cpu) * CENTI
    sums[4] += sum(steps)


def memory_growth(placed: Sequence[Placed], since: float) -> Growth | None:
    """How the memory of the newest run that is long enough develops."""
    points: list[Point] = []
    key: tuple[int, int] | None = None
    for at, block in reversed(placed):
        if at < since or (key is not None and block.run != key[1]):
            found = growth(points[::-1])
            if found is not None or at < since:
                return found
            points = []
        key = (block.life, block.run)
        points.append((at + sum(block.steps) / 2, KIBI * sum(block.rss) / len(block.rss)))
    return growth(points[::-1])


def longest_silences(placed: Iterable[Placed], since: float, count: int) -> list[Silence]:
    """The longest times without a sign of life, the longest first."""
    found: list[Silence] = []
    for at, block in placed:
        most = max(block.silent)
        end = at + sum(block.steps[: block.silent.index(most) + 1])
        if most == NEVER or end < since:
            continue
        silence = Silence(end - most, float(most))
        if found and abs(found[-1].start - silence.start) <= SAME_SILENCE_S:
            if most > found[-1].length_s:
                found[-1] = silence
        else:
            found.append(silence)
    return sorted(found, key=lambda one: -one.length_s)[:count]


def latest(placed: Sequence[Placed]) -> Latest | None:
    """The newest sample."""
    if not placed:
        return None
    at, block = placed[-1]
    sums = [0.0] * 5
    _fill(sums, block.rss, block.cpu, block.steps)
    cpu = sums[3] / sums[4] if sums[4] else None
    return Latest(at + sum(block.steps), block.run, block.rss[-1] * KIBI, cpu)
