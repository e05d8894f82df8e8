"""Any other service by apprise: an extra that is loaded only when it is used."""

import importlib.util
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from watchdog_kit.notify import Message, Outcome
from watchdog_kit.notify_apprise import AppriseSender, MissingExtraError, WrongAddressError

INSTALLED = importlib.util.find_spec("apprise") is not None


class Taker(BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    taken: list[bytes]
    code = 200

    def do_POST(self) -> None:
        """Take it."""
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_a_delivery_by_apprise() -> None:
    """With the extra a message arrives, and a refusal is uncertain; without it, the error says how to get it."""
    taken: list[bytes] = []
    handler = type("Handler", (Taker,), {"taken": taken})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            if INSTALLED:
                sender = AppriseSender(f"json://127.0.0.1:{server.server_port}/secret")
                assert sender.send(Message("risen 🚀")).outcome is Outcome.SENT
                assert b"risen" in taken[0]
                handler.code = 500  # type: ignore[attr-defined]
                result = sender.send(Message("x"))
                assert result.outcome is Outcome.UNCERTAIN
                assert "secret" not in result.reason
            else:
                with pytest.raises(MissingExtraError, match="notify"):
                    AppriseSender(f"json://127.0.0.1:{server.server_port}/secret")
        finally:
            server.shutdown()
            thread.join()


def test_an_address_that_is_none_is_not_shown() -> None:
    """What apprise cannot read is refused without a word of the address, for it may hold a secret."""
    with pytest.raises(WrongAddressError if INSTALLED else MissingExtraError) as caught:
        AppriseSender("nonsense-secret://")
    assert "secret" not in str(caught.value)


def test_without_the_extra() -> None:
    """Where apprise is not installed, the error names the extra, and nothing else of the program needs it."""
    code = (
        "import sys\n"
        "sys.modules['apprise'] = None\n"
        "from watchdog_kit.notify_apprise import AppriseSender, MissingExtraError\n"
        "try:\n    AppriseSender('json://x')\n"
        "except MissingExtraError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert "tracker-watchdog[notify]" in done.stdout
