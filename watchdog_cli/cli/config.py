"""``watchdog config``: which settings count here, and where each of them comes from."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from watchdog_cli.cli.options import HOW_TO_WRITE, GroupedCommand, folder_of, settings_options

if TYPE_CHECKING:
    from watchdog_cli.core.settings import Settings

JSON_VERSION = 1


@click.command("config", cls=GroupedCommand, epilog=HOW_TO_WRITE)
@click.option("--json", "as_json", is_flag=True, help="Print the settings for programs, in a stable form.")
@settings_options
def command(as_json: bool, directory: str | None, given: Mapping[str, object]) -> None:
    """Show the settings that count in this folder, and where each of them comes from.

    Takes the same options as 'watchdog run', so that you can try them before you run anything.
    """
    from watchdog_cli.adapters.config_file import load_settings

    settings = load_settings(folder_of(directory), given, pid1=os.getpid() == 1)
    click.echo(_as_json(settings) if as_json else _as_table(settings))


def _as_table(settings: "Settings") -> str:
    from watchdog_cli.core.options import GROUPS, OPTIONS

    rows = {
        setting: (
            setting.key,
            _shown(setting.show(settings.values[setting.key])),
            settings.origins[setting.key],
        )
        for setting in OPTIONS
    }
    key_width = max(len(key) for key, _, _ in rows.values())
    value_width = min(40, max(len(value) for _, value, _ in rows.values()))
    lines = [f"Settings of {settings.name} in {_shown(settings.folder)}"]
    for group in GROUPS:
        lines += ["", group]
        for setting, (key, value, origin) in rows.items():
            if setting.group == group:
                lines.append(f"  {key:{key_width}}  {value:{value_width}}  {origin}")
    return "\n".join(lines)


def _as_json(settings: "Settings") -> str:
    import json

    from watchdog_cli.core.options import OPTIONS

    table: dict[str, dict[str, Any]] = {}
    for setting in OPTIONS:
        value = settings.values[setting.key]
        entry = {
            "value": setting.show(value) if setting.secret else value,
            "origin": settings.origins[setting.key],
        }
        if setting.kind.unit:
            entry["unit"] = setting.kind.unit
        table[setting.key] = entry
    return json.dumps({"version": JSON_VERSION, "settings": table}, indent=2)


def _shown(text: str) -> str:
    """Make a path of any bytes printable."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
