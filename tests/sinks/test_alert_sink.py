"""The sink of alerts from fact to message, and over the life of a watchdog."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from telegram_server import TelegramServer, migrated, refuse
from waiting import wait_until
from watchdog_cli.adapters import alert_file
from watchdog_cli.core import facts
from watchdog_cli.core.alerting import AlertSettings
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.record import Cause, Ending, ExitStatus, Run
from watchdog_cli.sinks.alerts import Alerts
from watchdog_cli.sinks.masking import make_mask
from watchdog_cli.sinks.scene import Scene

RUN = Run("r", 1, 100)
ENDED = facts.Ended(RUN, Ending(Cause.SIGNAL, ExitStatus(None, 11)), 3.0)
RESTARTING = facts.Restarting(5.0, 1, 10, 300.0)


class Bench:
    """Settings, a file and a service; watchdogs come and go."""

    def __init__(self, folder: Path, server: TelegramServer) -> None:
        self.path = folder / "alerts.json"
        self.server = server
        self.said: list[str] = []
        self.save_error: OSError | None = None
        self.chat = "42"

    def sink(self, **more: object) -> Alerts:
        values = {"gap_s": 0.3, "stable_s": 0.3, **more}
        settings = AlertSettings(
            telegram_token=self.server.token,
            telegram_chat=self.chat,
            telegram_url=self.server.url,
            **values,  # type: ignore[arg-type]
        )
        return Alerts(
            settings,
            restart=Restart.ALWAYS,
            grace_s=0.2,
            who="bot on box",
            mask=make_mask(settings.secrets, {}),
            say=self.said.append,
            load=lambda: alert_file.load(str(self.path)),
            save=self.save,
        )

    def save(self, record: object) -> None:
        if self.save_error is not None:
            raise self.save_error
        alert_file.save(str(self.path), record)  # type: ignore[arg-type]

    def saved(self) -> dict[str, object]:
        return json.loads(self.path.read_text())  # type: ignore[no-any-return]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with TelegramServer(chats={"42", "-1009"}) as server:
        yield Bench(tmp_path, server)


def tell(sink: Alerts, *several: Fact, lines: tuple[str, ...] = ("last words",)) -> None:
    for fact in several:
        scene = Scene({}, None, lambda: list(lines), lambda: None, lambda: None)
        sink.tell(datetime.now(UTC), fact, {"scene": scene})


def turn_until(sink: Alerts, server: TelegramServer, count: int) -> None:
    """Let the sink's timers go off until that many messages have arrived."""

    def turn() -> bool:
        if sink.due_in_s() == 0:
            sink.turn()
        return len(server.texts()) >= count

    wait_until(turn, f"{count} messages")


def test_from_a_crash_to_its_end(bench: Bench) -> None:
    """First message with the last line, end when it is stable, and then no file is left."""
    sink = bench.sink()
    tell(sink, facts.Spawned(RUN), ENDED, RESTARTING)
    turn_until(sink, bench.server, 1)
    assert "killed by SIGSEGV" in bench.server.texts()[0]
    assert "last words" in bench.server.texts()[0]
    assert oct(bench.path.stat().st_mode & 0o777) == "0o600"
    tell(sink, facts.Spawned(Run("s", 2, 101)), facts.FirstSign(Run("s", 2, 101), 0.1))
    turn_until(sink, bench.server, 2)
    assert "healthy again" in bench.server.texts()[1]
    assert not bench.path.exists()
    assert sink.due_in_s() is None
    assert bench.said == []


def test_a_message_is_on_disk_before_it_is_sent(bench: Bench) -> None:
    """While the service is asked, the message lies in the file: a kill at that moment loses nothing."""
    seen: list[object] = []

    def look(handler: object) -> None:
        seen.append(bench.saved()["waiting"])
        refuse(500, "x")(handler)  # type: ignore[arg-type]

    bench.server.script(look)
    tell(bench.sink(), ENDED, RESTARTING)
    assert seen
    assert "killed by SIGSEGV" in json.dumps(seen[0])


