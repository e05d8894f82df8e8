"""Find and read incidents, for whoever shows them: the command line and the page."""

import os
from typing import Any

from watchdog_cli.adapters import incident_folder
from watchdog_cli.core.errors import UsageError
from watchdog_cli.sinks.incident_text import summary
from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.takeover import read_snapshot
from watchdog_kit.records import dataclass

NEWEST = "last"


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident with all its files.

    Args:
        record: ``incident.json``; docs/incidents.md describes its fields.
        texts: the other files by name; those that are there.
        path: its folder.
    """

    record: dict[str, Any]
    texts: dict[str, str]
    path: str

    def summary(self, lines: int) -> str:
        """Return it as a text for people, with the last lines of the log."""
        return summary(self.record, self.texts, lines=lines)


def incidents_path(folder: str, name: str, log_dir: str | None = None) -> str:
    """Return where the incidents of a watchdog are: where the newest one of this name has written them.

    Args:
        log_dir: what the command line says; None: what the state says, else the settings.
    """
    if log_dir is None:
        snapshot, _ = read_snapshot(Places(folder, name), repair=False)
        if snapshot is not None:
            log_dir = snapshot.log_dir
        else:
            from watchdog_cli.adapters.config_file import load_settings

            log_dir = load_settings(folder, {}).log_dir
    return Places(folder, name, log_dir).incidents


def read_incidents(folder: str, name: str, log_dir: str | None = None) -> list[dict[str, Any]]:
    """Return the records of all incidents that are kept, newest first."""
    return incident_folder.list_incidents(incidents_path(folder, name, log_dir), name)


def read_incident(folder: str, name: str, wanted: str, log_dir: str | None = None) -> Incident:
    """Return one incident.

    Args:
        wanted: its id, any part that only one id has, or ``last``.
    Raises:
        UsageError: there is none, or more than one.
    """
    path = incidents_path(folder, name, log_dir)
    records = incident_folder.list_incidents(path, name)
    exact = [record for record in records if record["id"] == wanted]
    found = exact or [record for record in records if wanted and wanted in record["id"]]
    if wanted == NEWEST:
        found = records[:1]
    if not found:
        raise UsageError(f"there is no incident {wanted!r}; 'watchdog incidents' lists those that are kept")
    if len(found) > 1:
        ids = ", ".join(record["id"] for record in found[:5])
        raise UsageError(f"{wanted!r} stands for {len(found)} incidents ({ids}); write more of it")
    record = found[0]
    names = ("log.txt", "stacks.txt", "process.txt")
    files = {file: incident_folder.read_file(path, record["id"], file) for file in names}
    texts = {file: text for file, text in files.items() if text is not None}
    return Incident(record, texts, os.path.join(path, record["id"]))
