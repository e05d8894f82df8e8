"""launchd: one property list for each watchdog. Written from launchd.plist(5); it has not been run on a Mac."""

import os
import plistlib
from collections.abc import Mapping
from typing import Any

from watchdog_cli.install.entry import STOP_MARGIN_S, CannotSayError, Entry, Format, Step

THROTTLE_S = 30  # between two starts: a watchdog that gave up is tried again no more often than that
_HEAD = b"<plist "


class Launchd(Format):
    """Agents of a user and daemons of the machine."""

    title = "launchd"

    def unit(self, name: str) -> str:
        """The label."""
        return f"tracker-watchdog.{name}"

    def path(self, name: str, *, system: bool, environ: Mapping[str, str]) -> str:
        """Where launchd looks for such lists."""
        file = f"{self.unit(name)}.plist"
        if system:
            return f"/Library/LaunchDaemons/{file}"
        home = environ.get("HOME") or os.path.expanduser("~")
        return os.path.join(home, "Library", "LaunchAgents", file)

    def encode(self, entry: Entry) -> bytes:
        """The property list, with our mark as a comment."""
        try:
            content = plistlib.dumps(_record(self.unit(entry.name), entry), sort_keys=False)
        except (ValueError, UnicodeEncodeError) as error:
            raise CannotSayError("a word has control characters or bytes that are no UTF-8") from error
        mark = f"<!-- {entry.mark()} -->\n".encode()
        return content.replace(_HEAD, mark + _HEAD, 1)

    def objection(self, *, system: bool, environ: Mapping[str, str]) -> str | None:
        """Why nothing can be installed here."""
        del environ
        if system and os.geteuid() != 0:
            return "a system entry needs root; use sudo, or --user"
        return None

    def _domain(self, *, system: bool) -> str:
        return "system" if system else f"gui/{os.getuid() if hasattr(os, 'getuid') else 'UID'}"

    def after_write(self, name: str, path: str, *, system: bool, start: bool, changed: bool) -> list[Step]:
        """Load it; RunAtLoad starts it."""
        domain = self._domain(system=system)
        label = f"{domain}/{self.unit(name)}"
        found = [Step(["launchctl", "enable", label])]
        if start:
            if changed:
                found.append(Step(["launchctl", "bootout", label], may_fail=True))
            found.append(Step(["launchctl", "bootstrap", domain, path], may_fail=not changed))
            found.append(Step(["launchctl", "kickstart", label]))  # does nothing when it runs
        return found

    def before_remove(self, name: str, path: str, *, system: bool) -> list[Step]:
        """Unload it, which stops it."""
        del path
        label = f"{self._domain(system=system)}/{self.unit(name)}"
        return [Step(["launchctl", "bootout", label], may_fail=True)]

    def hints(self, name: str, *, system: bool) -> list[str]:
        """How to look at it."""
        found = [f"look:  launchctl print {self._domain(system=system)}/{self.unit(name)}"]
        if not system:
            found.append(
                "it starts when you log in; to start it at boot:  sudo watchdog install --system ..."
            )
        return found


def _record(label: str, entry: Entry) -> dict[str, Any]:
    record: dict[str, Any] = {
        "Label": label,
        "ProgramArguments": entry.argv,
        "WorkingDirectory": entry.folder,
        "EnvironmentVariables": {"PATH": entry.path},
        "RunAtLoad": True,
        # A stop that somebody asked for (exit 0) is not undone; every other end is followed by a new start.
        "KeepAlive": {"SuccessfulExit": False} if entry.restart_any_end else {"Crashed": True},
        "ThrottleInterval": THROTTLE_S,
        "ExitTimeOut": entry.stop_s + STOP_MARGIN_S,
        "AbandonProcessGroup": True,  # the program outlives a killed watchdog, and the next one adopts it
        "ProcessType": "Background",
    }
    if entry.system and entry.user is not None:
        record["UserName"] = entry.user
    return record
