"""Windows Task Scheduler: one task for each watchdog, as XML in the shape that the scheduler itself exports.

Source: the task scheduler schema of Microsoft (element order matters); written without a real Windows at hand.
"""

import ntpath
import os
import subprocess
from collections.abc import Mapping
from xml.sax.saxutils import escape

from watchdog_cli.install.entry import CannotSayError, Entry, Format, Step

SYSTEM_ID = "S-1-5-18"
AGAIN = "PT5M"  # the safety net: started when it does not run; the scheduler itself tries 255 times only


class TaskScheduler(Format):
    """Tasks at boot, as a user or as SYSTEM."""

    title = "task-scheduler"
    of_windows = True

    def unit(self, name: str) -> str:
        """The name of the task."""
        return f"tracker-watchdog-{name}"

    def path(self, name: str, *, system: bool, environ: Mapping[str, str]) -> str:
        """The scheduler keeps a copy of its own; ours says what we gave it."""
        key, rest = ("PROGRAMDATA", "C:\\ProgramData") if system else ("LOCALAPPDATA", "")
        base = environ.get(key) or rest or ntpath.join(os.path.expanduser("~"), "AppData", "Local")
        return ntpath.join(base, "tracker-watchdog", f"{self.unit(name)}.xml")

    def encode(self, entry: Entry) -> bytes:
        """UTF-16 with its mark, the only form that every schtasks reads."""
        text = task_text(self.unit(entry.name), entry)
        try:
            return text.replace("\n", "\r\n").encode("utf-16")
        except UnicodeEncodeError as error:
            raise CannotSayError("a word is not made of characters") from error

    def decode(self, content: bytes) -> str:
        """The XML as text."""
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
        return text.replace("\r\n", "\n")

    def objection(self, *, system: bool, environ: Mapping[str, str]) -> str | None:
        """Schtasks says it better than we could guess it."""
        del system, environ
        return None

    def after_write(self, name: str, path: str, *, system: bool, start: bool, changed: bool) -> list[Step]:
        """Create or replace the task, and run it."""
        del system
        unit = self.unit(name)
        found = [Step(["schtasks", "/create", "/tn", unit, "/xml", path, "/f"])]
        if start:
            if changed:
                found.append(Step(["schtasks", "/end", "/tn", unit], may_fail=True))
            found.append(Step(["schtasks", "/run", "/tn", unit]))
        return found

    def before_remove(self, name: str, path: str, *, system: bool) -> list[Step]:
        """End it and delete it."""
        del path, system
        unit = self.unit(name)
        return [
            Step(["schtasks", "/end", "/tn", unit], may_fail=True),
            Step(["schtasks", "/delete", "/tn", unit, "/f"]),
        ]

    def hints(self, name: str, *, system: bool) -> list[str]:
        """How to look at it, and that the safety net also follows a stop."""
        del system
        unit = self.unit(name)
        keep = f"schtasks /change /tn {unit} /disable"
        return [
            f"look:  schtasks /query /tn {unit} /v /fo list",
            f"any end is followed by a start within 5 minutes, also `watchdog stop`; to keep it stopped:  {keep}",
        ]


def task_text(unit: str, entry: Entry) -> str:
    """The task.

    Raises:
        CannotSayError: an argument has characters that XML cannot hold.
    """
    program, *arguments = entry.argv
    for word in (*entry.argv, entry.folder):
        if any(character < " " or character in "\x7f\ufffe\uffff" for character in word):
            raise CannotSayError(f"{word!r} has control characters")
    if entry.system:
        principal = f"      <UserId>{SYSTEM_ID}</UserId>\n"
    else:
        user = f"      <UserId>{escape(entry.user)}</UserId>\n" if entry.user else ""
        principal = f"{user}      <LogonType>S4U</LogonType>\n"  # runs also when nobody is logged in
    level = "HighestAvailable" if entry.system else "LeastPrivilege"
    return f"""\
<?xml version="1.0" encoding="UTF-16"?>
<!-- {entry.mark()} -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>watchdog over {escape(entry.name)}; to remove it: watchdog uninstall</Description>
    <URI>\\{escape(unit)}</URI>
  </RegistrationInfo>
  <Triggers>
    <BootTrigger>
      <Enabled>true</Enabled>
    </BootTrigger>
    <TimeTrigger>
      <Repetition>
        <Interval>{AGAIN}</Interval>
        <StopAtDurationEnd>false</StopAtDurationEnd>
      </Repetition>
      <StartBoundary>2024-01-01T00:00:00</StartBoundary>
      <Enabled>true</Enabled>
    </TimeTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
{principal}      <RunLevel>{level}</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <IdleSettings>
      <StopOnIdleEnd>false</StopOnIdleEnd>
      <RestartOnIdle>false</RestartOnIdle>
    </IdleSettings>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>false</WakeToRun>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>255</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{escape(program)}</Command>
      <Arguments>{escape(subprocess.list2cmdline(arguments))}</Arguments>
      <WorkingDirectory>{escape(entry.folder)}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""
