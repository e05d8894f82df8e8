"""What stands in a task for the Windows Task Scheduler (case W09)."""

from xml.etree import ElementTree as ET

import pytest

from boot_entries import entry
from watchdog_cli.install.entry import CannotSayError, Entry, read_mark
from watchdog_cli.install.task_scheduler import TaskScheduler

SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def task(made: Entry) -> ET.Element:
    """The task as a reader of XML sees it."""
    content = TaskScheduler().encode(made)
    assert content.startswith(b"\xff\xfe"), "UTF-16 with its mark"
    return ET.fromstring(content.decode("utf-16").replace(' encoding="UTF-16"', ""))


def texts(found: ET.Element, path: str) -> list[str | None]:
    """The texts at a path."""
    return [one.text for one in found.findall("/".join(f"{SPACE}{part}" for part in path.split("/")))]


def test_W09_the_task_lives_for_ever_and_runs_once() -> None:
    """No time limit, batteries ignored, one instance, started at boot and again within 5 minutes, the right folder."""
    found = task(entry(folder="C:\\Users\\été متتبع\\my bot", interpreter="C:\\venv\\python.exe"))
    for path, value in {
        "Settings/ExecutionTimeLimit": "PT0S",
        "Settings/DisallowStartIfOnBatteries": "false",
        "Settings/StopIfGoingOnBatteries": "false",
        "Settings/MultipleInstancesPolicy": "IgnoreNew",
        "Settings/StartWhenAvailable": "true",
        "Settings/RunOnlyIfIdle": "false",
        "Settings/RestartOnFailure/Interval": "PT1M",
        "Triggers/BootTrigger/Enabled": "true",
        "Triggers/TimeTrigger/Repetition/Interval": "PT5M",
        "Principals/Principal/UserId": "S-1-5-18",
        "Actions/Exec/Command": "C:\\venv\\python.exe",
        "Actions/Exec/WorkingDirectory": "C:\\Users\\été متتبع\\my bot",
    }.items():
        assert texts(found, path) == [value], path


def test_the_order_is_that_of_the_schema() -> None:
    """The scheduler refuses a task whose parts stand in another order."""
    parts = [one.tag.removeprefix(SPACE) for one in task(entry())]
    assert parts == ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]


def test_a_users_task_runs_as_that_user() -> None:
    """Also when nobody is logged in, without a password, and without the rights of an administrator."""
    found = task(entry(system=False, user="PC\\مستخدم"))
    assert texts(found, "Principals/Principal/UserId") == ["PC\\مستخدم"]
    assert texts(found, "Principals/Principal/LogonType") == ["S4U"]
    assert texts(found, "Principals/Principal/RunLevel") == ["LeastPrivilege"]


def test_arguments_are_quoted_for_windows() -> None:
    """Blanks, quotes and trailing backslashes arrive by the rules of the C library there."""
    found = task(entry(command=["C:\\a b\\x.exe", 'say "hi"', "C:\\end\\", "<&>", ""]))
    (arguments,) = texts(found, "Actions/Exec/Arguments")
    assert arguments is not None
    assert arguments.endswith('-- "C:\\a b\\x.exe" "say \\"hi\\"" C:\\end\\ <&> ""')


def test_our_mark_is_found_again() -> None:
    """In a comment; and control characters, which XML cannot hold, are refused."""
    scheduler = TaskScheduler()
    owned = read_mark(scheduler.decode(scheduler.encode(entry(folder="C:\\a -- b & é"))))
    assert owned is not None
    assert owned.folder == "C:\\a -- b & é"
    with pytest.raises(CannotSayError):
        scheduler.encode(entry(command=["C:\\x.exe", "a\nb"]))


def test_the_scheduler_is_told_in_order() -> None:
    """Created from our file and run; ended before it is deleted."""
    scheduler = TaskScheduler()
    path = scheduler.path("a", system=False, environ={"LOCALAPPDATA": "C:\\Users\\me\\AppData\\Local"})
    assert path == "C:\\Users\\me\\AppData\\Local\\tracker-watchdog\\tracker-watchdog-a.xml"
    steps = scheduler.after_write("a", path, system=False, start=True, changed=True)
    assert [step.words[1] for step in steps] == ["/create", "/end", "/run"]
    assert steps[0].words[2:] == ["/tn", "tracker-watchdog-a", "/xml", path, "/f"]
    steps = scheduler.before_remove("a", path, system=False)
    assert [step.words[1] for step in steps] == ["/end", "/delete"]
