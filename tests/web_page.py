"""The page as a process, and calls to it over real sockets."""

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rig import BIN, Rig
from waiting import wait_until

TOKEN = "a-token-that-nobody-guesses"
Headers = dict[str, str]


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)


class Page:
    """``watchdog web`` over one rig."""

    def __init__(
        self, rig: Rig, *options: str, token: str | None = TOKEN, port_option: bool = True, **environment: str
    ) -> None:
        more = dict(environment)
        if token is not None:
            more["WATCHDOG_WEB_TOKEN"] = token
        self.output = rig.folder / f"web-{len(rig.outputs)}.out"
        rig.outputs.append(self.output)
        named = any(word.startswith("--port") for word in options)
        words = options if named or not port_option else (*options, "--port", "0")
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [str(BIN / "watchdog"), "web", *words],
                cwd=rig.folder,
                env=rig.environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        rig.started.append(self.process)
        wait_until(lambda: "http://" in self.text() or self.process.poll() is not None, "the page's address")
        assert self.process.poll() is None, self.text()
        self.url = next(word for word in self.text().split() if word.startswith("http://"))
        self.port = int(self.url.rstrip("/").rpartition(":")[2])
        self.host = f"127.0.0.1:{self.port}"
        wait_until(lambda: self.get("/static/icon.svg").status == 200, "a page that answers")

    def text(self) -> str:
        """What it printed."""
        return self.output.read_text(errors="replace")

    def call(self, method: str, path: str, *, body: Any = None, host: str = "", **headers: str) -> Answer:
        """One request over a connection of its own; ``_`` in the names of headers stands for ``-``."""
        sent = {"Host": host or self.host} | {key.replace("_", "-"): value for key, value in headers.items()}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for key, value in sent.items():
                connection.putheader(key, value)
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            found = {key.lower(): value for key, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """Read something."""
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask for something, as somebody who has the token unless told otherwise."""
        headers.setdefault("Authorization", f"Bearer {TOKEN}")
        return self.call("POST", path, body=body, **{key: value for key, value in headers.items() if value})

    def sign_in(self) -> tuple[str, str]:
        """The cookie of a new session, and what belongs to it."""
        answer = self.call("POST", "/login", body={"token": TOKEN})
        assert answer.status == 200, answer
        return answer.headers["set-cookie"].partition(";")[0], answer.json["csrf"]

    def stop(self) -> int:
        """End it as a service manager does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def cpu_seconds(self) -> float:
        """What it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


OPENED: list["Stream"] = []  # a fixture closes those that a test has left


class Stream:
    """A client of the event stream that reads when it is asked to."""

    def __init__(self, page: Page, path: str = "/events", **headers: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", page.port), 30)
        OPENED.append(self)
        lines = [f"GET {path} HTTP/1.1", f"Host: {page.host}", *(f"{k}: {v}" for k, v in headers.items())]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline().strip():
            pass

    def events(self) -> Iterator[tuple[str, Any]]:
        """Name and value of each message as it comes."""
        name = ""
        for line in self.file:
            text = line.decode().rstrip("\r\n")
            if text.startswith("event: "):
                name = text.removeprefix("event: ")
            elif text.startswith("data: "):
                yield name, json.loads(text.removeprefix("data: "))

    def wait(self, name: str) -> Any:
        """The value of the next message of this name."""
        return next(value for found, value in self.events() if found == name)

    def close(self) -> None:
        """Go away."""
        self.file.close()
        self.socket.close()
