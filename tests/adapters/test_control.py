"""The control socket: one slow, silent, mad or gone client never matters to anybody else."""

import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from waiting import wait_until
from watchdog_cli.adapters.control import (
    MOST_CLIENTS,
    REQUEST_LIMIT,
    Client,
    ControlServer,
    NoAnswerError,
    ask,
)
from watchdog_cli.adapters.inbox import Inbox


class Bench:
    """A server with a loop of its own in the background, as the main thread of a watchdog has one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = Inbox()
        self.asked: list[str] = []
        self.answer: Mapping[str, object] = {"ok": True, "word": "\u0639 ok"}
        self.server = ControlServer(self.inbox, str(folder), self._handle)
        self.server.open()
        self.turns = 0
        self._ending = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _handle(
        self, what: str, request: Mapping[str, object], client: Client
    ) -> Mapping[str, object] | None:
        self.asked.append(what)
        if what == "wait":
            client.waits_for = "it"
            return None
        if what == "finish":
            self.server.progress("nearly")
            self.server.finish("it", {"ok": True, "done": 1})
        return self.answer

    def _run(self) -> None:
        while not self._ending:
            self.inbox.get(None)
            self.turns += 1

    def ask(self, what: str, limit_s: float = 10.0) -> list[dict[str, object]]:
        return list(ask(str(self.folder), {"ask": what}, limit_s=limit_s))

    def connect(self) -> socket.socket:
        one = socket.socket(socket.AF_UNIX)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            one.connect(f"/proc/self/fd/{folder}/control")
        finally:
            os.close(folder)
        one.settimeout(10)
        return one

    def close(self) -> None:
        self._ending = True
        self.inbox.wake()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self.server.close()
        self.inbox.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    yield found
    found.close()


def test_question_and_answer(bench: Bench) -> None:
    """One line there, one line back, with a version."""
    assert bench.ask("status") == [{"v": 1, "ok": True, "word": "\u0639 ok"}]
    assert bench.asked == ["status"]


def test_socket_is_private(bench: Bench) -> None:
    """Only its owner may speak to it."""
    assert stat.S_IMODE((bench.folder / "control").stat().st_mode) == 0o600


def test_waiting_client_hears_what_happens_and_the_end(bench: Bench) -> None:
    """Whoever waits gets each word of progress and then the answer; whoever does not wait gets neither."""
    heard: list[dict[str, object]] = []
    waiting = threading.Thread(target=lambda: heard.extend(bench.ask("wait")))
    waiting.start()
    wait_until(lambda: "wait" in bench.asked, "the wait")
    assert bench.ask("finish") == [{"v": 1, "ok": True, "word": "\u0639 ok"}]
    waiting.join(10)
    assert heard == [{"v": 1, "say": "nearly"}, {"v": 1, "ok": True, "done": 1}]


GARBAGE = {
    "no JSON": b"hello\n",
    "no object": b"[1]\n",
    "no question": b'{"v": 1}\n',
    "NUL bytes": b"\0\0\0\n",
    "broken UTF-8": b'{"ask": "\xff"}\n',
    "deep": b"[" * 3000 + b"\n",
    "web browser": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "empty line": b"\n",
}


@pytest.mark.parametrize("what", list(GARBAGE))
def test_garbage_is_answered_and_cut(bench: Bench, what: str) -> None:
    """Whatever comes in as a question is answered with a refusal, and the next client is served."""
    with bench.connect() as mad:
        mad.sendall(GARBAGE[what])
        answer = json.loads(mad.makefile("rb").readline())
        assert answer == {"v": 1, "ok": False, "error": "not understood"}
        assert mad.recv(10) == b""
    assert bench.ask("status")
    assert bench.asked == ["status"]


def test_endless_question_is_cut(bench: Bench) -> None:
    """A question without end is not collected."""
    with bench.connect() as mad:
        with pytest.raises(OSError, match=r".+"):
            mad.sendall(b"x" * (1000 * REQUEST_LIMIT))
        assert bench.ask("status")


def test_question_in_pieces_is_put_together(bench: Bench) -> None:
    """A line may come byte by byte."""
    with bench.connect() as slow:
        for byte in b'{"ask": "status"}\n':
            slow.sendall(bytes([byte]))
        assert json.loads(slow.makefile("rb").readline())["ok"] is True


def test_silent_and_vanishing_clients_do_not_matter(bench: Bench) -> None:
    """A hundred clients that say nothing, half a word, or leave at once: the next one is answered at once."""
    crowd = [bench.connect() for _ in range(100)]
    for number, one in enumerate(crowd):
        try:
            if number % 3 == 0:
                one.sendall(b'{"ask": ')
            elif number % 3 == 1:
                one.close()
        except (BrokenPipeError, ConnectionResetError):
            continue  # pushed out by the others
    began = time.monotonic()
    assert bench.ask("status")
    assert time.monotonic() - began < 2
    for one in crowd:
        one.close()
    wait_until(lambda: not bench.server._clients, "the crowd to be forgotten")


def test_what_nobody_waits_for_any_more_is_not_done(tmp_path: Path) -> None:
    """Somebody asked a frozen watchdog and gave up: when it wakes it does not do what it was asked, but a stop."""
    inbox = Inbox()
    asked: list[str] = []

    def handle(what: str, request: Mapping[str, object], client: Client) -> dict[str, object]:
        asked.append(what)
        return {"ok": True}

    server = ControlServer(inbox, str(tmp_path), handle)
    server.open()
    for what in ("pause", "stop"):
        with pytest.raises(NoAnswerError):
            list(ask(str(tmp_path), {"ask": what}, limit_s=0.1))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as patient:
        patient.connect(str(tmp_path / "control"))
        patient.sendall(b'{"ask": "resume"}\n')
        patient.shutdown(socket.SHUT_WR)  # says no more, and listens
        patient.setblocking(False)
        wait_until(lambda: inbox.poll() or _answered(patient), "the answer to the patient one")
    server.close()
    inbox.close()
    assert asked == ["stop", "resume"]


def _answered(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1000))
    except BlockingIOError:
        return False


def test_client_that_waits_is_not_pushed_out_by_idle_ones(bench: Bench) -> None:
    """Somebody waits for a stop while many idle connections come: those go first."""
    heard: list[dict[str, object]] = []
    waiting = threading.Thread(target=lambda: heard.extend(bench.ask("wait", 30)))
    waiting.start()
    wait_until(lambda: "wait" in bench.asked, "the wait")
    crowd = [bench.connect() for _ in range(3 * MOST_CLIENTS)]
    assert bench.ask("finish")
    waiting.join(10)
    assert heard[-1] == {"v": 1, "ok": True, "done": 1}
    for one in crowd:
        one.close()


def test_long_answer_arrives_whole(bench: Bench) -> None:
    """An answer longer than the socket's buffer is sent on as the client reads."""
    bench.answer = {"ok": True, "fields": {"text": "\u0639" * 100_000}}
    (answer,) = bench.ask("status")
    assert answer["fields"] == {"text": "\u0639" * 100_000}


