"""Draws the phases of the supervisor and what leads from one to the next, found by asking the core itself.

``python scripts/states.py`` writes ``docs/states.svg`` and the table in ``docs/inside.md`` and ``docs/ar/inside.md``.
Nothing is drawn from memory: from the first state on, every kind of event is handed to ``step`` in every state that
can be reached under a few policies that differ in what they allow, and the arrows are what was seen to happen.
"""

import sys
from collections import deque
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from watchdog_cli.core import machine, supervisor  # noqa: E402 - found beside this script
from watchdog_cli.core.events import (  # noqa: E402 - as above
    Adopted,
    Beat,
    Begin,
    By,
    ChildExited,
    ChildSpawned,
    Continued,
    DumpDone,
    Event,
    HangDeclared,
    LeaseHeld,
    LeaseLost,
    MemoryMeasured,
    PauseAsked,
    RestartAsked,
    ResumeAsked,
    SpawnFailed,
    StopAsked,
    Tick,
    TreeEmpty,
)
from watchdog_cli.core.lease import Hold, OnLost  # noqa: E402 - as above
from watchdog_cli.core.phases import Stopping  # noqa: E402 - as above
from watchdog_cli.core.policy import Policy, Restart, Source  # noqa: E402 - as above
from watchdog_cli.core.record import ExitStatus, Run  # noqa: E402 - as above
from watchdog_cli.core.supervisor import Supervisor  # noqa: E402 - as above

PICTURE = ROOT / "docs" / "states.svg"
PAGES = (ROOT / "docs" / "inside.md", ROOT / "docs" / "ar" / "inside.md")
BEGIN = "<!-- table of states: written by scripts/states.py -->"
END = "<!-- end of the table -->"
TICKS = 12  # a wait for a deadline is cut into slices; this many are more than any of these policies needs

BASE = Policy(judge_silence=True, memory_limit=1, max_restarts=1)
POLICIES = (
    BASE,
    replace(BASE, retry_after_s=60.0),
    replace(BASE, restart=Restart.NEVER),
    replace(BASE, restart_delay_s=0.0),
    replace(BASE, dump_timeout_s=0.0),
    replace(BASE, judge_silence=False, no_heartbeat=True),
    replace(BASE, lease=OnLost.STOP),
)
Arrow = tuple[str, str]


def events_in(sup: Supervisor, now: float) -> list[Event]:
    """Return one or more of each kind of event, speaking of the present run where they speak of one."""
    number = sup.number + 1
    run = getattr(sup.phase, "run", None) or Run(f"run-{number}", number, 1000 + number)
    return [
        Begin(),
        Adopted(run),
        ChildSpawned(run, silence_judged=True),
        SpawnFailed("cannot", transient=True),
        SpawnFailed("cannot", transient=False),
        ChildExited(run.id, ExitStatus(code=1)),
        ChildExited(run.id, ExitStatus(code=0)),
        ChildExited(run.id, ExitStatus(code=78)),
        ChildExited(run.id, ExitStatus(signal=9), left_behind=1),
        TreeEmpty(run.id),
        Beat(Source.FILE, run_id=run.id),
        HangDeclared(run.id),
        MemoryMeasured(2, run.id),
        DumpDone(run.id),
        Continued(),
        Tick(),
        StopAsked(By.COMMAND),
        StopAsked(By.SIGNAL),
        StopAsked(By.COMMAND, now=True),
        RestartAsked(),
        PauseAsked(None),
        PauseAsked(60.0),
        ResumeAsked(),
        LeaseHeld(Hold(now + 20.0, now + 30.0)),
        LeaseLost("it passed to another machine"),
    ]


def name_of(sup: Supervisor) -> str:
    """Return the phase; of a stop, also how far it has come."""
    phase = type(sup.phase).__name__
    return f"{phase}: {sup.phase.stage.value}" if isinstance(sup.phase, Stopping) else phase


def sort_of(sup: Supervisor, now: float) -> tuple[object, ...]:
    """Return what tells states apart as far as their arrows go; times and numbers do not."""
    phase = sup.phase
    return (
        name_of(sup),
        getattr(phase, "asked", None),
        getattr(phase, "status", None),
        getattr(phase, "restart_asked", None),
        phase.ending.cause if isinstance(phase, Stopping) else None,
        getattr(phase, "retry_at", None) is None,
        sup.want_up,
        sup.signalled_at is None,
        None if sup.pause is None else sup.pause.until is None,
        sup.judged,
        sup.hold is None,
        sup.end_by is None,
        sup.settled,
        sup.over_memory,
        sup.window.count(now),
    )


