"""Who asks a watchdog: an answer, or one kind of error, and never a wait without end."""

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from waiting import stays_true
from watchdog_cli.adapters.control import NoAnswerError, ask


def _fill_queue(path: str) -> list[socket.socket]:
    """Connect until the system refuses one more."""
    crowd: list[socket.socket] = []
    for _ in range(100):
        crowd.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        crowd[-1].setblocking(False)
        try:
            crowd[-1].connect(path)
        except BlockingIOError:
            return crowd
    raise AssertionError("the queue has no end")


def test_who_comes_when_the_queue_is_full_waits_for_a_place(tmp_path: Path) -> None:
    """More ask at once than the queue holds: the system refuses the next one at once, and it tries again."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "control"))
        listener.listen(1)
        crowd = _fill_queue(str(tmp_path / "control"))
        heard: list[dict[str, object]] = []
        asking = threading.Thread(
            target=lambda: heard.extend(ask(str(tmp_path), {"ask": "status"}, limit_s=30))
        )
        asking.start()
        stays_true(asking.is_alive, "it waits for a place", 0.1)
        answered = 0
        while not answered:
            taken, _ = listener.accept()
            taken.settimeout(0.2)
            with taken, contextlib.suppress(TimeoutError):  # those of the crowd say nothing
                if taken.recv(4096):
                    answered += taken.send(b'{"ok": true}\n')
        asking.join(30)
        for one in crowd:
            one.close()
    assert heard == [{"ok": True}]
    with pytest.raises(NoAnswerError):  # and nobody waits for ever
        list(ask(str(tmp_path), {"ask": "status"}, limit_s=0.1))


def test_nobody_listens(tmp_path: Path) -> None:
    """No socket, a dead socket or no folder is one kind of error."""
    with pytest.raises(NoAnswerError):
        list(ask(str(tmp_path), {"ask": "x"}, limit_s=1))
    with pytest.raises(NoAnswerError):
        list(ask(str(tmp_path / "nowhere"), {"ask": "x"}, limit_s=1))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control"))
    with pytest.raises(NoAnswerError):
        list(ask(str(tmp_path), {"ask": "x"}, limit_s=1))


@pytest.mark.parametrize("content", [b"", b"no JSON\n", b"[" * 5000 + b"\n", b"x" * 17_000_000])
def test_mad_server_is_an_error_of_one_kind(tmp_path: Path, content: bytes) -> None:
    """Whoever answers nonsense, too much or nothing has not answered."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "control"))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(content)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        if content:
            with pytest.raises(NoAnswerError):
                list(ask(str(tmp_path), {"ask": "x"}, limit_s=5))
        else:
            assert list(ask(str(tmp_path), {"ask": "x"}, limit_s=5)) == []
    finally:
        thread.join(10)
        listener.close()


def test_drip_of_an_answer_does_not_stretch_the_limit(tmp_path: Path) -> None:
    """A server that sends a byte now and then without finishing its line is given up after the limit."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "control"))
    listener.listen()
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while not ended.wait(0.05):
                connection.send(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    began = time.monotonic()
    try:
        with pytest.raises(NoAnswerError):
            list(ask(str(tmp_path), {"ask": "x"}, limit_s=0.5))
        assert time.monotonic() - began < 3
    finally:
        ended.set()
        thread.join(10)
        listener.close()
