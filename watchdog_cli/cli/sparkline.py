"""Charts of one line, drawn with characters."""

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-~=+*#"  # for a terminal that cannot show blocks
GAP = " "
FLAT = 0.1  # changes of less than this share of the largest value are noise and are not blown up


def sparkline(values: Sequence[float | None], *, ramp: str, from_zero: bool = False) -> str:
    """Draw one character for each value; where there is none, a gap.

    Args:
        from_zero: the lowest character stands for 0, else for the lowest value.
    """
    known = [value for value in values if value is not None]
    if not known:
        return GAP * len(values)
    high, low = max(known), min(known)
    if from_zero:
        low = 0.0
    else:
        room = max(high - low, FLAT * abs(high))
        low = (high + low - room) / 2
        high = low + room
    scale = (len(ramp) - 1) / (high - low) if high > low else 0.0
    return "".join(GAP if value is None else ramp[round((value - low) * scale)] for value in values)


def can_show(text: str, encoding: str | None) -> bool:
    """Whether an output with this encoding has all these characters."""
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
