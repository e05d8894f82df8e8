"""The live screen of ``watchdog status --watch``."""

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from watchdog_cli import render
from watchdog_cli.cli.keys import Keys
from watchdog_cli.cli.sparkline import BLOCKS, PLAIN, can_show, sparkline
from watchdog_kit.printable import printable
from watchdog_kit.quantities import format_size

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.text import Text

    from watchdog_cli.core.report import HeartbeatPart, StatusReport
    from watchdog_cli.wiring.places import Places
    from watchdog_cli.wiring.scene import Look, Scene

EVERY_S = 1.0
BAR = "█░"
PLAIN_BAR = "#-"
LABEL = 12  # columns
FRAME = 2  # lines of a panel's border
FACTS, LINES = 40, 300  # that are kept for the screen
LOUD = frozenset({"hang", "memory", "gave-up", "spawn-failed", "killing"})
ENDS = "q or Ctrl-C ends"


def watch_one(places: "Places") -> None:
    """Show one program until somebody ends it: a screen at a terminal, else a line for each change."""
    from watchdog_cli.wiring.scene import Scene

    scene = Scene(places, lines=LINES, facts=FACTS)
    try:
        if sys.stdout.isatty():
            _Screen(scene).run()
        else:
            _plain(scene)
    except KeyboardInterrupt:
        return
    finally:
        scene.close()


def watch_all(read: "Callable[[], list[StatusReport]]") -> None:
    """The same for several, without events and logs."""
    try:
        if sys.stdout.isatty():
            _live_list(read)
        else:
            _plain_list(read)
    except KeyboardInterrupt:
        return


# --- lines ----------------------------------------------------------------------------------------------------


def _plain(scene: "Scene") -> None:
    shown = ""
    first = True
    while True:
        look = scene.look()
        for fact in () if first else look.facts:
            _line(f"  {_fact_text(fact)}")
        text = render.headline(look.report)
        if text != shown:
            _line(text)
        shown, first = text, False
        time.sleep(EVERY_S)


def _plain_list(read: "Callable[[], list[StatusReport]]") -> None:
    shown: list[str] = []
    while True:
        texts = [render.placed_headline(report) for report in read()]
        for text in texts or ["this user has no watchdog"]:
            if text not in shown:
                _line(text)
        shown = texts or ["this user has no watchdog"]
        time.sleep(EVERY_S)


def _line(text: str) -> None:
    click.echo(f"{render.now_text()} {text}")
    sys.stdout.flush()


# --- the screen -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _whole_screen(console: "Console") -> "Iterator[Live]":
    """A screen of our own; the one from before comes back, and nothing of ours stays on it."""
    from rich.control import Control
    from rich.live import Live

    with Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            yield live
        finally:
            # A window that has grown meanwhile has lines that the screen from before does not cover.
            console.control(Control.home(), Control.clear())


