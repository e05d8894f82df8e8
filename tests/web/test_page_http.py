"""The routes of the page, called as programs call them."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from rig import Rig
from waiting import wait_until
from web_page import TOKEN, Page, Stream

READING = ("/", "/status", "/health", "/ping", "/ready", "/log", "/events", "/metrics", "/static/page.js")


def test_status_is_what_the_command_says(healthy, page):
    """/status is the same mapping as ``status --json``."""
    ours, theirs = page.get("/status").json, healthy.status()
    assert ours.keys() == theirs.keys()
    for key in ("name", "state", "health", "exit_code", "folder", "watchdog"):
        assert ours[key] == theirs[key]
    assert ours["child"]["pid"] == theirs["child"]["pid"]


@pytest.mark.parametrize("path", READING)
def test_head_answers_like_get_without_a_body(page, path):
    """Each thing that can be read can be asked for with HEAD, which ends at once."""
    answer = page.call("HEAD", path)
    assert answer.status == 200
    assert answer.body == b""


def test_each_answer_protects_the_browser(page):
    """Pages, data and errors carry the same strict headers; nothing inline may run."""
    for path in ("/", "/status", "/nothing-here", "/static/page.css"):
        headers = page.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
    assert page.get("/status").headers["cache-control"] == "no-store"


def test_health_speaks_of_the_watchdog_and_ready_of_the_program(healthy, page):
    """A sick program is not ready, but its watchdog is in health: a host must not restart both for that."""
    assert page.get("/health").status == page.get("/ping").status == page.get("/ready").status == 200
    healthy.cli("pause")
    wait_until(lambda: page.get("/ready").status == 503, "a program that is not ready")
    assert page.get("/ready").json == {"ready": False, "state": "running", "health": "paused"}
    assert page.get("/health").status == 200
    healthy.cli("resume")
    wait_until(lambda: page.get("/ready").status == 200, "a ready program")


def test_health_fails_when_the_watchdog_is_frozen_or_gone(healthy, page):
    """Nobody watches the program then, and the host should know."""
    pid = healthy.status()["watchdog"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: page.get("/health").json == {"watchdog": "frozen"}, "a frozen watchdog")
        assert page.get("/health").status == 503
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: page.get("/health").status == 200, "a watchdog that goes on")
    healthy.stop()
    wait_until(lambda: page.get("/health").json == {"watchdog": "gone"}, "no watchdog")
    assert page.get("/health").status == 503


def test_the_log_is_text_and_harmless(healthy, page):
    """/log gives the newest lines; what would steer a terminal is taken out, and other bytes are replaced."""
    healthy.order(r"bytes 1b5d303b6576696c07c1ff410a")  # a window title, two bytes that are no text, an A
    wait_until(lambda: "\ufffd\ufffdA\n" in page.get("/log").body.decode(), "the line")
    answer = page.get("/log?lines=1")
    assert answer.body.decode() == "\ufffd\ufffdA\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "it works" in page.get("/log?lines=9999999").body.decode()
    assert page.get("/log?lines=0").body == b""
    assert page.get("/log?lines=-1").status == page.get("/log?lines=x").status == 400


def test_the_stream_begins_with_everything_and_goes_on_with_what_is_new(healthy, page):
    """A client gets the whole picture first, then facts and lines as they come, and the state when it changes."""
    stream = Stream(page)
    whole = stream.wait("whole")
    assert whole["state"]["health"] == "healthy"
    assert [fact["fact"] for fact in whole["facts"]][:2] == ["spawned", "healthy"]
    assert whole["lines"][0] == "it works"
    healthy.order("print something new")
    assert stream.wait("lines")["lines"] == ["something new"]
    old = healthy.child()
    os.kill(old, signal.SIGKILL)
    seen = []
    for name, value in stream.events():
        seen += [fact["fact"] for fact in value] if name == "facts" else []
        if name == "state" and value["health"] == "healthy" and value["child"]["pid"] != old:
            assert value["restarts"]["last"][-1]["cause"] == "signal"
            break
    assert "ended" in seen
    stream.close()


def test_the_page_outlives_its_watchdog(healthy, page):
    """It shows that nothing runs, and sees a new watchdog without being restarted."""
    stream = Stream(page)
    stream.wait("whole")
    healthy.stop()
    for name, value in stream.events():
        if name == "state" and value["state"] == "stopped":
            break
    healthy.start(orders=("beat 0.2",))
    for name, value in stream.events():
        if name == "state" and value["health"] == "healthy":
            break
    assert page.get("/status").json["health"] == "healthy"
    stream.close()


def test_actions_do_what_they_say(healthy, page):
    """Restart, pause, resume and stop over HTTP are those of the command line, and are answered when done."""
    old = healthy.child()
    answer = page.post("/actions/restart")
    assert answer.status == 200
    assert answer.json["pid"] == healthy.child() != old
    assert page.post("/actions/pause", {"for": "10m"}).status == 200
    assert 590 < healthy.status()["pause_left_s"] <= 600
    assert page.post("/actions/resume").json == {"ok": True, "was_paused": True}
    assert page.post("/actions/stop").json == {"ok": True}
    assert healthy.status()["state"] == "stopped"
    answer = page.post("/actions/restart")
    assert (answer.status, "no watchdog" in answer.json["error"]) == (409, True)


@pytest.mark.parametrize("body", [{"for": "-1s"}, {"for": "0"}, {"for": 5}, {"for": "soon"}, {"for": "nan"}])
def test_a_pause_of_nonsense_is_refused(healthy, page, body):
    """What is no time changes nothing."""
    assert page.post("/actions/pause", body).status == 400
    assert healthy.status()["health"] == "healthy"


def test_a_body_must_be_small_json(page):
    """Other types, other shapes and too much of it are refused by their own codes."""
    assert page.post("/actions/pause", b"x" * 5000).status == 413
    assert (
        page.post("/actions/pause", b"for=10m", Content_Type="application/x-www-form-urlencoded").status
        == 415
    )
    assert page.post("/actions/pause", b"[]").status == page.post("/actions/pause", b"{").status == 400
    assert page.post("/actions/pause", b"[" * 4000).status == 400


def test_a_session_acts_only_with_its_own_mark(healthy, page):
    """The cookie alone does nothing: a forged request of a foreign page would bring it along too."""
    cookie, csrf = page.sign_in()
    other_cookie, other_csrf = page.sign_in()
    old = healthy.child()
    for headers in ({}, {"X_CSRF_Token": "x"}, {"X_CSRF_Token": other_csrf}, {"X_CSRF_Token": ""}):
        assert page.post("/actions/restart", Authorization="", Cookie=cookie, **headers).status == 403
    assert (
        page.post("/actions/restart", Authorization="", Cookie=f"{cookie}x", X_CSRF_Token=csrf).status == 401
    )
    assert healthy.child() == old
    answer = page.post("/actions/restart", Authorization="", Cookie=cookie, X_CSRF_Token=csrf)
    assert answer.status == 200
    assert (
        page.post("/actions/pause", Authorization="", Cookie=other_cookie, X_CSRF_Token=other_csrf).status
        == 200
    )


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(page):
    """HttpOnly and SameSite=Strict, a name for each port, and Secure behind a proxy that speaks TLS."""
    cookie = page.call("POST", "/login", body={"token": TOKEN}).headers["set-cookie"]
    assert cookie.startswith(f"watchdog_{page.port}=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    answer = page.call("POST", "/login", body={"token": TOKEN}, X_Forwarded_Proto="https")
    assert "Secure" in answer.headers["set-cookie"]


def test_sessions_survive_a_restart_of_the_page_but_not_a_new_token(healthy, page):
    """A session is signed with the token, so nothing needs to be kept, and a new token ends it."""
    cookie, csrf = page.sign_in()
    port = page.port
    assert page.stop() == 0
    again = Page(healthy, "--port", str(port))
    assert again.post("/actions/pause", Authorization="", Cookie=cookie, X_CSRF_Token=csrf).status == 200
    assert again.stop() == 0
    other = Page(healthy, "--port", str(port), token="quite-another-token-than-before")
    assert other.post("/actions/resume", Authorization="", Cookie=cookie, X_CSRF_Token=csrf).status == 401


def test_foreign_names_and_pages_are_refused(healthy, page):
    """A page of somebody else can neither read by a name that leads here nor send its visitors' clicks."""
    for host in (
        "evil.example",
        "evil.example:8787",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[::1",
        "",
    ):
        assert page.get("/status", host=host or " ").status in {400, 403}, host
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{page.port + 1}", "http://localhost"):
        assert page.get("/status", Origin=origin).status == 403, origin
        assert page.post("/actions/restart", Origin=origin).status == 403, origin
    assert page.post("/actions/restart", Sec_Fetch_Site="cross-site").status == 403
    assert len(healthy.facts("spawned")) == 1
    for host in (f"localhost:{page.port}", f"[::1]:{page.port}", "127.0.0.1"):
        assert page.get("/status", host=host).status == 200, host
    assert page.get("/status", Origin=f"http://127.0.0.1:{page.port}").status == 200


def test_another_name_can_be_allowed(healthy):
    """Behind a proxy the page goes by the name that its owner allowed, with TLS or without."""
    page = Page(healthy, "--allow-host", "watch.example.org, other.example.org")
    assert page.get("/status", host="watch.example.org", Origin="https://watch.example.org").status == 200
    assert page.get("/status", host="OTHER.example.org:443", Origin="https://other.example.org").status == 200
    assert page.get("/status", host="third.example.org").status == 403


def test_too_many_wrong_tokens_have_to_wait(page):
    """Guessing is slowed down, and each wrong token is said."""
    codes = [page.post("/actions/restart", Authorization=f"Bearer wrong{n}").status for n in range(25)]
    assert codes[:20] == [401] * 20
    assert codes[20:] == [429] * 5
    assert page.text().count("a wrong token came from 127.0.0.1") == 20


def test_every_watchdog_of_the_user_can_be_looked_at(healthy, page, tmp_path_factory):
    """The list names them all; another one is shown by its key, and made-up keys lead nowhere."""
    other = Rig(tmp_path_factory.mktemp("other"))
    home = str(healthy.folder / "home")
    other.run("--no-heartbeat", "--name", "other", "--", "sleep", "60", XDG_STATE_HOME=home)
    try:
        stream = Stream(page)

        def both():
            found = stream.wait("everyone")
            return found if len(found) == 2 else None

        rows = wait_until(both, "two watchdogs")
        key = next(row["key"] for row in rows if row["name"] == "other")
        assert rows[0]["name"] == "tracker"
        wait_until(lambda: page.get(f"/status?watchdog={key}").json["state"] == "running", "the other one")
        assert page.get(f"/status?watchdog={key}").json["name"] == "other"
        assert page.get("/status?watchdog=../../etc").status == 404
        assert page.post(f"/actions/stop?watchdog={key}").status == 200
        assert healthy.status()["health"] == "healthy"
        stream.close()
    finally:
        other.close()


def test_the_page_sleeps_while_nobody_looks(page):
    """Without a client it uses no processor time and asks no watchdog anything."""
    stream = Stream(page)
    stream.wait("pulse")
    stream.close()
    status = Path(f"/proc/{page.process.pid}/status")
    marks = []

    def is_quiet():
        """At most three wake-ups in three seconds."""
        words = status.read_text().split()
        marks.append((time.monotonic(), int(words[words.index("voluntary_ctxt_switches:") + 1])))
        past = [count for at, count in marks if at < marks[-1][0] - 3]
        return bool(past) and marks[-1][1] - past[-1] <= 3

    wait_until(is_quiet, "a page that sleeps", 40)
    assert page.get("/health").status == 200


def test_the_page_ends_cleanly_with_clients(healthy, page):
    """Told to end, it lets its streams go and ends with 0 within seconds, and the watchdog does not notice."""
    streams = [Stream(page) for _ in range(5)]
    for stream in streams:
        stream.wait("whole")
    assert page.stop() == 0
    for stream in streams:
        list(stream.events())  # ends, for the connection is closed
        stream.close()
    assert healthy.status()["health"] == "healthy"


def test_tokens_are_shown_when_there_are_some(healthy, page):
    """A tracked_tokens.json in the folder becomes a list, and what is no token in it is passed over."""
    token = {
        "symbol": "ABC",
        "name": "A <b>bold</b> name",
        "firstPrice": 2.0,
        "lastPrice": 3.0,
        "priceHistoryEvery20s": [{"price": 2.0}, {"price": "x"}, 5, {"price": 3.0}],
    }
    odd = {"odd": 5, "odder": {"lastPrice": True, "firstPrice": 0, "symbol": 7, "priceHistoryEvery20s": {}}}
    stream = Stream(page)
    stream.wait("whole")
    healthy.write("tracked_tokens.json", json.dumps({"abc": token} | odd))
    found = stream.wait("tokens")
    assert found["count"] == 2
    assert found["shown"][0]["rise"] == pytest.approx(50)
    assert found["shown"][0]["history"] == [2.0, 3.0]
    assert found["shown"][1] == {
        "address": "odder", "symbol": "", "name": "", "price": None, "rise": None, "most": None,
        "low": False, "stopped": False, "history": [],
    }  # fmt: skip
    (healthy.folder / "tracked_tokens.json").unlink()
    assert stream.wait("tokens") is None
    stream.close()


def test_metrics_are_those_of_the_program(healthy, page):
    """/metrics speaks Prometheus' language."""
    answer = page.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'name="tracker"' in answer.body
    assert b"# TYPE" in answer.body


def test_incidents_can_be_read_by_their_exact_names(healthy, page):
    """An unplanned end appears in the list with its text, its whole story can be read, and no path leads elsewhere."""
    stream = Stream(page)
    assert stream.wait("whole")["incidents"] == []
    healthy.order("print famous last words;exit 3")
    row = stream.wait("incidents")[0]
    assert (row["cause"], row["text"]) == ("exit", "exit code 3")
    found = page.get(f"/incidents/{row['id']}").json
    assert found["id"] == row["id"]
    assert "exit code 3" in found["parts"][0]["text"]
    assert "famous last words" in found["parts"][1]["text"]
    for name in ("last", row["id"][:8], "..%2f..", "%2e%2e", ".", row["id"] + "x", "%00"):
        assert page.get(f"/incidents/{name}").status == 404, name
    stream.close()
