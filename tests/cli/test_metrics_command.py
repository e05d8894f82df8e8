"""``watchdog metrics``: printed, served, written into a file."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Watchdog
from rig import BIN, Rig
from waiting import wait_until


class Server:
    """``watchdog metrics --port 0``."""

    def __init__(self, rig: Rig) -> None:
        self.process = subprocess.Popen(
            [str(BIN / "watchdog"), "metrics", "--port", "0"],
            cwd=rig.folder,
            env=rig.environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        found = re.search(r"127\.0\.0\.1:(\d+)/metrics", self.process.stderr.readline())
        assert found
        self.port = int(found[1])

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        """One answer: status, body, headers."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        line.request(method, path, headers=headers)
        answer = line.getresponse()
        body = answer.read().decode()
        line.close()
        return answer.status, body, dict(answer.getheaders())

    def close(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def server(dog: Watchdog) -> Iterator[Server]:
    """Metrics of a watchdog that was never started."""
    made = Server(dog)
    yield made
    made.close()


def values(text: str, metric: str) -> list[float]:
    """All values of a metric."""
    return [float(value) for value in re.findall(rf"^{metric}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)]


def test_printed_for_a_program_that_never_ran(rig: Rig) -> None:
    """Without any history there are metrics that say that nothing runs, and no uptime out of nothing."""
    found = rig.cli("metrics")
    assert found.returncode == 0, found.stderr
    assert values(found.stdout, "watchdog_program_up") == [0.0]
    assert values(found.stdout, "watchdog_uptime_ratio") == []


def test_state_and_health_are_each_one_of_many(dog: Watchdog) -> None:
    """Exactly one state and one health is 1 at a time, and they are those of ``status``."""
    dog.start("--no-heartbeat", orders=("beat 0.1",))
    dog.ready()
    dog.healthy()
    text = dog.cli("metrics").stdout
    assert re.findall(r'state="([^"]+)"\} 1\.0', text) == ["running"]
    assert re.findall(r'health="([^"]+)".*\} 1\.0', text) == ["healthy"]
    assert sum(values(text, "watchdog_state")) == sum(values(text, "watchdog_health")) == 1
    assert values(text, "watchdog_program_memory_bytes")[0] > 1_000_000
    assert values(text, "watchdog_program_up") == values(text, "watchdog_supervisor_up") == [1.0]
    dog.stop()


def test_names_that_need_care(tmp_path: Path) -> None:
    """A folder with quotes, line ends, Arabic and bytes that are no text makes labels that can be read."""
    folder = Path(os.fsdecode(os.fsencode(str(tmp_path)) + b'/a"b\\c\nd \xd9\x85 \xff'))
    folder.mkdir()
    rig = Rig(folder)
    found = rig.cli("metrics", PYTHONIOENCODING="utf-8")
    assert found.returncode == 0, found.stderr
    line = next(line for line in found.stdout.splitlines() if line.startswith("watchdog_info{"))
    assert r"a\"b\\c\nd م ?" in line


def test_foreign_numbers_in_the_heartbeat(dog: Watchdog) -> None:
    """Numbers are passed on, the first twenty; text, truth values and numbers that are none are not."""
    fields = ",".join(f'"n{number}":{number}' for number in range(30))
    dog.start(
        "--heartbeat-timeout",
        "20s",
        orders=(f'beat 0.1 {{"text":"secret","flag":true,"big":1e300,{fields}}}',),
    )
    dog.ready()
    dog.healthy()
    text = dog.cli("metrics").stdout
    names = re.findall(r'watchdog_heartbeat_field\{field="(\w+)"', text)
    assert names == ["big", *(f"n{number}" for number in range(19))]
    assert "secret" not in text
    dog.stop()


def test_served_to_whoever_asks_rightly(server: Server) -> None:
    """GET and HEAD of /metrics are answered in Prometheus' own form; other paths and methods are refused."""
    status, body, headers = server.ask("/metrics?x=1")
    assert status == 200
    assert "# TYPE watchdog_program_up gauge" in body
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    status, body, headers = server.ask("/metrics", "HEAD")
    assert (status, body) == (200, "")
    assert int(headers["Content-Length"]) > 1000
    assert server.ask("/")[0] == 404
    assert server.ask("/metrics/../etc/passwd")[0] == 404
    assert server.ask("/metrics", "POST")[0] == 501


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "10.0.0.1:80", "localhost.evil"]
)
def test_foreign_host_is_refused(server: Server, host: str) -> None:
    """A page elsewhere whose name leads to this machine learns nothing."""
    status, body, _ = server.ask("/metrics", Host=host)
    assert status == 403
    assert "watchdog_" not in body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:99", "[::1]:99", "[::1]"])
def test_own_names_are_accepted(server: Server, host: str) -> None:
    """Own names of the machine are right, with any port: it may be forwarded."""
    assert server.ask("/metrics", Host=host)[0] == 200


def test_only_this_machine_is_listened_to(server: Server) -> None:
    """The port is open on the loopback address alone."""
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [address for address in listening if int(address.partition(":")[2], 16) == server.port] == [
        f"0100007F:{server.port:04X}"
    ]


def test_clients_that_say_nothing_do_not_bar_the_way(server: Server) -> None:
    """However many connections are held open, an honest one is answered after a while and the server lives."""
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]

    def answered() -> bool:
        try:
            return server.ask("/metrics")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    wait_until(answered, "an answer", 20)
    for line in held:
        line.close()
    assert server.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_end_by_signal_is_an_orderly_end(server: Server, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end it with 0."""
    server.process.send_signal(number)
    assert server.process.wait(10) == 0


def test_port_in_use(rig: Rig, server: Server) -> None:
    """A port that somebody has is exit code 15 and one line."""
    found = rig.cli("metrics", "--port", str(server.port))
    assert (found.returncode, found.stdout) == (15, "")
    assert f"127.0.0.1:{server.port}" in found.stderr
    assert found.stderr.count("\n") == 1


def test_file_for_node_exporter(dog: Watchdog) -> None:
    """The file is whole, readable for the collector's own user, and written anew at the pace that was asked for."""
    target = dog.folder / "tracker.prom"
    found = dog.cli("metrics", "--textfile", "tracker.prom")
    assert (found.returncode, found.stdout) == (0, "")
    assert target.stat().st_mode & 0o777 == 0o644
    assert values(target.read_text(), "watchdog_program_up") == [0.0]
    writer = subprocess.Popen(
        [str(BIN / "watchdog"), "metrics", "--textfile", "tracker.prom", "--every", "1s"],
        cwd=dog.folder,
        env=dog.environment(),
    )
    dog.start("--no-heartbeat", orders=("beat 0.1",))
    wait_until(lambda: values(target.read_text(), "watchdog_program_up") == [1.0], "the program in the file")
    writer.terminate()
    assert writer.wait(10) == 0
    dog.stop()
    assert sorted(path.name for path in dog.folder.glob("tracker.prom*")) == ["tracker.prom"]


def test_file_that_cannot_be_written(rig: Rig) -> None:
    """A folder that does not exist is exit code 14 and names the file."""
    found = rig.cli("metrics", "--textfile", "nowhere/tracker.prom")
    assert found.returncode == 14
    assert "nowhere/tracker.prom" in found.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--port", "1", "--textfile", "x.prom"),
        ("--every", "5s"),
        ("--port", "70000"),
        ("--all", "--name", "x"),
        ("--textfile", "x.prom", "--every", "1ms"),
    ],
)
def test_contradictions(rig: Rig, words: tuple[str, ...]) -> None:
    """Options that make no sense together are exit code 2."""
    found = rig.cli("metrics", *words)
    assert found.returncode == 2
    assert not list(rig.folder.glob("*.prom"))


