"""Tokens as a table for people."""

from tracker.alerts import plain_price
from tracker.model import (
    FACTOR,
    FIRST,
    HISTORY_AT,
    LAST,
    LAST_AT,
    LOW_LIQUIDITY,
    MAX_RISE,
    REACHED_50,
    RUGCHECK,
    STOPPED,
    Token,
)
from tracker.say import clean
from tracker.when import seconds_since
from watchdog_kit.quantities import format_duration

_NO_PRICE = "none yet"


def print_tokens(tokens: list[Token]) -> None:
    """Print one line a token, or two where the screen is too narrow for a table: an address is there to be copied."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    simulated = any(token.simulated for token in tokens)
    title = "SIMULATED prices of the demo market are among these" if simulated else None
    table = Table(title=title, title_style="bold")
    for name in ("Token", "Address"):
        table.add_column(name, no_wrap=True)
    for name in ("Price USD", "Now", "Highest", "Age"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Notes", overflow="fold")
    for token in tokens:
        table.add_row(*(Text(text) for text in _cells(token)))
    console = Console(highlight=False)
    needed = console.measure(table, options=console.options.update(width=1000)).maximum
    if not console.is_terminal:
        console = Console(width=max(160, needed), highlight=False, no_color=True)
    if needed <= console.width:
        console.print(table)
        return
    if title:
        console.print(title, style="bold", soft_wrap=True)
    for token in tokens:
        for line in _two_lines(token):
            console.print(Text(line), soft_wrap=True)


def _cells(token: Token) -> tuple[str, str, str, str, str, str, str]:
    age = seconds_since(token.fields.get(LAST_AT) or token.fields.get(HISTORY_AT))
    return (
        clean(token.text("symbol") or token.text("name"))[:30] or "?",
        token.address,
        _price(token),
        _rise(token),
        _percent(token.number(MAX_RISE)) if token.number(FIRST) else "",
        "" if age is None else format_duration(age),
        ", ".join(_notes(token)),
    )


def _two_lines(token: Token) -> tuple[str, str]:
    symbol, address, price, now, highest, age, notes = _cells(token)
    facts = (
        price if price == _NO_PRICE else f"{price} USD",
        now and f"now {now}",
        highest and f"highest {highest}",
        age and f"{age} ago",
        notes,
    )
    return f"{address}  {symbol}", "  " + ", ".join(fact for fact in facts if fact)


def _price(token: Token) -> str:
    price = token.number(LAST)
    return _NO_PRICE if price is None else plain_price(float(price))


def _rise(token: Token) -> str:
    first, last = token.number(FIRST), token.number(LAST)
    factor = float(token.number(FACTOR) or 1.0)
    if first is None or last is None:
        return ""
    return _percent((last / factor / first - 1) * 100)


def _percent(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:+,.1f} %" if abs(value) < 1e9 else f"{value:+.3g} %"


def _notes(token: Token) -> list[str]:
    notes = ["simulated"] if token.simulated else []
    if token.flag(REACHED_50):
        notes.append("told")
    if token.flag(STOPPED):
        notes.append("stopped")
    if token.flag(LOW_LIQUIDITY):
        notes.append("low liquidity")
    status = token.text(RUGCHECK)
    if status and status != "SIMULATED":
        notes.append(clean(status.lower()))
    return notes
