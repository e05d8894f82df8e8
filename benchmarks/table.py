"""Results beside their targets."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Row:
    """One measurement.

    Args:
        limit: the target, in the unit of ``value``; None where the target is a ratio only.
        ratio: to the yardstick that ran in turns with it.
        ratio_limit: the target for the ratio.
    """

    what: str
    value: float
    unit: str
    limit: float | None = None
    ratio: float | None = None
    ratio_limit: float | None = None
    at_least: bool = False
    note: str = ""
    part: str = ""

    def missed(self) -> list[str]:
        """Which of its targets it misses."""
        found = []
        if self.limit is not None and (self.value < self.limit if self.at_least else self.value > self.limit):
            found.append(f"{self.value:.3g} {self.unit}, target {self.limit:g}")
        if self.ratio is not None and self.ratio_limit is not None:
            over = self.ratio < self.ratio_limit if self.at_least else self.ratio > self.ratio_limit
            if over:
                found.append(f"{self.ratio:.2f} of the yardstick, target {self.ratio_limit:g}")
        return found


@dataclass(slots=True)
class Table:
    """All rows, printed as they come."""

    rows: list[Row] = field(default_factory=list)
    part: str = ""

    def head(self, title: str, how: str) -> None:
        """Begin a part."""
        self.part = title
        print(f"\n{title}: {how}", flush=True)
        print(f"  {'':44} {'measured':>14} {'target':>10} {'ratio':>7} {'target':>7}")

    def add(self, row: Row) -> None:
        """Print a row."""
        row.part = self.part
        self.rows.append(row)
        sign = ">=" if row.at_least else "<="
        limit = "" if row.limit is None else f"{sign} {row.limit:g}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        ratio_limit = "" if row.ratio_limit is None else f"{sign} {row.ratio_limit:g}"
        has_target = row.limit is not None or row.ratio_limit is not None
        verdict = "" if not has_target else "MISSED" if row.missed() else "held"
        value = f"{row.value:.4g} {row.unit}"
        print(f"  {row.what:44} {value:>14} {limit:>10} {ratio:>7} {ratio_limit:>7}  {verdict}", flush=True)
        if row.note:
            print(f"    {row.note}", flush=True)

    def summary(self) -> int:
        """Say plainly what was missed; return how many rows."""
        missed = [row for row in self.rows if row.missed()]
        aimed = [row for row in self.rows if row.limit is not None or row.ratio_limit is not None]
        print(f"\n{len(aimed) - len(missed)} of {len(aimed)} rows with a target hold theirs.")
        for row in missed:
            print(f"  missed: {row.part}: {row.what}: {'; '.join(row.missed())}")
            if row.note:
                print(f"    {row.note}")
        return len(missed)