def follow(sup: Supervisor, event: Event, now: float) -> tuple[Supervisor, float]:
    """Return the state after one event; for the passing of time, after as many deadlines as it takes."""
    if not isinstance(event, Tick):
        return machine.step(sup, event, now)[0], now
    before = sort_of(sup, now)
    for _ in range(TICKS):
        at = supervisor.deadline(sup)
        if at is None:
            break
        now = max(now, at)
        sup = machine.step(sup, event, now)[0]
        if sort_of(sup, now) != before:
            break
    return sup, now


def arrows() -> dict[Arrow, set[str]]:
    """Return which events lead from which phase to which other, over all policies."""
    found: dict[Arrow, set[str]] = {}
    for policy in POLICIES:
        first = supervisor.new(policy)
        known = {sort_of(first, 0.0)}
        waiting = deque([(first, 0.0)])
        while waiting:
            sup, now = waiting.popleft()
            for event in events_in(sup, now):
                after, then = follow(sup, event, now + 0.1)
                if name_of(after) != name_of(sup):
                    found.setdefault((name_of(sup), name_of(after)), set()).add(type(event).__name__)
                sort = sort_of(after, then)
                if sort not in known:
                    known.add(sort)
                    waiting.append((after, then))
    return found


# --- the picture -----------------------------------------------------------------------------------------

WIDTH, HEIGHT = 1000, 610
BOXES = {  # left, top, width; all are equally high
    "Spawning": (40, 70, 120),
    "Starting": (262, 70, 90),
    "Running": (448, 70, 90),
    "Stopping: dump": (740, 50, 150),
    "Stopping: soft": (740, 142, 150),
    "Stopping: group": (740, 230, 150),
    "Stopping: kill": (740, 314, 150),
    "Backoff": (40, 510, 120),
    "Paused": (270, 510, 110),
    "GivenUp": (490, 510, 120),
    "Stopped": (740, 510, 150),
    "StandingBy": (610, 425, 110),
}
UNPLACED = (560, 430, 130)  # a phase that is new here; give it a place of its own above
HIGH = 40
GROUPS = {"Up": (250, 40, 300, 90, "a run lives"), "Stopping": (700, 20, 230, 350, "its tree is being ended")}
EMPTY = "after_run"  # as the code calls the one place that decides what comes next
HALL = (250, 370, 300, 44, "nothing runs any more: what next?")
FOLLOWS = ("Backoff", "GivenUp", "Paused", "Spawning", "StandingBy", "Stopped")
WORDS = {
    "Adopted": "taken over",
    "Beat": "first sign of life",
    "Begin": "begin",
    "ChildExited": "its leader ended",
    "ChildSpawned": "started",
    "Continued": "we were continued",
    "DumpDone": "stacks are written",
    "LeaseHeld": "lease is held",
    "LeaseLost": "lease is lost",
    "HangDeclared": "it says that it hangs",
    "MemoryMeasured": "too much memory",
    "PauseAsked": "pause",
    "RestartAsked": "restart",
    "ResumeAsked": "resume",
    "SpawnFailed": "cannot be started",
    "StopAsked": "stop",
    "Tick": "time is up",
    "TreeEmpty": "its tree is empty",
}


def group_of(name: str) -> str:
    """Return what is drawn as one where an arrow leaves or enters it as a whole."""
    if name.startswith("Stopping"):
        return "Stopping"
    return "Up" if name in ("Starting", "Running") else name


def drawn(found: dict[Arrow, set[str]]) -> dict[Arrow, set[str]]:
    """Return the arrows of the picture: those out of a group as one, the ways to what follows through the hall."""
    lines: dict[Arrow, set[str]] = {}
    for (source, target), events in found.items():
        start, end = group_of(source), group_of(target)
        over = start in ("Up", "Stopping", "Spawning") and target in FOLLOWS
        ends = events & {"Begin", "ChildExited", "TreeEmpty", "SpawnFailed"} if over else set()
        if ends:
            lines.setdefault((start, EMPTY), set()).update(ends)
            lines.setdefault((EMPTY, target), set())
        rest = events - ends
        if rest and start == end:
            lines.setdefault((source, target), set()).update(rest)
        elif rest:
            lines.setdefault((start, end), set()).update(rest)
    return lines


