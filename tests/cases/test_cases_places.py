"""The folder is reached by a link, may not be looked at, is read-only or full: still one program, and true words."""

import os
import shutil
import subprocess
import sys

import pytest

from printer import COMMAND, PLAIN, PRINTS, kill_watchdog, programs
from rig import BIN, Rig
from tiny_disk import fill
from waiting import wait_until

RUN = (*PLAIN, "--quiet", "--", *COMMAND)


@pytest.fixture
def link(rig: Rig) -> str:
    """Another way to the folder."""
    rig.write("prints.py", PRINTS)
    path = rig.folder / "link"
    path.symlink_to(".")
    return str(path)


@pytest.mark.parametrize("state", ["kept", "lost"])
def test_F02_program_is_known_again_by_another_way_to_its_folder(rig: Rig, link: str, state: str) -> None:
    """Started through a link, its watchdog killed, perhaps all state lost: `run` in the folder itself adopts it."""
    rig.run("-C", link, *RUN)
    child = rig.child()
    kill_watchdog(rig)
    if state == "lost":
        shutil.rmtree(rig.folder / ".watchdog")
    rig.run(*RUN)
    rig.fact("adopted")
    assert not rig.facts("ended")
    assert rig.child() == child
    assert programs(rig) == [child]
    assert rig.cli("stop", "-C", link).returncode == 0


@pytest.mark.parametrize("linked", ["the folder", "the state folder"])
def test_F04_lost_state_behind_a_link_does_not_make_two(rig: Rig, link: str, linked: str) -> None:
    """The state folder is deleted under a living watchdog, and a link leads there: a second start is refused."""
    way = ("-C", link) if linked == "the folder" else ()
    if not way:
        (rig.folder / "elsewhere").mkdir()
        (rig.folder / ".watchdog").symlink_to("elsewhere")
    first = rig.run(*way, *RUN)
    child = rig.child()
    shutil.rmtree(rig.folder / ".watchdog" / "tracker")
    assert rig.run(*way, *RUN).wait(15) == 11
    assert str(first.pid) in rig.outputs[-1].read_text()
    assert programs(rig) == [child]
    first.terminate()
    assert first.wait(15) == 0


def test_T02_nobody_can_tell_is_never_called_not_running(rig: Rig) -> None:
    """The lock may not be looked at, as that of another user: each command says so with code 4, none says stopped."""
    place = rig.folder / ".watchdog" / "tracker"
    place.mkdir(parents=True)
    (place / "lock").symlink_to("lock")  # root may look at all else
    assert rig.status()["state"] == "unknown"
    assert rig.cli("check", "--watchdog").returncode == 4
    quiet = rig.cli("check")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (4, "", "")
    for words in (("stop",), ("restart",), ("pause",), ("resume",), ("upgrade",), ("report",)):
        found = rig.cli(*words)
        assert found.returncode == 4, words
        assert found.stderr.startswith("Error: cannot tell whether a watchdog runs here")
        assert found.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount of one's own takes root")
def test_T01_read_only_folder_hides_no_watchdog(rig: Rig) -> None:
    """The disk went read-only, or a neighbour has it mounted so: status and check tell the truth all the same."""
    rig.write("prints.py", PRINTS)
    rig.run(*RUN)
    rig.child()
    view = rig.folder / "view"
    view.mkdir()
    mount = f"mount --bind {rig.folder} {view} && mount -o remount,bind,ro {view} && exec "
    for words, code in (("check", 0), ("status", 0), ("check --watchdog", 0), ("pause", 0), ("check", 5)):
        command = f"{mount} {BIN}/watchdog {words} -C {view}"
        found = subprocess.run(
            ["unshare", "-m", "sh", "-c", command],
            env=rig.environment(),
            capture_output=True,
            timeout=40,
            check=False,
        )
        assert found.returncode == code, (words, found.stdout, found.stderr)
    assert rig.cli("stop").returncode == 0


def test_L07_full_disk_does_not_keep_a_program_from_its_watchdog(small_rig: Rig) -> None:
    """The watchdog is killed while the disk is full: the next one starts all the same and takes the program over."""
    rig = small_rig
    words = (*PLAIN, "--quiet", "--", sys.executable, "-S", "-c", "import time; time.sleep(600)")
    rig.run(*words)
    child = rig.child()
    kill_watchdog(rig)
    (rig.folder / ".watchdog" / "tracker" / "lock").write_bytes(b"")  # it needs a block again
    fill(rig.folder)
    second = rig.run(*words)
    wait_until(lambda: second.poll() is not None or _healthy(rig), "the second watchdog")
    assert second.poll() is None, rig.printed()
    assert rig.child() == child
    assert rig.cli("stop").returncode == 0


@pytest.mark.parametrize(
    ("taken", "says"),
    [
        ("logs", ("logs/tracker.watchdog.log: not a directory", "--log-dir")),
        (".watchdog", (".watchdog/tracker: not a directory", "-C")),
        (".watchdog/tracker/journal.jsonl/", ("journal.jsonl: is a directory", "-C")),
    ],
)
def test_place_that_is_taken_is_told_with_what_helps(rig: Rig, taken: str, says: tuple[str, str]) -> None:
    """A file where a folder should be, or the other way round: what it is, and the option that leads elsewhere."""
    place = rig.folder / taken
    if taken.endswith("/"):
        place.mkdir(parents=True)
    else:
        place.touch()
    assert rig.run(*PLAIN, "--", "true").wait(20) == 14
    [line] = rig.outputs[-1].read_text().splitlines()
    if place.is_dir():
        place.rmdir()
    assert all(word in line for word in says), line


def test_hints_lead_to_the_folder(rig: Rig) -> None:
    """Started with -C: what is said of other terminals names the folder, so that it works there as it stands."""
    place = rig.folder / "my bots"
    place.mkdir()
    rig.run("-C", "my bots", *PLAIN, "--restart", "never", "--", "true").wait(20)
    assert f"watchdog status -C '{place}' ·" in rig.outputs[-1].read_text()


def _healthy(rig: Rig) -> bool:
    return rig.cli("check").returncode == 0
