"""A real etcd of one member on this machine, for tests."""

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import Certificate
from waiting import wait_until


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class EtcdServer:
    """One member; it can be frozen, killed and started again with its data."""

    def __init__(self, folder: Path, *words: str, tls: Certificate | None = None) -> None:
        """Start it, and wait until it answers.

        Args:
            tls: what it shows to its clients, who must then use ``etcds``.

        Raises:
            AssertionError: etcd is not installed.
        """
        found = shutil.which("etcd")
        assert found, (
            "etcd is not installed; the tests of the lease need it (apt-get install etcd-server etcd-client)"
        )
        self._program = found
        self._folder = folder
        self._words = words
        self._tls = tls
        self.port, self._peer = free_ports(2)
        # Where its health can be asked without TLS.
        self._well = self.port if tls is None else free_ports(1)[0]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """As the setting wants it, without the key."""
        return f"etcd{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, with the data that it has."""
        scheme = "http" if self._tls is None else "https"
        tls: tuple[str | Path, ...] = ()
        if self._tls is not None:
            tls = ("--cert-file", self._tls.cert, "--key-file", self._tls.key)
            tls += ("--listen-metrics-urls", f"http://127.0.0.1:{self._well}")
        client, peer = f"{scheme}://127.0.0.1:{self.port}", f"http://127.0.0.1:{self._peer}"
        with (self._folder / "etcd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(self._program, "--data-dir", str(self._folder / "etcd.data")),
                    *("--listen-client-urls", client, "--advertise-client-urls", client),
                    *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                    *("--initial-cluster", f"default={peer}", *self._words, *tls),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self.is_well, "an etcd that answers", 60)

    def is_well(self) -> bool:
        """Whether it has a leader and answers."""
        address = f"http://127.0.0.1:{self._well}/health"
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                return bool(json.load(answer).get("health") == "true")
        except urllib.error.HTTPError as error:
            error.close()  # no leader yet; newer Pythons warn of an answer that is left open
        except (OSError, ValueError):
            pass  # nobody listens yet
        return False

    def signal(self, number: int) -> None:
        """Freeze it, or let it go on."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it the hard way."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()
        self.process = None

    def ctl(self, *words: str, given: str = "") -> str:
        """What ``etcdctl`` says, perhaps to what it was given on its stdin; it must succeed."""
        done = subprocess.run(
            ["etcdctl", f"--endpoints=127.0.0.1:{self.port}", *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            input=given,
            env={**os.environ, "ETCDCTL_API": "3"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self) -> None:
        """End it."""
        if self.process is not None:
            self.kill()


@pytest.fixture
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """An etcd with nothing in it."""
    made = EtcdServer(tmp_path_factory.mktemp("etcd"))
    yield made
    made.close()
