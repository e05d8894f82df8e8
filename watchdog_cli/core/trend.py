"""Does a program's memory grow without end? Told from one run, and robust against peaks."""

from collections.abc import Sequence
from itertools import combinations, pairwise
from statistics import fmean, median

from watchdog_kit.records import dataclass

LEAST_S = 3600.0  # chosen: what grows for less than an hour may be a cache that fills
WARM_UP_S = 600.0  # chosen: a program that has just started grows by its nature
WARM_UP_SHARE = 0.1
MOST_POINTS = 48  # the cost grows with the square
LEAST_POINTS = 8
STEADY = 0.6  # of all pairs of moments, by how much more of them rise than fall
LEAST_SHARE = 0.05  # growth of less than that is no growth that anybody must mend
LEAST_BYTES = 2_000_000

Point = tuple[float, float]  # time in seconds, bytes


@dataclass(frozen=True, slots=True)
class Growth:
    """How memory develops within one run.

    Args:
        bytes_per_s: the median of the slopes between all pairs of moments.
        over_s: the time that was looked at, the warm-up left out.
        level: bytes at its end, by that slope.
        is_steady: it rises nearly all the time, and by enough to matter.
    """

    bytes_per_s: float
    over_s: float
    level: float
    is_steady: bool


def growth(points: Sequence[Point]) -> Growth | None:
    """Judge the memory of one run; None when it is too short to tell.

    Source: the slope of Theil and Sen, the trend test of Mann and Kendall.
    """
    if not points:
        return None
    whole = points[-1][0] - points[0][0]
    settled_at = points[0][0] + max(WARM_UP_S, whole * WARM_UP_SHARE)
    settled = [point for point in points if point[0] >= settled_at]
    if len(settled) < LEAST_POINTS or settled[-1][0] - settled[0][0] < LEAST_S:
        return None
    means = _thinned(settled)
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(means, 2) if x2 > x1]
    slope = median(slopes)
    over_s = settled[-1][0] - settled[0][0]
    middle = median(y for _, y in means)
    rising = sum((one > 0) - (one < 0) for one in slopes) / len(slopes)
    enough = slope * over_s >= max(LEAST_BYTES, LEAST_SHARE * middle)
    return Growth(slope, over_s, middle + slope * over_s / 2, is_steady=rising >= STEADY and enough)


def _thinned(points: Sequence[Point]) -> list[Point]:
    """At most ``MOST_POINTS`` means, each of neighbours."""
    count = min(MOST_POINTS, len(points))
    bounds = [len(points) * nth // count for nth in range(count + 1)]
    groups = [points[low:high] for low, high in pairwise(bounds)]
    return [(fmean(x for x, _ in group), fmean(y for _, y in group)) for group in groups]