def _box(name: str) -> tuple[int, int, int, int]:
    if name == EMPTY:
        return HALL[:4]
    if name in GROUPS:
        return GROUPS[name][:4]
    left, top, width = BOXES.get(name, UNPLACED)
    return left, top, width, HIGH


# Where an arrow leaves and arrives, as parts of the width and height of the two boxes, its bend, and where along it
# its words stand. An arrow that is not here goes from middle to middle, and is seen to be new.
WAYS: dict[Arrow, tuple[tuple[float, float], tuple[float, float], tuple[int, int], float]] = {
    ("Spawning", "Up"): ((1, 0.35), (0, 0.5), (0, 0), 0.5),
    ("Starting", "Running"): ((1, 0.5), (0, 0.5), (0, 0), 0.5),
    ("Up", "Stopping"): ((1, 0.5), (0, 0.22), (0, 0), 0.5),
    ("Spawning", "Stopping"): ((0.5, 0), (0, 0.03), (0, -70), 0.5),
    ("Up", EMPTY): ((0.5, 1), (0.5, 0), (0, 0), 0.5),
    ("Stopping", EMPTY): ((0, 0.85), (1, 0.2), (0, 0), 0.5),
    ("Spawning", EMPTY): ((0.85, 1), (0.3, 0), (10, 0), 0.5),
    (EMPTY, "Backoff"): ((0.05, 1), (0.9, 0), (0, 0), 0.5),
    (EMPTY, "Paused"): ((0.3, 1), (0.6, 0), (0, 0), 0.5),
    (EMPTY, "GivenUp"): ((0.85, 1), (0.3, 0), (0, 0), 0.5),
    (EMPTY, "Stopped"): ((0.95, 1), (0.1, 0), (0, 0), 0.5),
    (EMPTY, "StandingBy"): ((1, 0.7), (0, 0.4), (0, 0), 0.5),
    ("StandingBy", "Spawning"): ((0.3, 0), (1, 0.75), (60, -50), 0.25),
    ("StandingBy", "Paused"): ((0, 0.95), (0.95, 0), (0, 14), 0.35),
    ("StandingBy", "Stopped"): ((1, 0.7), (0.4, 0), (0, 0), 0.5),
    ("Backoff", "StandingBy"): ((1, 0.05), (0, 0.6), (0, 0), 0.3),
    ("Paused", "StandingBy"): ((0.7, 0), (0, 0.8), (0, -10), 0.3),
    ("GivenUp", "StandingBy"): ((0.8, 0), (0.3, 1), (0, 0), 0.5),
    (EMPTY, "Spawning"): ((0, 0.3), (0.6, 1), (-20, 30), 0.5),
    ("Backoff", "Spawning"): ((0.15, 0), (0.15, 1), (0, 0), 0.42),
    ("Paused", "Spawning"): ((0.15, 0), (0.4, 1), (-40, 30), 0.25),
    ("GivenUp", "Spawning"): ((0.1, 0), (0.3, 1), (-130, 20), 0.18),
    ("Backoff", "Paused"): ((1, 0.3), (0, 0.3), (0, 0), 0.5),
    ("GivenUp", "Paused"): ((0, 0.3), (1, 0.3), (0, 0), 0.5),
    ("GivenUp", "Stopped"): ((1, 0.5), (0, 0.5), (0, 0), 0.5),
    ("Paused", "Stopped"): ((0.6, 1), (0.2, 1), (0, 45), 0.5),
    ("Backoff", "Stopped"): ((0.6, 1), (0.5, 1), (0, 75), 0.35),
    ("Stopping: dump", "Stopping: soft"): ((0.5, 1), (0.5, 0), (0, 0), 0.5),
    ("Stopping: soft", "Stopping: group"): ((0.5, 1), (0.5, 0), (0, 0), 0.5),
    ("Stopping: group", "Stopping: kill"): ((0.5, 1), (0.5, 0), (0, 0), 0.5),
    ("Stopping: dump", "Stopping: group"): ((0, 0.7), (0, 0.3), (-22, 0), 0.5),
    ("Stopping: dump", "Stopping: kill"): ((1, 0.3), (1, 0.7), (34, 0), 0.5),
    ("Stopping: soft", "Stopping: kill"): ((1, 0.5), (1, 0.3), (20, 0), 0.5),
}
SILENT = {
    ("Stopping: dump", "Stopping: group"),
    ("Stopping: dump", "Stopping: kill"),
    ("Stopping: soft", "Stopping: kill"),
}


