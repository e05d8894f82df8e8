"""The examples in every language do the same: they beat after work, for their own run, in one step."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from doc_pages import ROOT
from rig import QUICK, Rig
from waiting import wait_until

BEATS = {
    "shell": ["sh", "heartbeat.sh"],
    "python": ["python", "heartbeat.py"],
    "waiting": ["python", "heartbeat_waiting.py"],
    "node": ["node", "heartbeat.mjs"],
    "go": ["./heartbeat"],
}
NEEDS = {"node": "nodejs", "go": "golang-go", "systemd-notify": "systemd"}


def need(program: str) -> None:
    """Say which package is missing."""
    assert shutil.which(program), f"this test runs {program}: apt-get install {NEEDS[program]}"


@pytest.mark.parametrize("language", BEATS)
@pytest.mark.timeout(150)
def test_an_example_beats_for_its_own_run_and_moves_on(rig: Rig, language: str) -> None:
    """Each beat names its process, its run and the time of its last turn, and the next one is newer."""
    if language == "node":
        need("node")
    if language == "go":
        need("go")
        build = ["go", "build", "-o", rig.folder / "heartbeat", ROOT / "examples" / "heartbeat.go"]
        subprocess.run(build, check=True, env=rig.environment(GOCACHE=str(rig.folder / "cache")), timeout=120)
    for file in (ROOT / "examples").glob("heartbeat*.*"):
        shutil.copy(file, rig.folder)
    rig.run(*QUICK, "--", *BEATS[language], TURN="0.2")
    beats: list[dict[str, object]] = []

    def two_turns() -> bool:
        try:
            beat = json.loads((rig.folder / "heartbeat.json").read_text())
        except FileNotFoundError:
            return False
        if not beats or beats[-1] != beat:
            beats.append(beat)
        return len({str(beat["lastCycle"]) for beat in beats}) >= 2

    wait_until(two_turns, "beats of two turns", 60)
    status = json.loads(rig.cli("status", "--json").stdout)
    assert status["health"] == "healthy"
    assert {beat["pid"] for beat in beats} == {status["child"]["pid"]}
    assert len({beat["runId"] for beat in beats}) == 1
    assert not list(rig.folder.glob("*.tmp.*"))
    rig.cli("stop")


@pytest.mark.timeout(90)
def test_a_bot_whose_loop_is_stuck_falls_silent(rig: Rig) -> None:
    """The bot that waits beats as long as its loop turns, and is found frozen when that is stuck."""
    bot = (ROOT / "examples" / "heartbeat_waiting.py").read_text("utf-8")
    stuck = "async def stuck():\n    while not os.path.exists('stick'):\n        await asyncio.sleep(0.1)\n"
    stuck += "    __import__('time').sleep(600)\n\n\n"
    assert "asyncio.Event().wait()" in bot
    bot = bot.replace("asyncio.Event().wait()", "stuck()").replace("async def main", f"{stuck}async def main")
    rig.write("bot.py", bot)
    rig.run(*QUICK, "--heartbeat-timeout", "3s", "--", "python", "bot.py", TURN="0.2")
    rig.healthy()
    assert rig.facts("hang") == []
    rig.write("stick", "")
    assert rig.fact("hang")["cause"] == "hang"
    (rig.folder / "stick").unlink()
    rig.cli("stop")


@pytest.mark.parametrize("words", [["sh", "notify.sh"], ["python", "notify.py"]], ids=["shell", "python"])
@pytest.mark.timeout(90)
def test_an_example_speaks_sd_notify(rig: Rig, words: list[str]) -> None:
    """The program is well by its notices alone, without any heartbeat file."""
    if words[0] == "sh":
        need("systemd-notify")
    shutil.copy(ROOT / "examples" / words[1], rig.folder)
    rig.run(*QUICK, "--sd-notify", "--", *words, TURN="0.2")
    wait_until(lambda: rig.cli("check").returncode == 0, "a healthy program", 60)
    assert not (rig.folder / "heartbeat.json").exists()
    rig.cli("stop")


def test_no_example_beats_from_a_timer() -> None:
    """The four heartbeats write beside and rename, and say why where they do."""
    for file in sorted((ROOT / "examples").glob("heartbeat.*")):
        text = file.read_text("utf-8")
        assert ".tmp" in text, file
        assert re.search(r"after the work, never from a timer", text), file
    assert len(list(Path(ROOT / "examples").glob("heartbeat.*"))) == 4
