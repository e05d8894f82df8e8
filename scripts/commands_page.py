"""Writes ``docs/commands.md``: every command with all its options, from the commands themselves.

``python scripts/commands_page.py`` writes it anew; a test fails when the page is older than the code.
"""

import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from watchdog_cli.cli.main import COMMANDS, group  # noqa: E402 - found beside this script
from watchdog_cli.core.options import OPTIONS  # noqa: E402 - as above

PAGE = ROOT / "docs" / "commands.md"
HEAD = """\
# Commands

Written by `scripts/commands_page.py` from the commands themselves; `watchdog COMMAND --help` says the same. Options
that are settings ([Settings](settings.md)) may also stand in `watchdog.toml` or in the environment; `-C` and `--name`
stand behind the command.
"""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _option(parameter: click.Parameter, context: click.Context) -> str | None:
    shown = parameter.get_help_record(context)
    if shown is None or not shown[1] or "--help" in parameter.opts:
        return None
    name, text = shown
    return f"| `{_cell(name)}` | {_cell(text)} |"


def _section(name: str) -> list[str]:
    with click.Context(group, info_name="watchdog") as above:
        command = group.get_command(above, name)
        assert command is not None
        with click.Context(command, info_name=name, parent=above) as context:
            usage = " ".join(command.collect_usage_pieces(context))
            paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
            lines = [f"## {name}", "", COMMANDS[name], "", "```text", f"watchdog {name} {usage}", "```", ""]
            for paragraph in paragraphs:
                lines += [paragraph.replace("\b", "").strip(), ""]
            settings = {option.key for option in OPTIONS}
            own = [
                parameter
                for parameter in command.get_params(context)
                if name not in ("run", "config") or (parameter.name or "").replace("_", "-") not in settings
            ]
            rows = [row for row in (_option(parameter, context) for parameter in own) if row]
            if name in ("run", "config"):
                lines += [
                    "All [settings](settings.md#all-settings) that are not secrets are options, and these:",
                    "",
                ]
            return [*lines, "| Option | What it does |", "| --- | --- |", *rows, ""]


def page() -> str:
    """Return the whole page."""
    lines = [HEAD]
    for name in COMMANDS:
        lines += _section(name)
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
