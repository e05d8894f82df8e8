"""Calling the public address, so that a host does not put the program to sleep."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from waiting import wait_until
from web_page import Page, Stream


@pytest.fixture
def host():
    """A host that counts its calls and answers as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.paths.append(self.path)
            self.send_response(self.server.code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.paths, server.code = [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_public_address_is_called_and_the_rate_is_shown(healthy, host):
    """Each interval one call; good and bad ones are counted, and the page says how many worked and why one did not."""
    url = f"http://127.0.0.1:{host.server_port}/health?from=page"
    page = Page(healthy, "--keepalive-url", url, "--keepalive-interval", "1s")
    stream = Stream(page)
    wait_until(lambda: len(host.paths) >= 2, "two calls")
    assert set(host.paths) == {"/health?from=page"}
    host.code = 503

    def one_failed():
        found = stream.wait("keepalive")
        return found if found["good"] < found["calls"] else None

    found = wait_until(one_failed, "a failed call")
    assert found["error"] == f"127.0.0.1:{host.server_port} answered 503"
    assert found["every_s"] == 1
    assert 0 < found["percent"] < 100
    assert page.text().count("the keep-alive call failed") == 1, "a trouble that lasts is said once"
    assert page.stop() == 0


def test_the_name_in_the_public_address_is_a_right_one(healthy):
    """Who calls the page by the address that it was given is no stranger; so is the name that Render gives."""
    page = Page(
        healthy,
        "--keepalive-url",
        "http://tracker.example.org/health",
        RENDER_EXTERNAL_HOSTNAME="x.onrender.com",
    )
    assert page.get("/status", host="tracker.example.org").status == 200
    assert page.get("/status", host="x.onrender.com").status == 200
    assert page.get("/status", host="y.onrender.com").status == 403


def test_an_address_that_nobody_answers_harms_nothing(healthy):
    """The page goes on, and shows the failure."""
    page = Page(healthy, "--keepalive-url", "http://127.0.0.1:9/", "--keepalive-interval", "1s")
    stream = Stream(page)
    found = next(
        value
        for name, value in stream.events()
        if name == "keepalive" and value is not None and value["calls"]
    )
    assert found["good"] == 0
    assert "127.0.0.1:9" in found["error"]
    assert page.get("/health").status == 200
