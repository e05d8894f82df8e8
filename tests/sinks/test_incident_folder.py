"""Incidents on disk: whole or not at all, private, the newest twenty, and readable whatever lies beside them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from waiting import wait_until
from watchdog_cli.adapters import incident_folder
from watchdog_cli.adapters.incident_folder import IncidentFolder, is_id, list_incidents, read_file


def keep(folder: IncidentFolder, number: int, at: str = "2026-11-25T04:38:00.000Z") -> str:
    return folder.keep(
        "20261125T043800Z-exit",
        {"at": at, "number": number, "cause": "exit"},
        {"log.txt": f"line {number}\n"},
    )


def test_an_incident_is_whole_and_private(tmp_path: Path) -> None:
    """Record and texts in a folder of its own, readable by the owner only."""
    path = tmp_path / "logs" / "incidents"
    found = keep(IncidentFolder(str(path), "bot"), 3)
    assert sorted(entry.name for entry in (path / found).iterdir()) == ["incident.json", "log.txt"]
    assert {oct(entry.stat().st_mode & 0o777) for entry in (path, path / found)} == {"0o700"}
    assert {oct(entry.stat().st_mode & 0o777) for entry in (path / found).iterdir()} == {"0o600"}
    [record] = list_incidents(str(path), "bot")
    assert (record["id"], record["name"], record["number"], record["version"]) == (found, "bot", 3, 1)
    assert read_file(str(path), found, "log.txt") == "line 3\n"


def test_the_newest_twenty_are_kept_by_number_not_by_clock(tmp_path: Path) -> None:
    """The clock was set back meanwhile: the oldest runs go all the same, and those of another watchdog stay."""
    path = str(tmp_path / "incidents")
    keep(IncidentFolder(path, "other"), 1)
    folder = IncidentFolder(path, "bot")
    for number in range(1, 41):
        keep(folder, number, at=f"20{60 - number:02}-01-01T00:00:00.000Z")
    assert [record["number"] for record in list_incidents(path, "bot")] == list(range(40, 20, -1))
    assert len(list_incidents(path, "other")) == 1


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """The disk is full in the middle of a file: an error, no half folder, and the older ones are as before."""
    path = tmp_path / "incidents"
    keep(IncidentFolder(str(path), "bot"), 1)
    code = (
        "import resource, signal, sys\n"
        "from watchdog_cli.adapters.incident_folder import IncidentFolder\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    IncidentFolder(sys.argv[1], 'bot').keep('x-hang', {'at': 'now'}, {'log.txt': 'x' * 5000})\n"
        "except OSError as error:\n    print('failed', error.errno)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=30
    )
    assert found.stdout.startswith("failed")
    assert [record["number"] for record in list_incidents(str(path), "bot")] == [1]
    assert [entry.name for entry in path.iterdir()] == ["20261125T043800Z-exit"]


def test_a_place_that_is_no_folder_is_an_error_of_the_system(tmp_path: Path) -> None:
    """A file in the place of the folder: an OSError that names it."""
    (tmp_path / "incidents").write_text("mine")
    with pytest.raises(OSError, match="incidents"):
        keep(IncidentFolder(str(tmp_path / "incidents"), "bot"), 1)
    assert (tmp_path / "incidents").read_text() == "mine"


def test_a_kill_at_any_moment_leaves_whole_incidents_only(tmp_path: Path) -> None:
    """Killed while it writes one after the other: each that is listed is complete, and leftovers are swept later."""
    path = tmp_path / "incidents"
    code = (
        "import sys\nfrom watchdog_cli.adapters.incident_folder import IncidentFolder\n"
        "folder = IncidentFolder(sys.argv[1], 'bot')\n"
        "for number in range(100000):\n"
        "    folder.keep(f'i{number}', {'at': 'now', 'number': number}, {'log.txt': 'x' * 100000})\n"
    )
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)])
        wait_until(lambda: len(list_incidents(str(path), "bot")) >= 3, "some incidents")
        process.send_signal(signal.SIGKILL)
        process.wait()
        records = list_incidents(str(path), "bot")
        assert all(len(read_file(str(path), record["id"], "log.txt") or "") == 100_000 for record in records)
    for entry in path.iterdir():
        if entry.name.startswith("."):
            os.utime(entry, (1, 1))
    keep(IncidentFolder(str(path), "bot"), 10**6)
    assert not [entry.name for entry in path.iterdir() if entry.name.startswith(".")]


def test_foreign_things_beside_them_are_passed_over(tmp_path: Path) -> None:
    """Files, empty folders, damaged and huge records, a pipe: none is an incident, none is an error."""
    path = tmp_path / "incidents"
    found = keep(IncidentFolder(str(path), "bot"), 1)
    (path / "note.txt").write_text("mine")
    for name, content in {
        "empty": None,
        "half": "{",
        "deep": "[" * 100_000,
        "list": "[]",
        "when": '{"name": "bot"}',
        "nan": '{"name": "bot", "at": NaN}',
        "huge": "x" * 3_000_000,
    }.items():
        (path / name).mkdir()
        if content is not None:
            (path / name / "incident.json").write_text(content)
    (path / "pipe").mkdir()
    os.mkfifo(path / "pipe" / "incident.json")
    assert [record["id"] for record in list_incidents(str(path), "bot")] == [found, "nan"]
    assert list_incidents(str(tmp_path / "nowhere"), "bot") == []


@pytest.mark.parametrize("text", ["", "..", "../x", "a/b", "-n", "x" * 200, "a\0b", ".hidden", "a b", "سوق"])
def test_no_id_leads_elsewhere(tmp_path: Path, text: str) -> None:
    """An id that names another place is none, and nothing is read for it."""
    (tmp_path / "log.txt").write_text("secret")
    assert not is_id(text)
    assert read_file(str(tmp_path / "incidents"), text, "log.txt") is None
    assert read_file(str(tmp_path), "incidents", "../log.txt") is None


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    """Two ends in one second are two incidents."""
    folder = IncidentFolder(str(tmp_path / "i"), "bot")
    assert [keep(folder, number) for number in (1, 2, 3)] == [
        "20261125T043800Z-exit",
        "20261125T043800Z-exit-2",
        "20261125T043800Z-exit-3",
    ]


def test_records_are_json_for_everybody(tmp_path: Path) -> None:
    """UTF-8 as it is, and lone surrogates do no harm."""
    path = tmp_path / "i"
    IncidentFolder(str(path), "bot").keep("a", {"at": "x", "text": "سوق \udcff"}, {"log.txt": "\udcff"})
    assert "سوق" in json.loads((path / "a" / incident_folder.RECORD).read_text("utf-8"))["text"]
