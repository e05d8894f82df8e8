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


def print_tokens(tokens: list[Token]) -> None:
    """Print one line a token."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    simulated = any(token.simulated for token in tokens)
    table = Table(
        title="SIMULATED prices of the demo market are among these" if simulated else None, title_style="bold"
    )
    for name in ("Token", "Address"):
        table.add_column(name, overflow="fold", no_wrap=name == "Address")
    for name in ("Price USD", "Now", "Highest", "Age"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Notes", overflow="fold")
    for token in tokens:
        age = seconds_since(token.fields.get(LAST_AT) or token.fields.get(HISTORY_AT))
        table.add_row(
            Text(clean(token.text("symbol") or token.text("name"))[:30] or "?"),
            Text(token.address),
            _price(token),
            _rise(token),
            _percent(token.number(MAX_RISE)) if token.number(FIRST) else "",
            "" if age is None else format_duration(age),
            Text(", ".join(_notes(token))),
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(width=160, highlight=False, no_color=True)
    console.print(table)


def _price(token: Token) -> str:
    price = token.number(LAST)
    return "none yet" if price is None else plain_price(float(price))


def _rise(token: Token) -> str:
    first, last = token.number(FIRST), token.number(LAST)
    factor = float(token.number(FACTOR) or 1.0)
    if first is None or last is None:
        return ""
    return _percent((last / factor / first - 1) * 100)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+,.1f} %"


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
