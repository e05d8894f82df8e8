"""What users of other supervisors had to report of their pages: open doors, guessed tokens, leaked secrets."""

import os
from pathlib import Path

import psutil
import pytest

from web_page import OPENED, TOKEN, Page, Stream

SECRET = "1234567:marker-that-must-never-be-seen"
ODD_PATHS = (
    "/nothing", "/status/", "/status/x", "//status", "/./status", "/static/../views.py", "/static/%2e%2e%2fviews.py",
    "/static/", "/static/../../../../etc/passwd", "/incidents/", "/incidents/..%2f..%2fstate.json", "/incidents/a/b",
    "/actions/", "/actions/kill", "/actions/stop/", "/RPC2", "/api/stop", "/.watchdog/tracker/state.json",
    "/logs/tracker.log", "/log/../status", "/" + "a" * 8000, "/%00", "/%7f", "*",
)  # fmt: skip


@pytest.fixture(autouse=True)
def close_streams():
    """No test leaves a connection open."""
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture
def page(dog):
    """A page over a healthy program."""
    dog.start("--restart-delay", "200ms", orders=("beat 0.2",))
    dog.await_health("healthy")
    return Page(dog)


def test_X01_there_are_no_routes_but_ours(dog, page):
    """X01: made-up, dotted and endless paths, and wrong methods, are refused and do nothing, even with the token."""
    child = dog.child()
    token = {"Authorization": f"Bearer {TOKEN}"}
    for path in ODD_PATHS:
        for method in ("GET", "POST"):
            assert page.call(method, path, **token).status in {400, 404, 405, 414}, (method, path[:60])
    for path in ("/status", "/log", "/events", "/", "/metrics"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            assert page.call(method, path, **token).status == 405, (method, path)
    for action in ("stop", "restart", "pause", "resume"):
        for method in ("GET", "HEAD", "PUT"):
            assert page.call(method, f"/actions/{action}", **token).status == 405, (method, action)
    assert dog.child() == child
    assert [fact["fact"] for fact in dog.facts()] == ["spawned", "healthy"]


def test_X01_without_the_switch_nobody_can_act(dog):
    """X01: a page that was started without a token takes no order, whatever is sent along."""
    dog.start(orders=("beat 0.2",))
    dog.await_health("healthy")
    page = Page(dog, token=None)
    for given in ("", "Bearer ", "Bearer x", "Bearer None", "Basic Og=="):
        for action in ("stop", "restart", "pause", "resume"):
            assert page.post(f"/actions/{action}", Authorization=given).status in {401, 403}
    assert page.call("POST", "/login", body={"token": ""}).status == 403
    assert dog.health() == "healthy"


def test_X02_only_loopback_listens_unless_a_token_guards_it(dog, page):
    """X02: by default the machine alone can connect; any other address without a token is refused at the start."""
    found = {one.laddr.ip for one in psutil.Process(page.process.pid).net_connections("tcp") if not one.raddr}
    assert found == {"127.0.0.1"}
    for host in ("0.0.0.0", "::"):
        refused = dog.cli("web", "--host", host, "--port", "0")
        assert refused.returncode == 2
        assert "WATCHDOG_WEB_TOKEN" in refused.stderr
        assert refused.stdout == ""


def test_X02_wrong_tokens_are_refused_and_told(dog, page):
    """X02: a wrong, a near, a longer and an empty token are 401, are logged without their text, and do nothing."""
    wrong = ("nonsense", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "")
    for token in wrong:
        assert page.post("/actions/stop", Authorization=f"Bearer {token}").status == 401
        assert page.call("POST", "/login", body={"token": token}).status == 401
    assert page.text().count("a wrong token came from 127.0.0.1") == 2 * len(wrong)
    assert not any(token in page.text() for token in wrong if token)
    assert dog.health() == "healthy"


@pytest.mark.parametrize("name", ["a;b", "a\nb", "../a", '"a"', "a b", "", "a/b", ".."])
def test_X04_names_are_plain(dog, name):
    """X04: a name with anything in it that a shell, a path or a line would obey is refused, and nothing is written."""
    before = sorted(os.listdir(dog.folder))
    found = dog.cli("web", "--port", "0", "--name", name)
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert sorted(os.listdir(dog.folder)) == before


def test_X06_secrets_are_seen_nowhere(dog):
    """X06: neither the page's token nor a secret of the environment is in any answer, output or file."""
    dog.start(orders=("beat 0.2", "exit 3"), TELEGRAM_BOT_TOKEN=SECRET, WATCHDOG_WEB_TOKEN=TOKEN)
    page = Page(dog, TELEGRAM_BOT_TOKEN=SECRET)
    dog.fact("ended", 2)
    answers = b""
    for path in ("/", "/status", "/log", "/metrics", "/health", "/ready", "/static/page.js"):
        answers += page.get(path).body
    stream = Stream(page)
    whole = str(stream.wait("whole"))
    cookie, csrf = page.sign_in()
    page.post("/actions/restart", Authorization="", Cookie=cookie, X_CSRF_Token=csrf)
    page.post("/actions/restart", Authorization="Bearer wrong")
    written = b"".join(path.read_bytes() for path in Path(dog.folder).rglob("*") if path.is_file())
    for marker in (SECRET, TOKEN):
        assert marker.encode() not in answers
        assert marker not in whole
        assert marker not in cookie + csrf
        assert marker not in page.text()
        assert marker.encode() not in written
