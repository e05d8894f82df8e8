"""Cases of the tracker, seen from outside: it runs under the watchdog, and its files are what counts."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from price_server import (
    PriceServer,
    body,
    close_at_once,
    cut_short,
    drip,
    hang,
    html,
    pool,
    redirect_loop,
    status,
)
from rig import QUICK, Rig
from telegram_server import TelegramServer
from waiting import wait_until

RUN = (*QUICK, "--quiet", "--heartbeat-timeout", "10s", "--start-grace", "30s")
TRACKER = (sys.executable, "-m", "tracker")
FAST = ("--cycle", "200ms", "--heartbeat-interval", "300ms", "--save-interval", "300ms", "--no-rugcheck")
DEMO = ("--source", "demo", *FAST)
MINT = "So11111111111111111111111111111111111111112"
OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
DEX, GECKO, COIN = "/tokens/v1/", "/api/v2/", "/api/v3/"


@pytest.fixture
def server() -> Iterator[PriceServer]:
    """A price service that knows one token."""
    with PriceServer() as running:
        running.prices[MINT] = [pool(1.0)]
        yield running


def saved(folder: Path) -> dict[str, Any]:
    """The list as a strict reader finds it: NaN and infinity are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} in tracked_tokens.json")

    try:
        text = (folder / "tracked_tokens.json").read_text()
    except FileNotFoundError:
        return {}
    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def beat(folder: Path) -> dict[str, Any]:
    """The last heartbeat."""
    try:
        found: dict[str, Any] = json.loads((folder / "heartbeat.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def listed(folder: Path, *mints: str) -> None:
    """A list as an earlier tracker left it."""
    (folder / "tracked_tokens.json").write_text(json.dumps({mint: {"token": mint} for mint in mints}))


def backups(folder: Path) -> list[Path]:
    """The copies, newest first."""
    return sorted((folder / "backups").glob("tracked_tokens.*.json"), reverse=True)


def price(folder: Path, mint: str = MINT) -> float | None:
    """The last price that was saved."""
    found = saved(folder).get(mint, {}).get("lastPrice")
    return None if found is None else float(found)


# --- J01: the order of a save -----------------------------------------------------------------------------


TRACE = (
    "strace",
    "-f",
    "-y",
    "-qq",
    "-s",
    "16",
    "-e",
    "trace=write,fsync,fdatasync,rename,renameat,renameat2",
)


def _require_strace() -> None:
    assert shutil.which("strace"), "these cases trace real calls; install strace (apt-get install strace)"


@pytest.mark.timeout(90)
def test_J01_save_writes_flushes_renames_and_flushes_the_folder(rig: Rig) -> None:
    """Each save, as the kernel saw it: all of the file beside the old one, to the disk, in its place, the place too."""
    _require_strace()
    rig.run(*RUN, "--", *TRACE, "-o", str(rig.folder / "trace"), *TRACKER, *DEMO)
    wait_until(lambda: (rig.folder / "trace").exists() and _saves(rig)[3:], "four saves", 60)
    assert rig.cli("stop").returncode == 0
    calls = (rig.folder / "trace").read_text().splitlines()
    for at in _saves(rig):
        match = re.search(r'"([^"]*\.wdtmp)"', calls[at])
        assert match, calls[at]
        name = match[1].rpartition("/")[2]
        before = [line for line in calls[:at] if f"{name}>" in line]
        assert "write(" in before[0]
        assert "fsync(" in before[-1]
        folder = re.escape(str(rig.folder.resolve()))
        assert any(re.search(rf"fsync\(\d+<{folder}>", line) for line in calls[at:]), "the folder is flushed"


def _saves(rig: Rig) -> list[int]:
    calls = (rig.folder / "trace").read_text().splitlines()
    return [
        at
        for at, line in enumerate(calls)
        if "rename" in line and line.rstrip().endswith('tracked_tokens.json") = 0')
    ]


@pytest.mark.parametrize("call", ["fsync", "rename"])
@pytest.mark.timeout(120)
def test_J01_failing_call_leaves_the_old_content(rig: Rig, call: str) -> None:
    """For a while each flush, or each rename, fails: the file stays whole, it is told, and saving comes back."""
    _require_strace()
    rig.run(*RUN, "--", *TRACKER, *DEMO)
    wait_until(lambda: saved(rig.folder) and beat(rig.folder).get("lastSave"), "a first save", 40)
    pid = rig.child()
    with (rig.folder / "trace").open("wb") as trace:
        breaker = subprocess.Popen(
            ["strace", "-f", "-qq", "-e", f"trace={call}", f"--inject={call}:error=EIO", "-p", str(pid)],
            stderr=trace,
        )
    try:
        wait_until(lambda: "cannot save" in _log(rig), "a word about it", 60)
        old = (rig.folder / "tracked_tokens.json").read_bytes()
        failed = _failed(rig, call)
        wait_until(lambda: _failed(rig, call) > failed + 2, "more tries", 60)
        assert (rig.folder / "tracked_tokens.json").read_bytes() == old
    finally:
        breaker.send_signal(signal.SIGINT)  # it lets go, and every call works again
        breaker.wait(20)
    wait_until(lambda: (rig.folder / "tracked_tokens.json").read_bytes() != old, "the next save", 40)
    assert saved(rig.folder).keys() >= json.loads(old).keys()
    assert wait_until(lambda: beat(rig.folder).get("saveErrors", 0), "the count in the heartbeat", 40) > 0
    assert rig.child() == pid
    assert not rig.facts("ended", "hang")
    assert rig.cli("stop").returncode == 0


def _failed(rig: Rig, call: str) -> int:
    text = (rig.folder / "trace").read_text()
    return sum(call in line and "(INJECTED)" in line for line in text.splitlines())


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


# --- J04: one bad value -----------------------------------------------------------------------------------


@pytest.mark.timeout(90)
def test_J04_bad_value_of_one_token_costs_no_other(rig: Rig, server: PriceServer) -> None:
    """NaN, infinity, and numbers beyond all measure in one token and its prices: strict JSON, the others go on."""
    server.prices[OTHER] = [
        pool("NaN"),
        pool("Infinity", "Pool2"),
        pool("1e400", "Pool3"),
        pool(-1.0, "Pool4"),
    ]
    (rig.folder / "tracked_tokens.json").write_text(
        f'{{"{OTHER}": {{"token": "{OTHER}", "firstPrice": NaN, "highestPrice": Infinity, "lastPrice": 1e400,'
        f' "solValue": -Infinity, "name": "odd \\ud800"}}, "{MINT}": {{"token": "{MINT}"}}}}'
    )
    rig.run(*RUN, "--", *TRACKER, *server.options(), *FAST)
    wait_until(lambda: beat(rig.folder).get("lastSave") and price(rig.folder), "a save", 40)
    server.prices[MINT] = [pool(1.5)]
    wait_until(lambda: price(rig.folder) == 1.5, "the next price of the other", 40)
    odd = saved(rig.folder)[OTHER]
    assert odd["token"] == OTHER
    assert [odd.get(name) for name in ("firstPrice", "highestPrice", "lastPrice", "solValue")] == [None] * 4
    assert rig.healthy()["health"] == "healthy"
    assert rig.cli("stop").returncode == 0


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


# --- J05: Retry-After -------------------------------------------------------------------------------------


@pytest.mark.timeout(90)
@pytest.mark.parametrize("form", ["seconds", "date", "none"])
def test_J05_retry_after_is_obeyed_and_the_last_price_stays(rig: Rig, server: PriceServer, form: str) -> None:
    """429 from every service: no call inside the pause, the tracker beats on, the watchdog does nothing."""
    listed(rig.folder, MINT)
    rig.run(*RUN, "--", *TRACKER, *server.options(), *FAST)
    wait_until(lambda: price(rig.folder) == 1.0, "the first price", 40)
    good = len(server.calls_of(DEX))
    for path in (DEX, GECKO, COIN):
        headers = {}
        if form == "seconds":
            headers = {"Retry-After": "4"}
        elif form == "date":
            headers = {"Retry-After": formatdate(time.time() + 5, usegmt=True)}
        server.always(path, status(429, headers))
    server.prices[MINT] = [pool(2.0)]
    wait_until(lambda: beat(rig.folder).get("status") == "degraded", "degraded", 40)
    pid = beat(rig.folder)["pid"]
    seq = beat(rig.folder)["seq"]
    wait_until(lambda: beat(rig.folder)["seq"] > seq + 2, "beats inside the pause", 30)
    assert price(rig.folder) == 1.0
    assert not rig.facts("ended", "hang")
    if form == "none":  # then it is left alone for longer than a test can wait
        assert len(server.calls_of(DEX)) == good + 1
        assert rig.cli("stop").returncode == 0
        return
    wait_until(lambda: len(server.calls_of(DEX)) >= good + 2, "a call after the pause", 40)
    refused = [call.at for call in server.calls_of(DEX)[good:]]
    for path in (DEX, GECKO, COIN):
        server.always(path, None)
    wait_until(lambda: price(rig.folder) == 2.0, "the price after it", 60)
    pauses = [later - sooner for sooner, later in pairwise(refused)]
    assert min(pauses) >= 4.0
    assert beat(rig.folder)["pid"] == pid
    assert not rig.facts("ended", "hang")
    assert rig.cli("stop").returncode == 0


# --- J07: odd answers -------------------------------------------------------------------------------------

NONSENSE = [
    html(200),
    status(200, body=b""),
    body({"pairs": None}),
    body([{"priceUsd": "Error fetching price"}]),
    status(403),
    redirect_loop(),
    drip(),
    hang(),
    close_at_once(),
    cut_short(),
    status(200, body=b'{"a": 1e400'),
    body({"data": [{"attributes": {"token_prices": "none"}}]}),
]


@pytest.mark.timeout(150)
def test_J07_odd_answers_are_failed_fetches(rig: Rig, server: PriceServer) -> None:
    """Pages, nothing, nulls, text for a price, loops, drips, cut answers: the old price stays, the loop lives."""
    listed(rig.folder, MINT)
    rig.run(*RUN, "--", *TRACKER, *server.options(), *FAST, "--request-timeout", "500ms")
    wait_until(lambda: price(rig.folder) == 1.0, "the first price", 40)
    pid = beat(rig.folder)["pid"]
    server.prices[MINT] = [pool("no price today"), pool(-2.0, "Pool2"), pool("1e400", "Pool3")]
    server.script(DEX, *NONSENSE)
    server.script(GECKO, *NONSENSE[::-1])
    server.always(GECKO, html(500))
    server.always(COIN, body(None))
    wait_until(lambda: beat(rig.folder).get("status") == "degraded", "degraded", 60)
    assert beat(rig.folder)["message"]
    wait_until(lambda: not server.unused(DEX), "all of them", 100)
    assert price(rig.folder) == 1.0
    for path in (GECKO, COIN):
        server.always(path, None)
    server.prices[MINT] = [pool(3.0)]
    wait_until(lambda: price(rig.folder) == 3.0, "a price again", 60)
    assert beat(rig.folder)["pid"] == pid
    assert not rig.facts("ended", "hang")
    assert rig.cli("stop").returncode == 0


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
        wait_until(lambda at=end: time.monotonic() > at and _leftovers(rig), "a save under way", 30)  # type: ignore[misc]
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