def _arrow(way: Arrow, events: set[str]) -> list[str]:
    (x1, y1, w1, h1), (x2, y2, w2, h2) = _box(way[0]), _box(way[1])
    leave, arrive, bend, at = WAYS.get(way, ((0.5, 0.5), (0.5, 0.5), (0, 0), 0.5))
    ax, ay, bx, by = x1 + w1 * leave[0], y1 + h1 * leave[1], x2 + w2 * arrive[0], y2 + h2 * arrive[1]
    cx, cy = (ax + bx) / 2 + bend[0], (ay + by) / 2 + bend[1]
    lines = [f'<path d="M{ax:.0f} {ay:.0f} Q{cx:.0f} {cy:.0f} {bx:.0f} {by:.0f}"/>']
    words = sorted(WORDS[event] for event in events)
    if way in SILENT:
        words = []
    tx = (1 - at) ** 2 * ax + 2 * at * (1 - at) * cx + at**2 * bx
    ty = (1 - at) ** 2 * ay + 2 * at * (1 - at) * cy + at**2 * by - 6 * (len(words) - 1)
    lines += [
        f'<text class="why" x="{tx:.0f}" y="{ty + 4 + 13 * row:.0f}">{escape(word)}</text>'
        for row, word in enumerate(words)
    ]
    return lines


HEAD = f"""\
<!-- written by scripts/states.py from watchdog_cli/core/machine.py -->
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif"
 font-size="14" text-anchor="middle">
<title>The phases of the supervisor and what leads from one to the next</title>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"
 orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="#456"/></marker></defs>
<style>path{{fill:none;stroke:#456;stroke-width:1.3;marker-end:url(#tip)}}marker path{{marker-end:none}}
rect{{fill:#eef4fb;stroke:#357}}.group{{fill:#f6f8fa;stroke:#9ab;stroke-dasharray:5 3}}
.why{{font-size:11px;fill:#333;paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}}
.what{{font-size:11px;fill:#678}}</style>
<rect x="0" y="0" width="{WIDTH}" height="{HEIGHT}" style="fill:#fff;stroke:none"/>"""


def picture(found: dict[Arrow, set[str]]) -> str:
    """Return the picture as SVG."""
    lines = [HEAD]
    for left, top, width, high, what in (*GROUPS.values(), HALL):
        lines.append(f'<rect class="group" x="{left}" y="{top}" width="{width}" height="{high}" rx="9"/>')
        middle = top + high / 2 + 4 if high == HALL[3] else top + 15
        lines.append(f'<text class="what" x="{left + width / 2:.0f}" y="{middle:.0f}">{what}</text>')
    names = sorted({name for arrow in found for name in arrow})
    for name in names:
        left, top, width, high = _box(name)
        lines.append(f'<rect x="{left}" y="{top}" width="{width}" height="{high}" rx="7"/>')
        lines.append(f'<text x="{left + width / 2:.0f}" y="{top + 25}">{name}</text>')
    for way, events in sorted(drawn(found).items()):
        lines += _arrow(way, events)
    return "\n".join([*lines, "</svg>", ""])


# --- the table -------------------------------------------------------------------------------------------


def table(found: dict[Arrow, set[str]]) -> str:
    """Return what was found as Markdown: one row for each phase and event."""
    rows: dict[tuple[str, str], list[str]] = {}
    for (source, target), events in sorted(found.items()):
        for event in events:
            rows.setdefault((source, event), []).append(target)
    lines = ["| In | comes | then |", "| --- | --- | --- |"]
    for (source, event), targets in sorted(rows.items()):
        aims = ", ".join(f"`{target}`" for target in targets)
        lines.append(f"| `{source}` | `{event}` | {aims} |")
    return "\n".join(lines)


def renewed(page: str, text: str) -> str:
    """Return the page with its table replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main() -> None:
    """Write the picture and the tables anew."""
    found = arrows()
    PICTURE.write_text(picture(found), "utf-8")
    for page in PAGES:
        if page.exists():
            page.write_text(renewed(page.read_text("utf-8"), table(found)), "utf-8")


if __name__ == "__main__":
    main()