def test_client_that_does_not_read_holds_nobody_up(bench: Bench) -> None:
    """A long answer that nobody takes waits by itself; others are served meanwhile, and the loop does not spin."""
    bench.answer = {"ok": True, "text": "x" * 900_000}
    with bench.connect() as lazy:
        lazy.sendall(b'{"ask": "status"}\n')
        wait_until(lambda: bench.asked, "the question")
        (answer,) = bench.ask("status")
        assert len(str(answer["text"])) == 900_000
        turns = bench.turns
        wait_until(lambda: bench.ask("status"), "another answer")
        assert bench.turns - turns < 2000
        received = b""
        while part := lazy.recv(65536):
            received += part
        assert len(json.loads(received)["text"]) == 900_000


def test_deleted_socket_is_made_again(bench: Bench) -> None:
    """After somebody deleted it, opening again serves, also when something else lies there."""
    (bench.folder / "control").unlink()
    with pytest.raises(NoAnswerError):
        bench.ask("status")
    bench.server.open()
    assert bench.ask("status")
    (bench.folder / "control").unlink()
    (bench.folder / "control").write_text("in the way")
    bench.server.open()
    assert bench.ask("status")


def test_folder_in_the_way_is_an_os_error(tmp_path: Path) -> None:
    """What cannot be replaced is told, and nothing is left open."""
    (tmp_path / "control").mkdir()
    inbox = Inbox()
    server = ControlServer(inbox, str(tmp_path), lambda *_: {})
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=r".+"):
        server.open()
    assert len(os.listdir("/proc/self/fd")) == before
    server.close()
    inbox.close()


def test_deep_folders_work(tmp_path: Path) -> None:
    """A state folder with a path far longer than a socket address is no hindrance."""
    folder = tmp_path / ("deep" * 30) / ("\u0639mooth" * 20)
    folder.mkdir(parents=True)
    assert len(os.fsencode(folder)) > 250
    bench = Bench(folder)
    try:
        assert bench.ask("status")
    finally:
        bench.close()
    assert not (folder / "control").exists()


def _is_refused(folder: Path) -> bool:
    try:
        return list(ask(str(folder), {"ask": "x"}, limit_s=1)) == []
    except NoAnswerError:
        return True


def test_short_descriptors_do_not_make_it_spin(tmp_path: Path) -> None:
    """With no descriptor left, clients are refused one by one instead of waking us for ever."""
    code = """
import os, resource, sys, time
from watchdog_cli.adapters.control import ControlServer
from watchdog_cli.adapters.inbox import Inbox
inbox = Inbox()
server = ControlServer(inbox, sys.argv[1], lambda *_: {"ok": True})
server.open()
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, 4096))
try:
    os.close(os.dup(0))
    print("descriptors are left")
except OSError:
    print("ready", flush=True)
turns, end = 0, time.monotonic() + 1.5
while time.monotonic() < end:
    inbox.get(end)
    turns += 1
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 4096))
end = time.monotonic() + 10
while time.monotonic() < end and os.getppid() != 1:
    inbox.get(time.monotonic() + 0.1)
    if turns is not None:
        print(turns, flush=True)
        turns = None
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(5):
            assert _is_refused(tmp_path)
        turns = int(process.stdout.readline())
        assert turns < 100
        assert list(ask(str(tmp_path), {"ask": "x"}, limit_s=5)) == [{"v": 1, "ok": True}]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 100
