"""All that looks on, broken in each way: incidents, alerts, history, metrics and page; supervision is untouched."""

import json
import os
import signal
from collections.abc import Iterator

import pytest

from harness import Watchdog
from rig import QUICK, Rig
from telegram_server import TelegramServer
from tiny_disk import fill
from waiting import wait_until
from web_page import OPENED, Page, Stream

SECRET = "7777777:MARKER-that-nobody-may-see"
LOOP = ("--restart-delay", "100ms", "--max-restarts", "unlimited")
# Read by the watchdog's own Python at its start: each sink is made to do what the environment says.
SABOTAGE = """
import os, threading
if os.environ.get("SABOTAGE"):
    from watchdog_cli.adapters.samples import Sampler
    from watchdog_cli.sinks.alerts import Alerts
    from watchdog_cli.sinks.incidents import Incidents

    def broken(*given, **words):
        if os.environ["SABOTAGE"] == "raise":
            raise RuntimeError("sabotage")
        threading.Event().wait(60)

    Sampler.turn = Alerts.tell = Incidents.tell = broken
"""
HIDDEN = ("apprise", "prometheus_client", "starlette", "uvicorn")


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    """A service that takes alerts."""
    with TelegramServer(SECRET, chats={"42"}) as running:
        yield running


@pytest.fixture(autouse=True)
def close_streams() -> Iterator[None]:
    """No test leaves a connection open."""
    yield
    while OPENED:
        OPENED.pop().close()


def told(server: TelegramServer) -> dict[str, str]:
    """The settings by which a watchdog tells this server."""
    return {
        "WATCHDOG_TELEGRAM_TOKEN": SECRET,
        "WATCHDOG_TELEGRAM_CHAT": "42",
        "WATCHDOG_TELEGRAM_URL": server.url,
    }


def sink_notices(dog: Watchdog) -> list[str]:
    """What was said about sinks."""
    return [fact["message"] for fact in dog.facts("notice") if "fault of its own" in fact["message"]]


def crash(dog: Watchdog, times: int) -> None:
    """Kill the program so often, each time when it is there again."""
    pid = dog.ready()
    for _ in range(times):
        os.kill(pid, signal.SIGKILL)
        pid = dog.ready(other_than=pid)


def test_every_sink_that_raises_is_said_once_and_touches_nothing(
    dog: Watchdog, server: TelegramServer
) -> None:
    """History, incidents and alerts raise at each call: restarts, status, journal and stop are as ever."""
    dog.write("sitecustomize.py", SABOTAGE)
    more = {"PYTHONPATH": str(dog.folder), "SABOTAGE": "raise"}
    process = dog.start("--no-heartbeat", *LOOP, **more, **told(server))
    crash(dog, 3)
    wait_until(lambda: len(sink_notices(dog)) >= 3, "a word about each")
    said = sorted(text.partition(":")[0] for text in sink_notices(dog))
    assert said == ["alerts", "history", "incidents"]
    wait_until(lambda: len(dog.facts("spawned")) == 4, "a journal that goes on")
    assert dog.status()["restarts"]["total"] == 3
    dog.stop()
    assert process.wait(30) == 0


def test_every_sink_that_blocks_for_a_minute_touches_nothing(dog: Watchdog, server: TelegramServer) -> None:
    """History, incidents and alerts come back after a minute only: restarts, status and stop do not wait for them."""
    dog.write("sitecustomize.py", SABOTAGE)
    more = {"PYTHONPATH": str(dog.folder), "SABOTAGE": "block"}
    process = dog.start("--no-heartbeat", *LOOP, **more, **told(server))
    crash(dog, 3)
    report = dog.status()
    assert report["state"] == "running"
    assert report["restarts"]["total"] == 3
    dog.stop()
    assert process.wait(30) == 0, "well before the minute is over"


def test_nothing_that_is_an_extra_is_missed(dog: Watchdog) -> None:
    """No library of any extra can be loaded: the program is watched, and each command that needs one names it."""
    hide = dog.folder / "hide"
    hide.mkdir()
    for name in HIDDEN:
        (hide / f"{name}.py").write_text(f"raise ModuleNotFoundError('hidden', name={name!r})\n")
    more = {"PYTHONPATH": str(hide)}
    dog.start("--no-heartbeat", *LOOP, WATCHDOG_NOTIFY_URL="json://127.0.0.1:1/", **more)
    crash(dog, 2)
    said = wait_until(
        lambda: [one["message"] for one in dog.facts("notice") if one["topic"] == "sink"], "a word"
    )
    assert len(said) == 1
    assert "tracker-watchdog[notify]" in said[0]
    for command, extra in (("web", "web"), ("metrics", "metrics")):
        found = dog.cli(command, **more)
        assert found.returncode != 0
        assert f"tracker-watchdog[{extra}]" in found.stderr
        assert found.stderr.count("\n") == 1
    for command in ("status", "report", "incidents", "tail-log"):
        assert "Traceback" not in dog.cli(command, **more).stderr
    wait_until(
        lambda: len(json.loads(dog.cli("incidents", "--json").stdout)["incidents"]) == 2, "both incidents"
    )
    dog.stop()


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
def test_a_page_that_is_frozen_or_killed_touches_nothing(dog: Watchdog, blow: signal.Signals) -> None:
    """With streams open the page is stopped or killed: the program is restarted and the watchdog answers as ever."""
    dog.start(*LOOP, orders=("beat 0.2",))
    dog.await_health("healthy")
    page = Page(dog)
    streams = [Stream(page) for _ in range(5)]
    streams[0].wait("whole")
    os.kill(page.process.pid, blow)
    crash(dog, 2)
    assert dog.await_health("healthy")["restarts"]["total"] == 2
    assert not dog.facts("hang")
    os.kill(page.process.pid, signal.SIGKILL)
    page.process.wait(30)
    dog.stop()


def test_a_full_disk_stops_nobody_from_looking(small_rig: Rig, server: TelegramServer) -> None:
    """Incidents, what waits of alerts, and history find no room: restarts go on, people are told, page and metrics
    answer; with room again the next crash is kept.
    """
    rig = small_rig
    rig.run("--no-heartbeat", "--quiet", *QUICK, *LOOP, "--", "sleep", "600", **told(server))
    pid = rig.child()
    page = Page(rig)
    filler = fill(rig.folder)
    for _ in range(2):
        os.kill(pid, signal.SIGKILL)
        pid = rig.other_child(pid)
    wait_until(lambda: any("SIGKILL" in text for text in server.texts()), "an alert")
    assert wait_until(lambda: page.get("/status").json["restarts"]["total"] == 2, "the page")
    assert page.get("/metrics").status == page.get("/").status == page.get("/health").status == 200
    for command in ("metrics", "incidents", "status"):
        found = rig.cli(command)
        assert found.returncode == 0, (command, found)
    filler.unlink()
    os.kill(pid, signal.SIGKILL)
    rig.other_child(pid)
    wait_until(lambda: json.loads(rig.cli("incidents", "--json").stdout)["incidents"], "an incident", 60)
    assert not any("Traceback" in path.read_text(errors="replace") for path in rig.outputs)
    assert rig.cli("stop").returncode == 0
