"""Many who look, and some who behave badly: neither the supervision nor the others notice."""

import os
import selectors
import signal
import socket
import time

import pytest

from waiting import wait_until
from web_page import Stream

CLIENTS = 200
FOR_S = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """Processor time of one process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_hundred_who_watch_do_not_touch_supervision(healthy, page):
    """For a minute each of 200 streams gets its news, restarts come on time, no beat is missed, and it costs little."""
    watchdog = healthy.status()["watchdog"]["pid"]
    streams = [Stream(page) for _ in range(CLIENTS)]
    before, began = cpu_seconds(watchdog), time.monotonic()
    received = {stream.socket.fileno(): b"" for stream in streams}
    selector = selectors.DefaultSelector()
    for stream in streams:
        stream.socket.setblocking(False)
        selector.register(stream.socket, selectors.EVENT_READ)
    kills, answers = 0, []
    while (passed := time.monotonic() - began) < FOR_S:
        for key, _ in selector.select(0.1):
            received[key.fd] = (received[key.fd] + key.fileobj.recv(1 << 20))[-(1 << 20) :]
        if passed > FOR_S / 4 * (kills + 1) and kills < 3:
            asked = time.monotonic()
            pid = healthy.status()["child"]["pid"]
            answers.append(time.monotonic() - asked)
            os.kill(pid, signal.SIGKILL)
            kills += 1
    used = cpu_seconds(watchdog) - before
    for data in received.values():
        assert data.count(b"event: pulse") >= FOR_S * 0.3
        assert data.count(b'"fact": "ended"') >= 3
    facts = healthy.facts("ended", "spawned")
    assert [fact["fact"] for fact in facts] == ["spawned"] + ["ended", "spawned"] * 3
    times = [(time_of(after) - time_of(end)) for end, after in zip(facts[1::2], facts[2::2], strict=True)]
    assert max(times) < 5.0, f"the delay of 0.2 s held: {times}"
    assert not healthy.facts("hang", "own-pause")
    assert used < FOR_S * 0.1, f"the watchdog used {used} s"
    assert max(answers) < 10.0
    for stream in streams:
        selector.unregister(stream.socket)
        stream.close()
    selector.close()
    wait_until(lambda: page.get("/status").json["health"] == "healthy", "a healthy program")


def time_of(fact):
    """Unix seconds of a fact."""
    from datetime import datetime

    return datetime.fromisoformat(fact["at"]).timestamp()


@pytest.mark.slow
def test_who_does_not_read_is_let_go(healthy, page):
    """A client that takes nothing loses its connection; the others go on, and memory does not grow with it."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", page.port))
    deaf.sendall(f"GET /events HTTP/1.1\r\nHost: {page.host}\r\n\r\n".encode())
    good = Stream(page)
    good.wait("whole")
    wait_until(lambda: connections(page, deaf) == 1, "both are there")
    line = f"print {'x' * 1800}"
    for _ in range(12):  # three megabytes, more than lie on the way
        healthy.order(";".join([line] * 135))
        good.wait("lines")
    wait_until(lambda: connections(page, deaf) == 0, "its end", 40)
    good.wait("pulse")
    good.close()
    deaf.close()


def connections(page, client):
    """How many connections of the page lead to this client."""
    port = client.getsockname()[1]
    ours = f"{page.port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    return sum(
        row[1].endswith(f":{ours}") and row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows
    )


@pytest.mark.slow
def test_who_says_nothing_is_let_go(page):
    """A connection without a request, and one with half of it, are closed after a while."""
    silent = socket.create_connection(("127.0.0.1", page.port), 40)
    half = socket.create_connection(("127.0.0.1", page.port), 40)
    half.sendall(b"GET / HTTP/1.1\r\nHost: x")
    assert silent.recv(10) == b""
    assert half.recv(10) == b""
    silent.close()
    half.close()
