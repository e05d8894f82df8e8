"""Cases of the tracker's saving, seen from outside: its files are what counts."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from rig import Rig
from telegram_server import TelegramServer
from tracker_case import FAST, RUN, TRACKER, beat, saved
from waiting import wait_until

DEMO = ("--source", "demo", *FAST)


def backups(folder: Path) -> list[Path]:
    """The copies, newest first."""
    return sorted((folder / "backups").glob("tracked_tokens.*.json"), reverse=True)


# --- J02: a damaged list ----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["empty", "NUL", "cut", "another shape"])
@pytest.mark.timeout(90)
def test_J02_bad_list_is_set_aside_and_the_newest_valid_copy_is_loaded(rig: Rig, damage: str) -> None:
    """The list and the two newest copies are bad: the third is loaded, the bad ones are kept, and people are told."""
    rig.run(*RUN, "--", *TRACKER, *DEMO)
    wait_until(lambda: len(backups(rig.folder)) >= 4, "four copies", 60)
    assert rig.cli("stop").returncode == 0
    copies = backups(rig.folder)
    third = json.loads(copies[2].read_text())
    main = rig.folder / "tracked_tokens.json"
    content = main.read_bytes()
    bad = {
        "empty": b"",
        "NUL": b"\0" * 4096,
        "cut": content[: len(content) // 2],
        "another shape": b'["a", 1]',
    }
    main.unlink()
    main.write_bytes(bad[damage])
    for copy in copies[:2]:
        copy.unlink()  # copies are links to what was the list
        copy.write_bytes(bad[damage])
    with TelegramServer() as chat:
        told = {
            "TRACKER_TELEGRAM_TOKEN": chat.token,
            "TRACKER_TELEGRAM_CHAT": "42",
            "TRACKER_TELEGRAM_URL": chat.url,
        }
        rig.run(*RUN, "--", *TRACKER, *DEMO, "--fail-for", "1h", **told)
        wait_until(lambda: any("backup" in text for text in chat.texts()), "an alert", 40)
        assert rig.cli("stop").returncode == 0
    now = saved(rig.folder)
    assert {mint: token["startTime"] for mint, token in now.items()} == {
        mint: token["startTime"] for mint, token in third.items()
    }
    assert {mint: token["lastPrice"] for mint, token in now.items()} == {
        mint: token["lastPrice"] for mint, token in third.items()
    }
    aside = list(rig.folder.glob("tracked_tokens.damaged-*.json"))
    assert [path.read_bytes() for path in aside] == [bad[damage]]
    log = (rig.folder / "logs" / "tracker.log").read_text()
    assert copies[2].name in log


@pytest.mark.timeout(90)
def test_J04_failed_save_is_shown_and_ends_by_itself(rig: Rig) -> None:
    """The disk is full during saves: the old list is whole, the count is in the heartbeat, saving comes back."""
    if os.geteuid() != 0:
        pytest.fail("this case mounts a small disk; run it as root")
    work = rig.folder / "small"
    work.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "small", str(work)], check=True)
    try:
        rig.run(*RUN, "--", *TRACKER, *DEMO, "-C", str(work), "--heartbeat-interval", "300ms")
        old = wait_until(lambda: saved(work), "a first save", 40)
        filler = work / "filler"
        with filler.open("wb", buffering=0) as file:
            _fill(file)
            wait_until(lambda: _refill(file) or "cannot save" in _log(rig), "a word about it", 40)
        assert saved(work).keys() >= old.keys()
        filler.unlink()
        wait_until(lambda: beat(rig.folder).get("saveErrors", 0) > 0, "the count in the heartbeat", 40)
        before = beat(rig.folder)["lastSave"]
        wait_until(lambda: beat(rig.folder)["lastSave"] != before, "a save", 40)
        assert rig.status()["heartbeat"]["fields"]["saveErrors"] > 0
        assert not rig.facts("ended", "hang")
        assert rig.cli("stop").returncode == 0
        assert saved(work).keys() >= old.keys()
    finally:
        subprocess.run(["umount", "--lazy", str(work)], check=True)


def _fill(file: Any) -> None:
    try:
        while True:
            file.write(b"\0" * 4096)
    except OSError:
        return


def _refill(file: Any) -> bool:
    _fill(file)
    return False


def _log(rig: Rig) -> str:
    return (rig.folder / "logs" / "tracker.log").read_text()


# --- J09: hard ends while saving --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_J09_hard_ends_while_saving_leave_one_temporary_file_at_most(rig: Rig) -> None:
    """Fifty kills, each at a moment in which a save has begun: then one leftover at most, and ten valid copies."""
    chance = random.Random(9)
    slow = ("--source", "demo", "--cycle", "100ms", "--save-interval", "100ms", "--heartbeat-interval", "10s")
    rig.run(*RUN, "--restart-delay", "0", "--max-restarts", "unlimited", "--", *TRACKER, *slow)
    killed: set[int] = set()
    for _ in range(50):
        pid = int(wait_until(lambda: _new_one(rig, killed), "the next tracker", 60))
        wait_until((rig.folder / "tracked_tokens.json").exists, "a list", 30)
        end = time.monotonic() + chance.uniform(0.0, 0.1)
        # Looks each 50 ms could keep step with saves each 100 ms, and miss them all.
        wait_until(
            lambda at=end: time.monotonic() > at and _leftovers(rig),  # type: ignore[misc]
            "a save under way",
            30,
            pause_s=0.0005,
        )
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
    wait_until(lambda: _new_one(rig, killed), "the last tracker", 60)
    mark = beat(rig.folder)
    wait_until(lambda: beat(rig.folder) != mark and beat(rig.folder).get("lastSave"), "a save", 30)
    assert rig.cli("stop").returncode == 0
    assert len(_leftovers(rig)) <= 1
    verdict = subprocess.run(
        [*TRACKER, "verify"],
        cwd=rig.folder,
        env=rig.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert verdict.returncode == 0, verdict.stdout
    assert "damaged" not in verdict.stdout
    assert len(backups(rig.folder)) == 10
    assert saved(rig.folder)


def _leftovers(rig: Rig) -> list[Path]:
    return list(rig.folder.glob("*tracked_tokens*.wdtmp"))


def _new_one(rig: Rig, killed: set[int]) -> int:
    found = [
        pid
        for pid, line in rig.marked().items()
        if " -m tracker" in line and " run " not in line and pid not in killed
    ]
    return found[0] if found else 0
