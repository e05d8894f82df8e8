"""Whatever is sent to the page, it answers by its own codes, goes on, and does nothing."""

import contextlib
import os
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from web_page import Page

CODES = {200, 304, 400, 401, 403, 404, 405, 413, 414, 415, 422, 429, 431, 501, 503, 505}
ROUTES = (
    "/", "/status", "/health", "/ping", "/ready", "/log", "/metrics", "/events", "/static/page.js",
    "/incidents/x", "/login", "/logout", "/actions/stop", "/actions/restart", "/actions/pause", "/actions/resume",
)  # fmt: skip
PIECES = (
    "..",
    ".",
    "%2e%2e",
    "%2f",
    "//",
    "%00",
    "\\",
    ";",
    "?",
    "&",
    "#",
    "=",
    "watchdog=",
    "lines=",
    "~",
    "%ff",
    "é",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "X" * 300)
NAMES = ("Origin", "Cookie", "Authorization", "Content-Type", "X-CSRF-Token", "Range", "If-None-Match", "Expect",
         "Transfer-Encoding", "Upgrade", "Accept-Language", "X-Forwarded-Proto", "Sec-Fetch-Site", "Host")  # fmt: skip

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)
paths = st.builds(
    lambda route, pieces, word: route + "".join(pieces) + word,
    st.sampled_from(ROUTES),
    st.lists(st.sampled_from(PIECES), max_size=6),
    st.one_of(st.just(""), words, st.integers(1, 9000).map(lambda length: "a" * length)),
)
VALUES = (
    "", "application/json", "text/html;charset=\x7f", "chunked", "gzip, chunked", "gzip;q=nonsense", "bytes=0-0,-1",
    "*", "100-continue", "websocket", "null", "http://evil.example", "Bearer ", "Basic Og==", "a=b; a=c;;=", "\xe9",
    "9" * 400,
)  # fmt: skip
BODIES = (
    b"{}",
    b"[]",
    b"{",
    b'{"for": -1}',
    b'{"for": 1e999}',
    b'{"token": null}',
    b"\xff\xfe{\x00}\x00",
    b"[" * 3000,
)
KEPT = (
    b"content-security-policy:", b"x-content-type-options: nosniff", b"x-frame-options: deny", b"cache-control:",
    b"referrer-policy: no-referrer",
)  # fmt: skip
requests = st.builds(
    lambda method, path, headers, body: (method, path, headers, body),
    st.sampled_from(METHODS),
    paths,
    st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(words, st.sampled_from(VALUES))), max_size=5),
    st.one_of(st.binary(max_size=6000), st.sampled_from(BODIES)),
)


@pytest.fixture
def target(healthy, page):
    """The page, and what must be the same afterwards."""
    before = (healthy.child(), len(healthy.facts()), everything_in(healthy.folder))
    yield page
    assert (healthy.child(), len(healthy.facts()), everything_in(healthy.folder)) == before
    assert page.process.poll() is None
    assert page.get("/status").json["health"] == "healthy"
    assert "Traceback" not in page.text()


def everything_in(folder):
    """All names below a folder but for those that come with time: of beats, and the first sample after 15 s."""
    return sorted(
        os.path.join(at, name)
        for at, _, names in os.walk(folder)
        for name in names
        if ".new" not in name and name != "samples"
    )


def exchange(page: Page, data: bytes) -> bytes:
    """Send bytes, say that no more come, and return the beginning of the answer."""
    with socket.create_connection(("127.0.0.1", page.port), 20) as wire:
        with contextlib.suppress(OSError):  # it may have hung up before all of it was sent
            wire.sendall(data)
            wire.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            return wire.recv(65536)
    return b""


def code_of(answer: bytes) -> int:
    """The status of an answer."""
    version, code, *_ = answer.split(b" ", 2)
    assert version == b"HTTP/1.1", answer[:200]
    return int(code)


def is_guarded(answer: bytes) -> bool:
    """Whether it protects the browser; what the HTTP library says to what is no request never becomes a page."""
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return all(line in head for line in KEPT) or b"content-type: text/plain" in head


def test_each_route_takes_each_method_odd_header_and_body(target):
    """Every route by every method, each time with another odd header, path and body: codes of ours, all headers."""
    seen = set()
    for route in ROUTES:
        for number, method in enumerate(METHODS):
            at = number + len(route)
            pieces = (PIECES[at % len(PIECES)] if number % 2 else "").encode()
            body = BODIES[at % len(BODIES)]
            lines = [
                method.encode() + b" " + route.encode() + pieces + b" HTTP/1.1",
                f"Host: {target.host}".encode(),
            ]
            lines += [f"{NAMES[at % (len(NAMES) - 1)]}: {VALUES[at % len(VALUES)]}".encode("latin-1")]
            lines += [b"Connection: close", f"Content-Length: {len(body)}".encode(), b"", body]
            answer = exchange(target, b"\r\n".join(lines))
            if answer:
                assert code_of(answer) in CODES, (lines, answer[:300])
                assert is_guarded(answer), (lines, answer[:600])
                seen.add(code_of(answer))
    assert {200, 400, 401, 404, 405} <= seen


def test_made_up_requests_are_answered_and_do_nothing(target):
    """Odd methods, paths, headers and bodies without the token get an answer of ours and change nothing."""
    seen = set()

    @settings(
        max_examples=400,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(requests)
    def run(request):
        method, path, headers, body = request
        lines = [f"{method} {path} HTTP/1.1", f"Host: {target.host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        answer = exchange(target, "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8") + body)
        if answer:
            code = code_of(answer)
            assert code in CODES, (request, answer[:300])
            assert is_guarded(answer), (request, answer[:600])
            seen.add(code)

    run()
    assert {200, 400, 401, 404, 405} <= seen, "the requests reach what they are meant for"


def test_bytes_that_are_no_http_are_let_go(target):
    """Garbage on the wire ends with an error or a closed connection."""

    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(st.binary(min_size=1, max_size=3000))
    def run(data):
        answer = exchange(target, data)
        assert not answer or code_of(answer) in CODES

    run()


def test_a_head_without_end_is_refused(target):
    """Megabytes of headers are not kept."""
    line = b"X-Header: " + b"x" * 1000 + b"\r\n"
    answer = exchange(target, b"GET / HTTP/1.1\r\nHost: " + target.host.encode() + b"\r\n" + line * 2000)
    assert not answer or code_of(answer) in CODES