def test_extra_that_is_not_installed(rig: Rig) -> None:
    """Without the library there is one line that says what to install; everything else works as ever."""
    (rig.folder / "hide").mkdir()
    (rig.folder / "hide" / "prometheus_client.py").write_text("raise ImportError('hidden')\n")
    hidden = {"PYTHONPATH": str(rig.folder / "hide")}
    found = rig.cli("metrics", **hidden)
    assert (found.returncode, found.stdout) == (10, "")
    assert "tracker-watchdog[metrics]" in found.stderr
    assert found.stderr.count("\n") == 1
    assert rig.cli("status", **hidden).returncode == 3


def test_all_watchdogs_of_the_user(dog: Watchdog) -> None:
    """With --all each watchdog is a label of its own; one whose files are damaged hides no other."""
    dog.start("--no-heartbeat", orders=("beat 0.1",))
    other = dog.run(
        "--no-heartbeat", "--name", "other", "--", sys.executable, "-SE", "-c", "import time; time.sleep(60)"
    )
    dog.ready()
    wait_until((dog.folder / ".watchdog" / "other" / "journal.jsonl").exists, "the other journal")
    (dog.folder / ".watchdog" / "other" / "samples").write_bytes(os.urandom(3000))
    wait_until(
        lambda: (
            set(re.findall(r'watchdog_info\{.*name="(\w+)"', dog.cli("metrics", "--all").stdout))
            == {"tracker", "other"}
        ),
        "both",
    )
    assert dog.cli("stop", "--name", "other").returncode == 0
    other.wait(20)
    dog.stop()
