"""Samples of several contenders in numbers and in tables: for the terminal, for a page, for a program."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from stand import median, p95

OURS = "watchdog"


@dataclass(slots=True)
class Measured:
    """What one contender reached in one discipline.

    Args:
        samples: in the unit of the discipline; empty where it cannot take part.
        reason: why it cannot take part, or what the reader has to know about the figure.
    """

    who: str
    samples: list[float] = field(default_factory=list)
    reason: str = ""


@dataclass(slots=True)
class Discipline:
    """One comparison.

    Args:
        less_is_better: a ratio above 1 then says how many times more than ours it takes.
    """

    name: str
    unit: str
    how: str
    less_is_better: bool = True
    results: list[Measured] = field(default_factory=list)

    def ours(self) -> float | None:
        """Our median, the yardstick of the ratios."""
        found = [one for one in self.results if one.who == OURS and one.samples]
        return median(found[0].samples) if found else None

    def ranked(self) -> list[Measured]:
        """The best first; those that cannot take part last, by name."""
        able = [one for one in self.results if one.samples]
        able.sort(key=lambda one: median(one.samples), reverse=not self.less_is_better)
        return able + sorted((one for one in self.results if not one.samples), key=lambda one: one.who)


HEAD = ("", "median", "p95", "n", "to ours", "")


def rows(discipline: Discipline) -> list[tuple[str, ...]]:
    """The cells of a table; the last one holds reasons and remarks."""
    ours = discipline.ours()
    found: list[tuple[str, ...]] = []
    for one in discipline.ranked():
        if not one.samples:
            found.append((one.who, "-", "-", "-", "-", one.reason))
            continue
        middle = median(one.samples)
        # for a rate the bad end is the low one
        rare = p95(one.samples) if discipline.less_is_better else -p95([-value for value in one.samples])
        ratio = f"{middle / ours:.2f}" if ours else "-"
        shown_rare = number(rare) if len(one.samples) > 1 else "-"
        found.append((one.who, number(middle), shown_rare, str(len(one.samples)), ratio, one.reason))
    return found


def number(value: float) -> str:
    """Three digits that mean something, without an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def for_terminal(discipline: Discipline) -> str:
    """Aligned columns below a title."""
    cells = [HEAD, *rows(discipline)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD) - 1)]
    lines = [f"{discipline.name} ({discipline.unit}): {discipline.how}"]
    for row in cells:
        first = row[0].ljust(widths[0])
        rest = "  ".join(row[column].rjust(widths[column]) for column in range(1, len(widths)))
        lines.append(f"  {first}  {rest}  {row[-1]}".rstrip())
    return "\n".join(lines)


def for_page(disciplines: Sequence[Discipline], facts: dict[str, str]) -> str:
    """A Markdown page."""
    lines = ["# The comparison", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    for one in disciplines:
        lines += ["", f"## {one.name} ({one.unit})", "", one.how, ""]
        lines += [f"| who | {' | '.join(HEAD[1:-1])} | remark |", "|---|--:|--:|--:|--:|---|"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows(one)]
    return "\n".join(lines) + "\n"


def for_programs(disciplines: Sequence[Discipline], facts: dict[str, str]) -> str:
    """JSON, with every sample."""
    found = []
    for one in disciplines:
        ours = one.ours()
        contenders = [
            {
                "who": each.who,
                "samples": [round(value, 6) for value in each.samples],
                "median": median(each.samples) if each.samples else None,
                "p95": p95(each.samples) if each.samples else None,
                "to_ours": median(each.samples) / ours if each.samples and ours else None,
                "remark": each.reason,
            }
            for each in one.ranked()
        ]
        about = {
            "name": one.name,
            "unit": one.unit,
            "how": one.how,
            "less_is_better": one.less_is_better,
        }
        found.append(about | {"contenders": contenders})
    return json.dumps({"version": 1, "machine": facts, "disciplines": found}, indent=1) + "\n"
