"""The live screen of ``watchdog status --watch``."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from watchdog_cli import render

if TYPE_CHECKING:
    from rich.console import RenderableType

    from watchdog_cli.core.report import StatusReport

EVERY_S = 1.0
BAR_WIDTH = 30


def watch_status(read: "Callable[[], list[StatusReport]]") -> None:
    """Show the reports again and again until Ctrl-C; plain lines when nobody sits at a terminal."""
    try:
        if sys.stdout.isatty():
            _live(read)
        else:
            _plain(read)
    except KeyboardInterrupt:
        return


def _plain(read: "Callable[[], list[StatusReport]]") -> None:
    shown = ""
    while True:
        text = "\n".join(render.headline(report) for report in read())
        if text != shown:
            click.echo(f"{render.now_text()} {text}")
            sys.stdout.flush()
            shown = text
        time.sleep(EVERY_S)


def _live(read: "Callable[[], list[StatusReport]]") -> None:
    from rich.console import Group
    from rich.live import Live

    with Live(screen=True, auto_refresh=False) as live:
        while True:
            reports = read()
            live.update(Group(*(_panel(report) for report in reports)), refresh=True)
            time.sleep(EVERY_S)


def _panel(report: "StatusReport") -> "RenderableType":
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for label, text in render.details(report):
        table.add_row(Text(label, style="dim"), Text(text))
    parts: list[RenderableType] = [table]
    beat = report.heartbeat
    if beat is not None and beat.age_s is not None and beat.timeout_s > 0:
        left = max(0.0, 1 - beat.age_s / beat.timeout_s)
        filled = round(left * BAR_WIDTH)
        style = "green" if left > 0.5 else "yellow" if left > 0.2 else "red"
        bar = Text("█" * filled, style=style) + Text("░" * (BAR_WIDTH - filled), style="dim")
        parts.append(Text("time left to the next sign of life  ") + bar)
    title = Text(f"{render.headline(report)}   {render.now_text()}", style=f"bold {render.colour(report)}")
    return Panel(Group(*parts), title=title, subtitle="Ctrl-C ends", title_align="left")
