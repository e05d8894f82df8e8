"""The table in a manual page that lists all settings, made from the settings themselves.

``python tests/settings_page.py`` writes it anew into ``docs/settings.md``.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from watchdog_kit.settings import Setting

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
BEGIN = "<!-- table of settings: written by tests/settings_page.py -->"
END = "<!-- end of the table -->"


def table_text(groups: Sequence[str], table: Sequence[Setting]) -> str:
    """Return the settings as Markdown, one table for each group."""
    lines: list[str] = []
    for group in groups:
        lines += ["", f"### {group}", "", "| Setting | Value | Default | Meaning | Why this default |"]
        lines.append("| --- | --- | --- | --- | --- |")
        for setting in table:
            if setting.group == group:
                word = "`true` or `false`" if setting.kind.is_flag else f"`{setting.kind.word}`"
                if not setting.kind.is_flag and setting.kind.none != "not set":
                    word += f" or `{setting.kind.none}`"
                cells = [
                    f"`{setting.key}`",
                    word.replace("|", "\\|"),
                    setting.shown_default(),
                    setting.help,
                    setting.why,
                ]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines[1:], ""])


def renewed(page: str, table: str) -> str:
    """Return the page with its table replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


if __name__ == "__main__":
    from watchdog_cli.core.options import GROUPS, OPTIONS

    PAGE.write_text(renewed(PAGE.read_text("utf-8"), table_text(GROUPS, OPTIONS)), "utf-8")
    sys.stdout.write(f"wrote {os.path.relpath(PAGE)}\n")