class _Screen:
    """One program on a whole terminal."""

    def __init__(self, scene: "Scene") -> None:
        self._scene = scene
        self._facts: deque[Any] = deque(maxlen=FACTS)
        self._lines: deque[str] = deque(maxlen=LINES)
        self._memory: deque[float | None] = deque(maxlen=600)
        self._cpu: deque[float | None] = deque(maxlen=600)
        blocks = can_show(BLOCKS + BAR, sys.stdout.encoding)
        self._ramp, self._bar = (BLOCKS, BAR) if blocks else (PLAIN, PLAIN_BAR)

    def run(self) -> None:
        """Draw until a person ends it."""
        from rich.console import Console

        console = Console()
        keys = Keys()
        with keys.listening(), _whole_screen(console) as live:
            due = time.monotonic()
            look = self._look()
            while True:
                live.update(self._draw(console, look), refresh=True)
                due += EVERY_S
                while (left := due - time.monotonic()) > 0:
                    if keys.wait(left) in {"q", "Q", "\x1b"}:
                        return
                    live.update(self._draw(console, look), refresh=True)  # the window may have a new size
                due = max(due, time.monotonic() - EVERY_S)
                look = self._look()

    def _look(self) -> "Look":
        look = self._scene.look()
        self._facts.extend(look.facts)
        if look.lines_missing:
            self._lines.append("... lines are missing here: the log grew too fast to be shown ...")
        self._lines.extend(look.lines)
        self._memory.append(look.usage.rss_bytes if look.usage else None)
        self._cpu.append(look.usage.cpu_percent if look.usage else None)
        return look

    def _draw(self, console: "Console", look: "Look") -> "RenderableType":
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        width, height = console.size.width - 4, console.size.height
        report = look.report
        body = self._figures(report, width)
        title = Text(
            f"{render.headline(report)}   {render.now_text()}", style=f"bold {render.colour(report)}"
        )
        room = height - FRAME
        if len(body) > room:
            body = body[: max(0, room)]
        rest = room - len(body)
        events = min(len(self._facts), max(3, rest // 3)) if rest >= 6 else 0
        if events:
            body += [Text("events", style="bold"), *self._events(events)]
            rest -= events + 1
        if rest >= 3:
            body += [Text(f"log  {report.log_file}", style="bold"), *self._log(rest - 1)]
        for row in body:
            row.no_wrap, row.overflow = True, "ellipsis"
        return Panel(Group(*body), title=title, subtitle=ENDS, title_align="left", height=height)

    def _figures(self, report: "StatusReport", width: int) -> list["Text"]:
        from rich.text import Text

        rows = []
        for label, text in render.details(report):
            if label == "log":
                continue  # it stands above its lines
            rows.append(Text.assemble((f"{label:<{LABEL}}", "dim"), text))
            if label == "heartbeat" and report.heartbeat is not None:
                rows += self._deadline(report.heartbeat, width)
            if label == "memory":
                rows += self._charts(width)
        return rows

    def _deadline(self, beat: "HeartbeatPart", width: int) -> list["Text"]:
        """A bar that runs empty towards the moment at which silence is a hang."""
        from rich.text import Text

        if beat.age_s is None or beat.timeout_s <= 0:
            return []
        left = max(0.0, 1 - beat.age_s / beat.timeout_s)
        length = max(5, min(60, width - LABEL - 12))
        filled = round(left * length)
        style = "green" if left > 0.5 else "yellow" if left > 0.2 else "red"
        seconds = f" {max(0.0, beat.timeout_s - beat.age_s):.0f} s left"
        return [
            Text.assemble(
                " " * LABEL,
                (self._bar[0] * filled, style),
                (self._bar[1] * (length - filled), "dim"),
                (seconds, "dim"),
            )
        ]

    def _charts(self, width: int) -> list["Text"]:
        from rich.text import Text

        length = max(5, min(60, width - LABEL - 22))
        rows = []
        for values, style, show in (
            (list(self._memory)[-length:], "blue", format_size),
            (list(self._cpu)[-length:], "cyan", _percent),
        ):
            known = [value for value in values if value is not None]
            if known:
                line = sparkline(values, from_zero=True, ramp=self._ramp)
                rows.append(Text.assemble(" " * LABEL, (line, style), (f" {show(known[-1])} now", "dim")))
        return rows

    def _events(self, count: int) -> Sequence["Text"]:
        from rich.text import Text

        rows = []
        for fact in list(self._facts)[-count:]:
            style = "red" if fact["fact"] in LOUD else ""
            rows.append(Text.assemble((f"{_clock(fact)}  ", "dim"), (_fact_text(fact), style)))
        return rows

    def _log(self, count: int) -> Sequence["Text"]:
        from rich.text import Text

        return [Text(line) for line in list(self._lines)[-count:]]


def _live_list(read: "Callable[[], list[StatusReport]]") -> None:
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    def panel(report: "StatusReport") -> Panel:
        table = Table.grid(padding=(0, 2))
        for label, text in render.details(report):
            table.add_row(Text(label, style="dim"), Text(text))
        title = Text(render.headline(report), style=f"bold {render.colour(report)}")
        return Panel(table, title=title, title_align="left")

    keys = Keys()
    with keys.listening(), _whole_screen(Console()) as live:
        while True:
            foot = Text(f"{render.now_text()}   {ENDS}", style="dim")
            reports = read()
            panels = [panel(report) for report in reports if not render.is_at_rest(report)]
            lines = [Text(render.placed_headline(report)) for report in reports if render.is_at_rest(report)]
            live.update(Group(*panels, *lines, foot), refresh=True)
            if keys.wait(EVERY_S) in {"q", "Q", "\x1b"}:
                return


def _fact_text(fact: "Any") -> str:
    return printable(str(fact.get("text") or fact["fact"]))


def _clock(fact: "Any") -> str:
    return render.local(str(fact.get("at", "")))[-8:]


def _percent(value: float) -> str:
    return f"{value:.0f} % CPU"
