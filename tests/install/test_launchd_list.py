"""What stands in a property list for launchd."""

import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from boot_entries import entry
from watchdog_cli.install.entry import CannotSayError, read_mark
from watchdog_cli.install.launchd import Launchd

ODD = ["a b", '"<&>"', "o'b", "$HOME %h", "متتبع", "été", ""]


def test_the_list_says_what_launchd_needs() -> None:
    """Absolute words, started again after every end but an asked one, time to end, a program that may outlive us."""
    made = entry(command=["/usr/bin/node", *ODD], folder="/Users/été/my bot")
    found = plistlib.loads(Launchd().encode(made))
    assert found["Label"] == "tracker-watchdog.tracker"
    assert found["ProgramArguments"] == made.argv
    assert found["WorkingDirectory"] == "/Users/été/my bot"
    assert found["KeepAlive"] == {"SuccessfulExit": False}
    assert found["RunAtLoad"] is True
    assert found["AbandonProcessGroup"] is True
    assert found["ThrottleInterval"] == 30
    assert found["ExitTimeOut"] == 27
    assert found["ProcessType"] == "Background"
    assert found["UserName"] == "bot"
    assert "UserName" not in plistlib.loads(Launchd().encode(entry(system=False)))


def test_our_mark_is_found_again() -> None:
    """In a comment, whatever the folder is called."""
    for folder in ("/Users/me/bot", "/Users/me/a -- b <&amp;> é"):
        owned = read_mark(Launchd().decode(Launchd().encode(entry(folder=folder))))
        assert owned is not None
        assert owned.folder == folder


def test_what_xml_cannot_say_is_refused() -> None:
    """Control characters."""
    with pytest.raises(CannotSayError):
        Launchd().encode(entry(command=["/bin/x", "a\x01b"]))


def test_another_reader_understands_it(tmp_path: Path) -> None:
    """Plistutil reads the list and writes the same values again."""
    assert shutil.which("plistutil"), "install it with: apt-get install libplist-utils"
    made = entry(command=["/usr/bin/node", *ODD])
    path = tmp_path / "entry.plist"
    path.write_bytes(Launchd().encode(made))
    found = subprocess.run(
        ["plistutil", "-i", str(path), "-f", "xml"], capture_output=True, timeout=50, check=True
    )
    assert plistlib.loads(found.stdout) == plistlib.loads(path.read_bytes())


def test_where_it_lies_and_how_it_is_loaded() -> None:
    """Agents in the home, daemons in the machine's folder; a changed one is taken out first."""
    launchd = Launchd()
    home = {"HOME": "/Users/me"}
    assert (
        launchd.path("a", system=False, environ=home)
        == "/Users/me/Library/LaunchAgents/tracker-watchdog.a.plist"
    )
    assert launchd.path("a", system=True, environ=home) == "/Library/LaunchDaemons/tracker-watchdog.a.plist"
    steps = launchd.after_write("a", "/x.plist", system=True, start=True, changed=True)
    assert [step.words[1] for step in steps] == ["enable", "bootout", "bootstrap", "kickstart"]
    steps = launchd.after_write("a", "/x.plist", system=True, start=False, changed=True)
    assert [step.words[1] for step in steps] == ["enable"]