def test_the_next_watchdog_sends_what_waited_and_ends_the_incident(bench: Bench) -> None:
    """Killed while the service was away: its successor tells the same, once, and later the end of it."""
    bench.server.script(refuse(502, "Bad Gateway"))
    tell(bench.sink(), ENDED, RESTARTING)
    assert bench.server.texts() == []
    assert bench.server.token not in bench.path.read_text()
    second = bench.sink()
    turn_until(second, bench.server, 1)
    assert "killed by SIGSEGV" in bench.server.texts()[0]
    tell(second, facts.TakenOver(RUN))
    turn_until(second, bench.server, 2)
    assert "healthy again" in bench.server.texts()[1]


def test_giving_up_is_sent_while_the_watchdog_ends(bench: Bench) -> None:
    """Two messages within the pace of one a second: closing waits for the second one, bounded."""
    sink = bench.sink()
    tell(sink, ENDED, RESTARTING)
    tell(sink, ENDED, facts.GaveUp("killed by SIGSEGV", 10, 300.0, None), facts.Finished("gave up", 12))
    assert len(bench.server.texts()) == 1
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 3
    assert "DOWN" in bench.server.texts()[1]


def test_the_end_does_not_wait_for_a_service_that_is_away(bench: Bench) -> None:
    """A service that said no a moment ago is not waited for; its message stays on disk."""
    bench.server.script(refuse(502, "x"))
    sink = bench.sink()
    tell(sink, ENDED, facts.GaveUp("x", 1, 1.0, None))
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 1
    assert "DOWN" in json.dumps(bench.saved()["waiting"])


def test_a_full_disk_costs_no_message(bench: Bench) -> None:
    """What cannot be saved is sent all the same, and said once."""
    bench.save_error = OSError(28, "No space left on device")
    sink = bench.sink()
    tell(sink, ENDED, RESTARTING)
    turn_until(sink, bench.server, 1)
    assert len(bench.said) == 1
    assert "no space left on device" in bench.said[0]
    bench.save_error = None
    tell(sink, facts.Spawned(RUN))
    turn_until(sink, bench.server, 2)
    assert not bench.path.exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"version": 1}', b'{"version": 1, "story": 5}']
)
def test_a_damaged_file_is_a_fresh_beginning(bench: Bench, content: bytes) -> None:
    """Garbage where the state should be: the alert is sent all the same."""
    bench.path.write_bytes(content)
    sink = bench.sink()
    tell(sink, ENDED, RESTARTING)
    turn_until(sink, bench.server, 1)
    assert "killed by SIGSEGV" in bench.server.texts()[0]


def test_a_group_that_moved_is_remembered(bench: Bench) -> None:
    """The new number is used at once and by the next watchdog; a person is told to set it, without showing it."""
    bench.server.script(migrated(-1009))
    sink = bench.sink()
    tell(sink, ENDED, RESTARTING)
    turn_until(sink, bench.server, 1)
    assert "set telegram-chat" in bench.said[0]
    assert "-1009" not in bench.said[0]
    tell(bench.sink(), ENDED, facts.GaveUp("x", 1, 1.0, None))
    assert [message.chat for message in bench.server.messages] == ["-1009", "-1009"]


def test_all_services_are_told_and_one_that_fails_holds_up_no_other(bench: Bench) -> None:
    """Telegram says no and the webhook gets it with its data; both are kept apart."""
    bench.server.always = refuse(403, "Forbidden: bot was blocked by the user")
    with TelegramServer() as hook:
        hook.always = lambda handler: handler.give(200, {})
        sink = bench.sink(webhook_url=f"{hook.url}/hook?key=abc")
        tell(sink, ENDED, RESTARTING)
        wait_until(lambda: hook.calls, "the call")
        assert hook.calls[0][1] == "/hook?key=abc"
    assert "blocked by the user" in bench.said[0]
    assert list(bench.saved()["waiting"]) == ["telegram"]  # type: ignore[call-overload]
