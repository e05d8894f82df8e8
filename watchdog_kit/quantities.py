"""Durations and sizes, as people write them and as people read them."""

_YEAR_S = 365 * 86_400.0
_DURATION_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION_EXAMPLES = "write it like 90, 100ms, 5s, 2m or 1h30m"

_SIZE_UNITS = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "tib": 1024**4,
}
_SIZE_NAMES = (("TB", 1000**4), ("GB", 1000**3), ("MB", 1000**2), ("kB", 1000))
_EXACT_SIZE_NAMES = tuple(
    sorted(
        (*_SIZE_NAMES, ("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)),
        key=lambda pair: -pair[1],
    )
)
_SIZE_EXAMPLES = "write it like 500kB, 10MB or 1GiB"
_SIZE_LIMIT = 1024**5  # far above any disk that a log or a limit can mean; keeps arithmetic in one word


def parse_duration(text: str) -> float:
    """Read a duration such as ``90``, ``100ms``, ``5s``, ``2m``, ``1h30m`` or ``1d``.

    Returns:
        Seconds, from 0 to one year.
    Raises:
        ValueError: it is not written like that; the text quotes it, says what is wrong and what is right.
    """
    pieces = _pieces(text, _DURATION_EXAMPLES)
    total = 0.0
    allowed = list(_DURATION_UNITS)
    for place, (number, unit) in enumerate(pieces):
        last = place == len(pieces) - 1
        if "." in number and not last:
            raise ValueError(f"{quoted(text)} has a fraction before its last unit; {_DURATION_EXAMPLES}")
        if not unit:
            if len(pieces) > 1:
                raise ValueError(f"{quoted(text)} has a number without a unit; {_DURATION_EXAMPLES}")
            total = float(number)
            break
        if unit not in _DURATION_UNITS:
            raise ValueError(
                f"{quoted(text)} has the unknown unit {quoted(unit)}; units are ms, s, m, h and d"
            )
        if unit not in allowed:
            raise ValueError(f"{quoted(text)} has its units out of order or twice; {_DURATION_EXAMPLES}")
        del allowed[: allowed.index(unit) + 1]
        # Dividing gives 0.1 for 100ms, multiplying by 0.001 may miss it by a bit.
        total += float(number) / 1000 if unit == "ms" else float(number) * _DURATION_UNITS[unit]
    if total > _YEAR_S:
        raise ValueError(f"{quoted(text)} is longer than a year (365d)")
    return total


def format_duration(seconds: float) -> str:
    """Say a duration for people, in at most two units and never more than it is: ``1m 30s``, ``2h 5m``."""
    if seconds != seconds or seconds in (float("inf"), float("-inf")):  # noqa: PLR0124 - only NaN differs from itself
        return "unknown"
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 1:
        milliseconds = int(seconds * 1000 + 1e-6)
        if milliseconds:
            return f"{milliseconds}ms"
        return "<1ms" if seconds else "0s"
    if seconds < 10:
        whole, tenth = divmod(int(seconds * 10 + 1e-6), 10)
        return f"{whole}.{tenth}s" if tenth else f"{whole}s"
    rest = int(seconds + 1e-6)
    shown: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            shown.append(f"{count}{unit}")
        # The unit behind the first one is the last that is shown, also when it is zero: 1d 5s would mislead.
        if len(shown) == 2 or (shown and not count):
            break
    return " ".join(shown)


def exact_duration(seconds: float) -> str:
    """Write a duration so that ``parse_duration`` reads the same value again, to the microsecond."""
    if 0 < seconds < 1 and abs(seconds * 1000 - round(seconds * 1000)) < 1e-9:
        return f"{round(seconds * 1000)}ms"
    microseconds = round(seconds * 1_000_000)
    written = ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        count, microseconds = divmod(microseconds, size * 1_000_000)
        if count:
            written += f"{count}{unit}"
    if microseconds or not written:
        written += f"{microseconds / 1_000_000:.6f}".rstrip("0").rstrip(".") + "s"
    return written


def parse_size(text: str) -> int:
    """Read a size such as ``500kB``, ``10MB``, ``1GiB`` or a plain number of bytes.

    Returns:
        Bytes. ``kB``, ``MB``, ``GB``, ``TB`` count by 1000; ``KiB``, ``MiB``, ``GiB``, ``TiB`` by 1024.
    Raises:
        ValueError: it is not written like that; the text quotes it, says what is wrong and what is right.
    """
    pieces = _pieces(text, _SIZE_EXAMPLES)
    if len(pieces) > 1:
        raise ValueError(f"{quoted(text)} has more than one number; {_SIZE_EXAMPLES}")
    number, unit = pieces[0]
    factor = _SIZE_UNITS.get(unit.lower())
    if factor is None and unit.lower() in ("k", "m", "g", "t"):
        # Half of the world's tools mean 1000 by it and half 1024; a guess would be wrong for one of them.
        letter = unit.upper()
        raise ValueError(
            f"{quoted(text)} is not clear; write {number}{letter}B (by 1000) or {number}{letter}iB (by 1024)"
        )
    if factor is None:
        raise ValueError(f"{quoted(text)} has the unknown unit {quoted(unit)}; {_SIZE_EXAMPLES}")
    whole, _, fraction = number.partition(".")
    scale: int = 10 ** len(fraction)
    size, rest = divmod(int(whole + fraction) * factor, scale)
    if rest and size < 1000:
        raise ValueError(f"{quoted(text)} is not a whole number of bytes; {_SIZE_EXAMPLES}")
    if size > _SIZE_LIMIT:
        raise ValueError(f"{quoted(text)} is more than 1024TiB")
    return size


def format_size(size: float) -> str:
    """Say a size for people, with at most one digit behind the point: ``512B``, ``9.8MB``, ``1.2GB``."""
    if size < 0:
        return f"-{format_size(-size)}"
    for name, factor in _SIZE_NAMES:
        # 999,950 would be shown as 1000kB: the larger unit begins where rounding reaches it.
        if size >= factor * 0.99995:
            return f"{size / factor:.1f}".removesuffix(".0") + name
    return f"{int(size)}B"


def exact_size(size: int) -> str:
    """Write a size so that ``parse_size`` reads the same value again: ``10MB``, ``1GiB``, ``1234``."""
    for name, factor in _EXACT_SIZE_NAMES:
        if size and size % factor == 0:
            return f"{size // factor}{name}"
    return str(size)


def quoted(text: str) -> str:
    """Quote what a person wrote for a message of one line: visible, harmless and not endless."""
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}..."


def _pieces(text: str, examples: str) -> list[tuple[str, str]]:
    """Cut ``1h30m`` into (``1``, ``h``), (``30``, ``m``) and refuse what cannot be a quantity at all."""
    if not text:
        raise ValueError(f"it is empty; {examples}")
    if text != text.strip() or " " in text:
        raise ValueError(f"{quoted(text)} has a space in it; {examples}")
    if text[0] == "-":
        raise ValueError(f"{quoted(text)} is negative; {examples}")
    if len(text) > 40 or text[0] not in "0123456789":
        raise ValueError(f"{quoted(text)} is not a quantity; {examples}")
    pieces: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        start = at
        while at < len(text) and text[at] in "0123456789.":
            at += 1
        number = text[start:at]
        start = at
        while at < len(text) and text[at] not in "0123456789.":
            at += 1
        whole, point, fraction = number.partition(".")
        if not whole or (point and not fraction) or "." in fraction:
            raise ValueError(f"{quoted(text)} is not a quantity; {examples}")
        pieces.append((number, text[start:at]))
    return pieces
