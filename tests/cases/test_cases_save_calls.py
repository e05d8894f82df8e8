"""Each call of a save, in a real tracker under its watchdog, fails or is the last one (cases J01 and J09)."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig import QUICK, Rig
from save_shim.save_calls import SaveCalls
from tracker.backups import digest_of, parse_name
from waiting import wait_until
from watchdog_kit.atomic_file import is_abandoned

RUN = (*QUICK, "--restart-delay", "0", "--heartbeat-timeout", "30s", "--max-restarts", "unlimited", "--quiet")
TRACKER = (sys.executable, "-m", "tracker", "--source", "demo", "--cycle", "100ms")
OFTEN = ("--heartbeat-interval", "200ms", "--save-interval", "300ms")
STEPS = ["link", "create", "write", "flush", "rename", "flush"]


def beat(rig: Rig) -> dict[str, Any]:
    """The newest heartbeat."""
    try:
        found: dict[str, Any] = json.loads((rig.folder / "heartbeat.json").read_bytes())
    except FileNotFoundError:
        return {}
    return found


def next_run(rig: Rig, before: int) -> int:
    """The pid of the next tracker, as soon as it beats."""
    return int(wait_until(lambda: (p := beat(rig).get("pid", before)) != before and p, "another tracker", 60))


def saved(rig: Rig) -> set[str]:
    """The tokens in the main file, which is whole at any moment."""
    found = json.loads((rig.folder / "tracked_tokens.json").read_bytes())
    assert isinstance(found, dict)
    return set(found)


def backups(rig: Rig) -> list[Path]:
    """The backups."""
    return sorted((rig.folder / "backups").glob("*.json"))


@pytest.fixture
def calls(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SaveCalls]:
    """A running tracker whose calls can be made to fail."""
    made = SaveCalls(tmp_path_factory.mktemp("calls"), rig.folder, "tracked_tokens.")
    rig.run(*RUN, "--", *TRACKER, *OFTEN, **made.environment)
    next_run(rig, 0)
    yield made
    assert rig.cli("stop", limit_s=60).returncode == 0
    assert "Traceback" not in (rig.folder / "logs" / "tracker.log").read_text()
    assert not list(rig.folder.glob("**/*.wdtmp"))
    for path in backups(rig):
        told = parse_name(path.name)
        assert told is not None
        assert told.digest == digest_of(path.read_bytes())
        assert set(json.loads(path.read_bytes())) == saved(rig)


def test_J01_save_writes_flushes_renames_and_flushes_the_folder(rig: Rig, calls: SaveCalls) -> None:
    """Each save: all of it beside the old file, to the disk, into its place, and the place to the disk, too."""
    wait_until(lambda: calls.trace().count("rename tracked_tokens.json") > 3, "four saves", 40)
    found: list[list[str]] = [[]]
    for line in calls.trace():
        verb, name = line.split()
        if verb == "write" and found[-1][-1:] == ["write"]:
            continue  # a long list takes several
        if verb == "link":  # the old one becomes a backup
            found.append([])
        elif verb != "flush":
            assert name.endswith(".wdtmp") == (verb != "rename"), line
        elif name != rig.folder.name:
            assert name.endswith(".wdtmp"), line
        found[-1].append(verb)
    assert found[0] == STEPS[1:], "the first one has no predecessor"
    assert found[1:-1] == [STEPS] * (len(found) - 2)


@pytest.mark.parametrize("call", ["flush", "rename"])
@pytest.mark.timeout(120)
def test_J01_failing_call_leaves_the_old_content(rig: Rig, calls: SaveCalls, call: str) -> None:
    """For a while each flush, or each rename, fails: the file stays whole, it is told, and saving comes back."""
    main = rig.folder / "tracked_tokens.json"
    pid = rig.child()
    calls.break_all(call)
    wait_until(
        lambda: "cannot save" in (rig.folder / "logs" / "tracker.log").read_text(), "a word about it", 60
    )
    old = main.read_bytes()
    failed = calls.trace().count(f"REFUSED {call}")
    wait_until(lambda: calls.trace().count(f"REFUSED {call}") > failed + 2, "more tries", 60)
    assert main.read_bytes() == old
    calls.mend()
    wait_until(lambda: main.read_bytes() != old, "the next save", 40)
    assert saved(rig) >= set(json.loads(old))
    assert wait_until(lambda: beat(rig).get("saveErrors", 0), "the count in the heartbeat", 40) > 0
    assert rig.child() == pid
    assert not rig.facts("ended", "hang")


@pytest.mark.timeout(240)
def test_J01_any_call_that_fails_leaves_the_old_or_the_new_list(rig: Rig, calls: SaveCalls) -> None:
    """Link, create, write, flush, rename, flush of the folder fail in turn: the list is whole, the next save works."""
    wait_until(lambda: len(backups(rig)) >= 2, "saves", 60)
    pid, names = beat(rig)["pid"], saved(rig)
    for number in range(1, len(STEPS) + 1):
        seen = len(calls.trace())
        calls.fail_at(number)

        def saved_again(seen: int = seen) -> bool:
            assert saved(rig) == names
            later = calls.trace()[seen:]
            failed = next((at for at, line in enumerate(later) if line.startswith("REFUSED")), len(later))
            return "rename tracked_tokens.json" in later[failed + 1 :]

        wait_until(saved_again, f"a save after call {number} failed", 60)
    refused = [line.split()[1] for line in calls.trace() if line.startswith("REFUSED")]
    assert len(refused) == len(STEPS)
    wait_until(lambda: beat(rig)["saveErrors"] > 0, "the count in the heartbeat", 60)
    assert "input/output error" in (rig.folder / "logs" / "tracker.log").read_text()
    assert beat(rig)["pid"] == pid
    assert not rig.facts("hang", "ended")


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_J09_killed_at_each_call_of_a_save(rig: Rig, calls: SaveCalls) -> None:
    """Killed in the place of each of the six calls: the list loads, leftovers are swept, ten good backups stay."""
    wait_until(lambda: len(backups(rig)) >= 10, "ten backups", 90)
    pid, names = beat(rig)["pid"], saved(rig)
    for number in range(1, len(STEPS) + 1):
        calls.die_at(number)
        pid = next_run(rig, pid)
        assert saved(rig) == names
        left = [path for path in rig.folder.glob("**/*.wdtmp") if is_abandoned(path.name)]
        assert not left, left
    assert calls.done == len(STEPS)
    assert {"link", "create", "write", "flush", "rename"} >= {
        line.split()[1] for line in calls.trace() if line.startswith("REFUSED")
    }
    assert "from backup" not in (rig.folder / "logs" / "tracker.log").read_text()
    wait_until(lambda: len(backups(rig)) == 10, "the next save to take away what is too much", 60)
    assert [fact["cause"] for fact in rig.facts("ended")] == ["signal"] * len(STEPS)
